import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memberId, nodeId, noSession, sessionId, type SessionId } from '../../src/base/ids.ts';
import { decodeCommands, encodeCommands, type CommandGroup } from '../../src/replica/batch.ts';
import { Proposals, type Taken } from '../../src/replica/proposals.ts';
import { Sessions } from '../../src/replica/sessions.ts';

/** A leader's queue, and a session whose groups it takes. */
class Scene {
  readonly sessions = new Sessions();
  readonly session: SessionId;
  readonly proposals = new Proposals();
  lastIndex = 100;

  constructor() {
    const member = memberId('00000000000000aa');
    const asked = { kind: 'open', node: nodeId(1), member, incarnation: 1, nonce: 1 } as const;
    this.session = this.sessions.open(asked, 0);
  }

  group(sequence: number, count = 1, bytes = 10): CommandGroup {
    const body = new Uint8Array(bytes);
    return {
      kind: 'commands',
      session: this.session,
      sequence,
      acknowledged: 0,
      isAlone: false,
      count,
      body,
    };
  }

  /** Offers a group that has to be resolved. */
  offerAlone(sequence: number): CommandGroup {
    const command = { database: 0, bytes: Buffer.from(`c${sequence}`) };
    const body = encodeCommands([command]);
    const group = { ...this.group(sequence), isAlone: true, body };
    assert.equal(this.proposals.offer(group, this.sessions).kind, 'admitted');
    return group;
  }

  offer(sequence: number, count = 1, bytes = 10): string {
    return this.proposals.offer(this.group(sequence, count, bytes), this.sessions).kind;
  }

  /** Takes what may leave and proposes it: the commands of each entry. */
  propose(): number[] {
    const entries: number[] = [];
    for (;;) {
      const taken: Taken | undefined = this.proposals.take();
      if (taken === undefined) return entries;
      this.lastIndex += 1;
      this.proposals.proposed(taken, this.lastIndex);
      entries.push(taken.commands);
    }
  }

  apply(index: number, replies: readonly (readonly string[])[] = []): void {
    this.proposals.applied(index, replies);
  }

  addRead(outcomes: string[], name: string, count = 1): void {
    const group = { ...this.group(0, count), session: noSession, sequence: 0 };
    this.proposals.addRead({
      group,
      done: (replies) => outcomes.push(`${name} ${replies?.join(' ') ?? 'elsewhere'}`),
    });
  }
}

test('a session’s groups are admitted once and in order, counted from what is applied and in flight', () => {
  const scene = new Scene();
  assert.equal(scene.offer(2), 'gap');
  assert.equal(scene.offer(1), 'admitted');
  assert.equal(scene.offer(1), 'in-flight');
  assert.equal(scene.offer(2), 'admitted');
  scene.sessions.admit(scene.group(1), 0);
  assert.equal(scene.offer(1), 'duplicate');
  assert.equal(scene.offer(2), 'in-flight');
  assert.equal(scene.offer(4), 'gap');
  const unknown = { ...scene.group(1), session: sessionId(99) };
  assert.equal(scene.proposals.offer(unknown, scene.sessions).kind, 'unknown-session');
});

test('what waits becomes one entry, and alone it never waits', () => {
  const scene = new Scene();
  scene.offer(1);
  scene.offer(2, 5);
  assert.deepEqual(scene.propose(), [6]);
  assert.equal(scene.proposals.isIdle, false);
});

test('beside entries in flight, the next leaves only once half of all commands wait', () => {
  const scene = new Scene();
  scene.offer(1, 10);
  assert.deepEqual(scene.propose(), [10]);
  scene.offer(2, 9);
  assert.deepEqual(scene.propose(), [], '9 of 19');
  scene.offer(3, 1);
  assert.deepEqual(scene.propose(), [10], '10 of 20');
});

test('every applied entry looks again at what waits', () => {
  const scene = new Scene();
  scene.offer(1, 10);
  scene.propose();
  scene.offer(2, 1);
  assert.deepEqual(scene.propose(), []);
  scene.apply(101);
  assert.deepEqual(scene.propose(), [1]);
});

test('no more than four entries are in flight', () => {
  const scene = new Scene();
  for (let turn = 1; turn <= 6; turn++) {
    scene.offer(turn, 10 ** turn);
    assert.equal(scene.propose().length, turn <= 4 ? 1 : 0);
  }
  scene.apply(101);
  assert.deepEqual(scene.propose(), [10 ** 5 + 10 ** 6]);
});

