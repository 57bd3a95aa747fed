import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  groupId,
  index,
  memberId,
  nodeId,
  noSession,
  sessionId,
  term,
} from '../../src/base/ids.ts';
import type { EngineEntry } from '../../src/engine/engine.ts';
import type { Entry } from '../../src/raft/message.ts';
import { Applier, type AppliedEntry, type TakenEntry } from '../../src/replica/applier.ts';
import { encodeBatch, encodeCommands, type Group } from '../../src/replica/batch.ts';
import type { Sessions } from '../../src/replica/sessions.ts';

/** An applier, and an engine that answers each command with its own text when the test says so. */
class Scene {
  readonly entries: EngineEntry[] = [];
  readonly applier: Applier = new Applier(groupId(1));
  readonly #taken: TakenEntry[] = [];

  get sessions(): Sessions {
    return this.applier.sessions;
  }

  apply(at: number, timeMs: number, groups: readonly Group[]): void {
    this.applyData(at, encodeBatch({ timeMs, groups }));
  }

  applyData(at: number, data: Uint8Array, type: Entry['type'] = 'normal'): void {
    const taken = this.applier.take({ term: term(2), index: index(at), type, data });
    this.entries.push(taken.entry);
    this.#taken.push(taken);
  }

  finish(): readonly unknown[] {
    const applied = this.#taken.splice(0).map((taken): AppliedEntry => {
      const { commands: given } = taken.entry;
      return taken.answered(given.map(({ bytes }) => `+${Buffer.from(bytes).toString()}`));
    });
    return applied.flatMap(({ outcomes }) => outcomes);
  }

  /** The replies are lost, but for those that `former` sessions have. */
  lose(former?: Sessions): readonly unknown[] {
    return this.#taken.splice(0).flatMap((taken) => taken.lost(former).outcomes);
  }

  commands(): string[] {
    return this.entries.flatMap((entry) =>
      entry.commands.map(({ bytes }) => Buffer.from(bytes).toString()),
    );
  }
}

const open = (node: number): Group => ({
  kind: 'open',
  node: nodeId(node),
  member: memberId('00000000000000aa'),
  incarnation: 1,
  nonce: 1,
});

const commands = (session: number, sequence: number, ...names: string[]): Group => ({
  kind: 'commands',
  session: sessionId(session),
  sequence,
  acknowledged: 0,
  isAlone: false,
  count: names.length,
  body: encodeCommands(names.map((name) => ({ database: 0, bytes: Buffer.from(name) }))),
});

test('the commands of an entry’s groups are applied together, and each group gets its own replies', () => {
  const scene = new Scene();
  scene.apply(1, 10, [open(1), open(2)]);
  scene.apply(2, 11, [commands(1, 1, 'a', 'b'), commands(noSession, 0, 'c'), commands(2, 1, 'd')]);
  assert.deepEqual(scene.commands(), ['a', 'b', 'c', 'd']);
  const outcomes = scene.finish().slice(2);
  assert.deepEqual(outcomes, [
    { kind: 'replies', node: 1, session: 1, sequence: 1, replies: ['+a', '+b'] },
    { kind: 'read', replies: ['+c'] },
    { kind: 'replies', node: 2, session: 2, sequence: 1, replies: ['+d'] },
  ]);
});

test('a group that is in the log twice is applied once', () => {
  const scene = new Scene();
  scene.apply(1, 10, [open(1), commands(1, 1, 'a')]);
  scene.apply(2, 11, [commands(1, 1, 'a'), commands(1, 2, 'b')]);
  assert.deepEqual(scene.commands(), ['a', 'b']);
});

test('a group whose session has ended is not applied', () => {
  const scene = new Scene();
  scene.apply(1, 10, [commands(9, 1, 'a')]);
  assert.deepEqual(scene.commands(), []);
  assert.deepEqual(scene.finish(), []);
});

test('the replies of a group are recorded for whoever asks again', () => {
  const scene = new Scene();
  scene.apply(1, 10, [open(1), commands(1, 1, 'a')]);
  assert.equal(scene.sessions.recorded(sessionId(1), 1), undefined, 'not before they are there');
  assert.equal(scene.sessions.isForgotten(sessionId(1), 1), false);
  scene.finish();
  assert.deepEqual(scene.sessions.recorded(sessionId(1), 1), ['+a']);
});

test('a group whose replies are lost is known as applied, and its replies as gone', () => {
  const scene = new Scene();
  scene.apply(1, 10, [open(1), commands(1, 1, 'a'), commands(noSession, 0, 'c')]);
  assert.deepEqual(scene.lose().slice(1), [
    { kind: 'lost', node: 1, session: 1, sequence: 1 },
    { kind: 'read', replies: undefined },
  ]);
  assert.equal(scene.sessions.lastSequence(sessionId(1)), 1);
  assert.equal(scene.sessions.recorded(sessionId(1), 1), undefined);
  assert.ok(scene.sessions.isForgotten(sessionId(1), 1), 'nobody waits for them');
});

test('lost replies are taken over from sessions that have them', () => {
  const former = new Scene();
  former.apply(1, 10, [open(1), commands(1, 1, 'a'), commands(1, 2, 'b')]);
  former.finish();
  const scene = new Scene();
  scene.apply(1, 10, [open(1), commands(1, 1, 'a'), commands(1, 2, 'b')]);
  scene.apply(2, 10, [commands(1, 3, 'c')]);
  assert.deepEqual(scene.lose(former.sessions).slice(1), [
    { kind: 'lost', node: 1, session: 1, sequence: 3 },
  ]);
  assert.deepEqual(scene.sessions.recorded(sessionId(1), 2), ['+b']);
});

test('an opening that opened nothing is told to nobody', () => {
  const scene = new Scene();
  const later: Group = { ...(open(1) as Extract<Group, { kind: 'open' }>), nonce: 2 };
  scene.apply(1, 10, [later, open(1)]);
  assert.deepEqual(scene.finish(), [{ kind: 'opened', asked: later, session: 1 }]);
});

test('time is the entry’s, and never goes back', () => {
  const scene = new Scene();
  scene.apply(1, 50, []);
  scene.apply(2, 40, []);
  scene.applyData(3, new Uint8Array(0));
  assert.deepEqual(
    scene.entries.map(({ timeMs }) => timeMs),
    [50, 50, 50],
  );
});

test('an entry that opens a term or changes members moves the engine’s index and nothing else', () => {
  const scene = new Scene();
  scene.applyData(1, new Uint8Array(0));
  scene.applyData(2, Buffer.from('whatever a change of members holds'), 'conf-change');
  assert.deepEqual(
    scene.entries.map((entry) => [entry.index, entry.commands.length]),
    [
      [1, 0],
      [2, 0],
    ],
  );
});

test('a committed entry that does not decode is an error of this replica, never skipped', () => {
  const scene = new Scene();
  assert.throws(() => scene.applyData(1, Buffer.from('no batch')), {
    code: 'damaged',
    message: /entry 1 of group 1/,
  });
});

test('a committed group whose commands do not decode is an error of this replica', () => {
  const scene = new Scene();
  const group = commands(noSession, 0, 'a') as Extract<Group, { kind: 'commands' }>;
  assert.throws(() => scene.apply(1, 10, [{ ...group, count: 2 }]), { code: 'damaged' });
});

test('entries are applied one after the other, none left out', () => {
  const scene = new Scene();
  scene.apply(1, 10, []);
  assert.throws(() => scene.apply(3, 10, []), /one after the other/);
});
