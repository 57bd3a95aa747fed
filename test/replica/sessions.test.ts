import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memberId, nodeId, noSession, sessionId } from '../../src/base/ids.ts';
import type { CommandGroup, OpenGroup } from '../../src/replica/batch.ts';
import { sessionIdleMs, Sessions } from '../../src/replica/sessions.ts';

const asked = (node: number, nonce = 1, incarnation = 1): OpenGroup => ({
  kind: 'open',
  node: nodeId(node),
  member: memberId('00000000000000aa'),
  incarnation,
  nonce,
});

const group = (session: number, sequence: number, acknowledged = 0): CommandGroup => ({
  kind: 'commands',
  session: sessionId(session),
  sequence,
  acknowledged,
  isAlone: false,
  count: 0,
  body: new Uint8Array(0),
});

test('a group is applied once, and its replies are there for whoever asks again', () => {
  const sessions = new Sessions();
  const id = sessions.open(asked(1), 0);
  assert.equal(sessions.admit(group(id, 1), 0), 'next');
  sessions.record(id, 1, [':1\r\n']);
  assert.equal(sessions.admit(group(id, 1), 0), 'duplicate');
  assert.deepEqual(sessions.recorded(id, 1), [':1\r\n']);
  assert.equal(sessions.lastSequence(id), 1);
});

test('acknowledged replies are forgotten, later ones kept', () => {
  const sessions = new Sessions();
  const id = sessions.open(asked(1), 0);
  for (const sequence of [1, 2, 3]) {
    sessions.admit(group(id, sequence), 0);
    sessions.record(id, sequence, [`:${sequence}\r\n`]);
  }
  sessions.admit(group(id, 4, 2), 0);
  assert.equal(sessions.recorded(id, 1), undefined);
  assert.equal(sessions.recorded(id, 2), undefined);
  assert.deepEqual(sessions.recorded(id, 3), [':3\r\n']);
});

test('a gap in a session is our own bug and stops the replica', () => {
  const sessions = new Sessions();
  const id = sessions.open(asked(1), 0);
  assert.throws(() => sessions.admit(group(id, 2), 0), /without a gap/);
});

test('asking twice for the same session gives the same one', () => {
  const sessions = new Sessions();
  assert.equal(sessions.open(asked(1), 0), sessions.open(asked(1), 5));
  assert.equal(sessions.size, 1);
});

test('a node that opens another session ends its former one, and only its own', () => {
  const sessions = new Sessions();
  const first = sessions.open(asked(1), 0);
  const other = sessions.open(asked(2), 0);
  const second = sessions.open(asked(1, 1, 2), 0);
  assert.notEqual(first, second);
  assert.equal(sessions.admit(group(first, 1), 0), 'unknown');
  assert.equal(sessions.admit(group(other, 1), 0), 'next');
  assert.equal(sessions.admit(group(second, 1), 0), 'next');
  assert.equal(sessions.nodeOf(second), 1);
});

test('a session ends when two sweeps, by the time of entries, find it idle too long', () => {
  const sessions = new Sessions();
  const idle = sessions.open(asked(1), 100_000);
  const used = sessions.open(asked(2), 100_000);
  sessions.admit(group(used, 1), 100_000 + sessionIdleMs);
  sessions.expire(100_000 + sessionIdleMs);
  assert.equal(sessions.lastSequence(idle), 0, 'not yet: idle for exactly the limit');
  sessions.expire(100_000 + sessionIdleMs + 60_001);
  assert.equal(sessions.lastSequence(idle), 0, 'found idle once: it might be a step of time');
  sessions.expire(100_000 + sessionIdleMs + 120_000);
  assert.equal(sessions.lastSequence(idle), 0, 'no sweep yet');
  sessions.expire(100_000 + sessionIdleMs + 120_001);
  assert.equal(sessions.lastSequence(idle), undefined);
  assert.equal(sessions.lastSequence(used), 1);
});

test('a session that is used after a step of time stays', () => {
  const sessions = new Sessions();
  const id = sessions.open(asked(1), 100_000);
  const later = 100_000 + 24 * 3_600_000;
  sessions.expire(later);
  sessions.admit(group(id, 1), later + 1);
  sessions.expire(later + 60_001);
  assert.equal(sessions.lastSequence(id), 1);
});

test('a request for a session that was held up on its way does not end the one that its node opened since', () => {
  const sessions = new Sessions();
  sessions.open(asked(1, 1, 1), 0);
  const current = sessions.open(asked(1, 2, 2), 0);
  assert.equal(sessions.open(asked(1, 1, 2), 0), noSession, 'an earlier request of this life');
  assert.equal(sessions.open(asked(1, 9, 1), 0), noSession, 'a request of an earlier life');
  assert.equal(sessions.admit(group(current, 1), 0), 'next');
});

test('a replaced member may open a session, though it counts its lives anew', () => {
  const sessions = new Sessions();
  const before = sessions.open(asked(1, 4, 9), 0);
  const replaced = sessions.open({ ...asked(1, 1, 1), member: memberId('00000000000000bb') }, 0);
  assert.notEqual(replaced, noSession);
  assert.equal(sessions.nodeOf(before), undefined);
});

test('replies beyond 8 MB of a session are forgotten, oldest first, and who asks for them is told', () => {
  const sessions = new Sessions();
  const id = sessions.open(asked(1), 0);
  const replies = [`$3000000\r\n${'x'.repeat(3_000_000)}\r\n`];
  for (const sequence of [1, 2, 3]) {
    sessions.admit(group(id, sequence), 0);
    sessions.record(id, sequence, replies);
  }
  assert.equal(sessions.recorded(id, 1), undefined);
  assert.deepEqual(sessions.recorded(id, 2), replies);
  assert.deepEqual(
    [1, 2, 3].map((sequence) => sessions.isForgotten(id, sequence)),
    [true, false, false],
  );
  // What is acknowledged makes room again.
  sessions.admit(group(id, 4, 3), 0);
  sessions.record(id, 4, replies);
  sessions.admit(group(id, 5, 3), 0);
  sessions.record(id, 5, replies);
  assert.deepEqual(sessions.recorded(id, 4), replies);
  sessions.admit(group(id, 6, 3), 0);
  sessions.record(id, 6, ['x'.repeat(9_000_000)]);
  assert.equal(sessions.recorded(id, 5), undefined);
  assert.equal(sessions.recorded(id, 6), undefined, 'not even the last');
  assert.ok(sessions.isForgotten(id, 6));
});