test('an entry is closed at its size; a larger group is an entry of its own', () => {
  const scene = new Scene();
  scene.offer(1, 1, 600_000);
  scene.offer(2, 1, 600_000);
  scene.offer(3, 4, 3_000_000);
  scene.offer(4, 16);
  assert.deepEqual(scene.propose(), [1, 1, 4, 16]);
});

test('groups that the core does not take stay where they are', () => {
  const scene = new Scene();
  scene.offer(1);
  scene.proposals.take();
  assert.equal(scene.proposals.take()?.commands, 1);
});

const logged = { database: 3, bytes: Buffer.from('effect') };

test('a group that has to be resolved waits until nothing is in flight, and what stands behind it waits too', () => {
  const scene = new Scene();
  scene.offer(1);
  scene.offerAlone(2);
  scene.offer(3, 100);
  assert.equal(scene.proposals.toResolve(), undefined, 'one stands before it');
  assert.deepEqual(scene.propose(), [1]);
  assert.equal(scene.proposals.toResolve(), undefined, 'one is in flight');
  scene.apply(101);
  const group = scene.proposals.toResolve();
  assert.equal(group?.sequence, 2);
  assert.equal(scene.proposals.toResolve(), undefined, 'it is given out once');
  assert.deepEqual(scene.propose(), []);
  assert.equal(scene.offer(2), 'in-flight', 'sent again it is recognised');
  assert.equal(scene.proposals.resolved(group, logged), true);
  const taken = scene.proposals.take();
  assert.deepEqual([taken?.groups.length, taken?.commands], [2, 101]);
  const [first] = taken?.groups ?? [];
  assert.ok(first?.kind === 'commands' && !first.isAlone && first.sequence === 2);
  assert.deepEqual(decodeCommands(first.body, first.count), [logged]);
});

test('of two groups that have to be resolved the second is, once the first is applied', () => {
  const scene = new Scene();
  scene.offerAlone(1);
  scene.offerAlone(2);
  const first = scene.proposals.toResolve();
  assert.ok(first !== undefined && scene.proposals.resolved(first, logged));
  assert.equal(scene.proposals.toResolve(), undefined);
  assert.deepEqual(scene.propose(), [1]);
  assert.equal(scene.proposals.toResolve(), undefined);
  scene.apply(101);
  assert.equal(scene.proposals.toResolve()?.sequence, 2);
});

test('what the engine could not resolve is given out again', () => {
  const scene = new Scene();
  const group = scene.offerAlone(1);
  assert.equal(scene.proposals.toResolve(), group);
  assert.equal(scene.proposals.resolved(group, undefined), false);
  assert.equal(scene.proposals.toResolve(), group);
  scene.proposals.interrupt();
  assert.equal(scene.proposals.toResolve(), group, 'the engine was unwell');
});

test('what is resolved after its term ended, or after the engine was unwell, does not count', () => {
  const scene = new Scene();
  const group = scene.offerAlone(1);
  scene.proposals.toResolve();
  scene.proposals.interrupt();
  assert.equal(scene.proposals.resolved(group, logged), false);
  scene.proposals.toResolve();
  scene.proposals.abandon();
  assert.equal(scene.proposals.resolved(group, logged), false);
  assert.ok(scene.proposals.isIdle);
});

test('logged reads get the replies of their entry, in order', () => {
  const scene = new Scene();
  const outcomes: string[] = [];
  scene.addRead(outcomes, 'a');
  scene.offer(1);
  scene.addRead(outcomes, 'b', 2);
  scene.propose();
  scene.apply(100);
  assert.deepEqual(outcomes, [], 'an entry before it is not its own');
  scene.apply(101, [['1'], ['2', '3']]);
  assert.deepEqual(outcomes, ['a 1', 'b 2 3']);
  assert.ok(scene.proposals.isIdle);
});

test('when the term ends all is forgotten, and groups are admitted anew', () => {
  const scene = new Scene();
  const outcomes: string[] = [];
  scene.addRead(outcomes, 'in flight');
  scene.offer(1);
  scene.propose();
  scene.addRead(outcomes, 'waiting');
  scene.offer(2);
  scene.proposals.abandon();
  assert.deepEqual(outcomes, ['in flight elsewhere', 'waiting elsewhere']);
  assert.ok(scene.proposals.isIdle);
  assert.equal(scene.offer(2), 'gap');
  assert.equal(scene.offer(1), 'admitted');
});
