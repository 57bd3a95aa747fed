import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId, term } from '../../src/base/ids.ts';
import { Origin, type Leader } from '../../src/cluster/origin.ts';
import type { CommandGroup } from '../../src/replica/batch.ts';

/** An origin, what it sent, and what became of its clients' commands. */
class Scene {
  nowMs = 0;
  leader: Leader | undefined = { node: nodeId(2), term: term(3) };
  readonly sent: CommandGroup[] = [];
  readonly opened: number[] = [];
  /** Sequences whose replies replicas were asked for. */
  readonly recalled: number[] = [];
  readonly outcomes: string[] = [];
  settled = 0;
  onSend: (group: CommandGroup) => void = () => undefined;
  readonly origin = new Origin({
    clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
    commandTimeoutMs: 5_000,
    leader: () => this.leader,
    send: (_leader, group) => {
      this.sent.push(group);
      this.onSend(group);
    },
    openSession: (_leader, nonce) => this.opened.push(nonce),
    recall: (_session, sequence) => this.recalled.push(sequence),
    onSettled: (count) => {
      this.settled += count;
    },
  });

  /** One turn with one command. */
  command(name: string): void {
    this.submit(name);
    this.origin.flush();
  }

  submit(name: string, bytes: Uint8Array = Buffer.from(name)): void {
    this.origin.submit({
      path: 'log',
      isAlone: name.startsWith('alone'),
      isBehind: name.startsWith('behind'),
      database: 0,
      bytes,
      settle: (reply) => this.outcomes.push(`${name} ${reply}`),
      fail: (failure) => this.outcomes.push(`${name} ${failure}`),
    });
  }

  /** The session that the newest request asked for is open. */
  open(session = 7): this {
    if (this.opened.length === 0) this.origin.sendAgain();
    this.origin.opened(this.opened.at(-1) ?? 0, session);
    return this;
  }

  answer(sequence: number, reply = 'ok', session = 7): void {
    this.origin.answered(session, sequence, { kind: 'replies', replies: [reply], index: 9 });
  }

  pass(ms: number): void {
    for (const until = this.nowMs + ms; this.nowMs < until;) {
      this.nowMs += 50;
      this.origin.tick();
    }
  }

  /** Sequences sent since the last call. */
  takeSent(): string[] {
    return this.sent
      .splice(0)
      .map(({ sequence, count, isAlone }) => `${sequence}×${count}${isAlone ? ' alone' : ''}`);
  }
}

test('nothing is sent before a session is open, and then in the order of submission', () => {
  const scene = new Scene();
  scene.command('a');
  scene.command('b');
  assert.deepEqual(scene.takeSent(), []);
  assert.deepEqual(scene.opened, [1]);
  scene.open();
  assert.deepEqual(scene.takeSent(), ['1×2'], 'what waited goes as one group');
  scene.command('c');
  assert.deepEqual(scene.takeSent(), ['2×1']);
});

test('commands of one turn are one group, and their replies keep their order', () => {
  const scene = new Scene().open();
  scene.submit('a');
  scene.submit('b');
  scene.origin.flush();
  assert.deepEqual(scene.takeSent(), ['1×2']);
  scene.origin.answered(7, 1, { kind: 'replies', replies: ['x', 'y'], index: 9 });
  assert.deepEqual(scene.outcomes, ['a x', 'b y']);
  assert.equal(scene.settled, 2);
});

test('a command that has to be resolved is a group of its own, in its place', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b', 'alone 1', 'alone 2', 'c', 'd']) scene.submit(name);
  scene.origin.flush();
  const groups = ['1×2', '2×1 alone', '3×1 alone', '4×2'];
  assert.deepEqual(scene.takeSent(), groups);
  scene.origin.sendAgain();
  assert.deepEqual(scene.takeSent(), groups, 'sent again it is the same');
});

test('what has to be resolved stays alone when it waits, and when its session has ended', () => {
  const scene = new Scene();
  for (const name of ['a', 'alone', 'b']) scene.command(name);
  scene.open();
  assert.deepEqual(scene.takeSent(), ['1×1', '2×1 alone', '3×1']);
  scene.origin.answered(7, 1, { kind: 'unknown-session' });
  scene.open(8);
  assert.deepEqual(scene.takeSent(), ['1×1', '2×1 alone', '3×1']);
});

test('the empty group that takes the place of one in doubt has nothing to be resolved', () => {
  const scene = new Scene().open();
  scene.command('alone');
  scene.takeSent();
  scene.pass(6_500);
  assert.deepEqual(scene.outcomes, ['alone in-doubt']);
  assert.deepEqual(scene.takeSent().at(-1), '1×0');
});

test('after a change of leader everything unanswered goes again in order, before newer groups', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b', 'c']) scene.command(name);
  scene.answer(1);
  scene.leader = undefined;
  scene.command('d');
  scene.takeSent();
  scene.leader = { node: nodeId(3), term: term(4) };
  scene.origin.sendAgain();
  assert.deepEqual(scene.takeSent(), ['2×1', '3×1', '4×1']);
  assert.equal(scene.sent.length, 0);
});

test('a group that is sent again keeps its sequence and acknowledges only what was answered without a gap', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b', 'c', 'd']) scene.command(name);
  scene.answer(1);
  scene.answer(3);
  scene.sent.length = 0;
  scene.origin.sendAgain();
  const sent = scene.sent.map(({ sequence, acknowledged }) => ({ sequence, acknowledged }));
  assert.deepEqual(sent, [
    { sequence: 2, acknowledged: 1 },
    { sequence: 4, acknowledged: 1 },
  ]);
});

test('a command that was never sent fails with cluster-down, one that was sent with in-doubt', () => {
  const scene = new Scene().open();
  scene.command('sent');
  scene.leader = undefined;
  scene.command('waiting');
  scene.pass(5_000);
  assert.deepEqual(scene.outcomes, ['waiting cluster-down', 'sent in-doubt']);
  assert.equal(scene.settled, 2);
});

test('a group that timed out is sent empty, so that it never happens later', () => {
  const scene = new Scene().open();
  scene.command('late');
  scene.leader = undefined;
  scene.pass(5_000);
  assert.deepEqual(scene.outcomes, ['late in-doubt']);
  scene.takeSent();
  scene.leader = { node: nodeId(3), term: term(4) };
  scene.origin.sendAgain();
  assert.deepEqual(scene.takeSent(), ['1×0']);
  scene.command('next');
  assert.deepEqual(scene.takeSent(), ['2×1']);
  scene.origin.answered(7, 1, {
    kind: 'replies',
    replies: ['the first time it was applied'],
    index: 9,
  });
  scene.answer(2);
  assert.deepEqual(scene.outcomes, ['late in-doubt', 'next ok']);
});

test('an answer is taken once, and only in the session and for the group that it names', () => {
  const scene = new Scene().open();
  scene.command('a');
  scene.answer(1, 'of another session', 6);
  scene.answer(2, 'of a group never sent');
  scene.answer(0, 'of a group long answered');
  assert.deepEqual(scene.outcomes, []);
  scene.answer(1, 'right');
  scene.answer(1, 'again');
  assert.deepEqual(scene.outcomes, ['a right']);
});

test('replies that the leader has lost come from another replica', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b', 'c']) scene.command(name);
  scene.origin.answered(7, 2, { kind: 'forgotten' });
  assert.deepEqual(scene.recalled, [2]);
  scene.pass(100);
  assert.deepEqual(scene.recalled, [2, 2, 2], 'one may not have applied it yet');
  scene.answer(1);
  scene.answer(2);
  scene.answer(3);
  assert.deepEqual(scene.outcomes, ['a ok', 'b ok', 'c ok']);
  scene.pass(1_500);
  assert.deepEqual(scene.recalled, [2, 2, 2]);
  assert.equal(scene.settled, 3);
});

test('replies that no replica has are in doubt after a second, and the session goes on', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b']) scene.command(name);
  scene.takeSent();
  scene.origin.answered(7, 1, { kind: 'forgotten' });
  scene.answer(2);
  scene.pass(950);
  assert.deepEqual(scene.outcomes, ['b ok']);
  assert.deepEqual(scene.takeSent(), [], 'nothing is sent again for it');
  scene.origin.answered(7, 1, { kind: 'forgotten' });
  scene.pass(100);
  assert.deepEqual(scene.outcomes, ['b ok', 'a in-doubt']);
  scene.command('c');
  assert.deepEqual(scene.sent.at(-1)?.acknowledged, 2);
  scene.origin.close();
  assert.deepEqual(scene.outcomes, ['b ok', 'a in-doubt', 'c in-doubt']);
  assert.equal(scene.settled, 3);
});

test('what has happened does not go again in another session', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b']) scene.command(name);
  scene.origin.answered(7, 2, { kind: 'forgotten' });
  scene.origin.answered(7, 1, { kind: 'unknown-session' });
  assert.deepEqual(scene.outcomes, ['b in-doubt']);
});

test('what a leader refuses because the shard has forgotten the session goes again in another', () => {
  const scene = new Scene().open();
  scene.command('a');
  scene.command('b');
  scene.command('c');
  scene.origin.answered(7, 2, { kind: 'unknown-session' });
  assert.deepEqual(scene.outcomes, ['a in-doubt'], 'the one before may have been applied in time');
  assert.deepEqual(scene.opened, [1, 2]);
  scene.takeSent();
  scene.open(8);
  assert.deepEqual(scene.takeSent(), ['1×2'], 'sequences begin anew');
});

test('what was sent twice to a shard that has forgotten the session is in doubt', () => {
  const scene = new Scene().open();
  scene.command('a');
  scene.origin.sendAgain();
  scene.origin.answered(7, 1, { kind: 'unknown-session' });
  assert.deepEqual(scene.outcomes, ['a in-doubt']);
});

test('a leader on this node that ends the session while much waits is sent no more of it', () => {
  const scene = new Scene().open();
  scene.onSend = ({ sequence }) => {
    scene.origin.answered(7, sequence, { kind: 'unknown-session' });
  };
  const big = Buffer.alloc(700_000);
  for (const name of ['a', 'b', 'c']) scene.submit(name, big);
  scene.origin.flush();
  assert.deepEqual(scene.opened, [1, 2]);
  assert.deepEqual(scene.outcomes, []);
});

test('after a gap everything unanswered is sent again with the next tick', () => {
  const scene = new Scene().open();
  scene.command('a');
  scene.command('b');
  scene.takeSent();
  scene.origin.answered(7, 2, { kind: 'gap' });
  scene.pass(50);
  assert.deepEqual(scene.takeSent(), ['1×1', '2×1']);
});

test('groups whose answers do not come are sent again after a while', () => {
  const scene = new Scene().open();
  scene.command('a');
  scene.takeSent();
  scene.pass(1_000);
  assert.deepEqual(scene.takeSent(), []);
  scene.pass(100);
  assert.deepEqual(scene.takeSent(), ['1×1']);
});

test('an answer that comes before that of an earlier group shows that the earlier one was lost', () => {
  // While newer groups keep flowing, nothing else would make this one go again before its time is up.
  const scene = new Scene().open();
  scene.command('lost');
  scene.command('b');
  scene.answer(2);
  scene.takeSent();
  scene.pass(50);
  assert.deepEqual(scene.takeSent(), ['1×1']);
});

test('a leader on this node may answer while groups are sent again', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b', 'c']) scene.command(name);
  scene.takeSent();
  scene.onSend = ({ sequence }) => scene.answer(sequence);
  scene.origin.sendAgain();
  assert.deepEqual(scene.takeSent(), ['1×1', '2×1', '3×1']);
  assert.deepEqual(scene.outcomes, ['a ok', 'b ok', 'c ok']);
});

test('a session may end while groups are sent again: no more of it is sent', () => {
  const scene = new Scene().open();
  for (const name of ['a', 'b', 'c']) scene.command(name);
  scene.takeSent();
  scene.onSend = ({ sequence }) => {
    scene.origin.answered(7, sequence, { kind: 'unknown-session' });
  };
  scene.origin.sendAgain();
  assert.deepEqual(scene.takeSent(), ['1×1']);
  assert.deepEqual(scene.outcomes, ['a in-doubt', 'b in-doubt', 'c in-doubt']);
});

test('an opening that is not answered is asked for again, under the same nonce', () => {
  const scene = new Scene();
  scene.command('a');
  scene.pass(600);
  assert.deepEqual(scene.opened, [1, 1]);
  scene.origin.opened(2, 9);
  assert.deepEqual(scene.takeSent(), [], 'another request’s session is not taken');
});

test('a session that has rested long is replaced before it is used', () => {
  const scene = new Scene().open();
  scene.command('a');
  scene.answer(1);
  scene.nowMs += 5 * 60_000 + 1;
  scene.command('b');
  assert.deepEqual(scene.takeSent(), ['1×1']);
  assert.deepEqual(scene.opened, [1, 2]);
});

test('no more than a window of groups is unanswered', () => {
  const scene = new Scene().open();
  for (let group = 0; group < 300; group++) scene.command(String(group));
  assert.equal(scene.takeSent().length, 128);
  scene.answer(1);
  assert.deepEqual(scene.takeSent(), ['129×172'], 'what waits goes as one group');
});

test('a node that stops tells what is in doubt from what is not', () => {
  const scene = new Scene().open();
  scene.command('sent');
  scene.leader = undefined;
  scene.command('waiting');
  scene.origin.close();
  assert.deepEqual(scene.outcomes, ['waiting closing', 'sent in-doubt']);
  assert.equal(scene.settled, 2);
});

test('a command that belongs behind another is in one group with it, however large they are', () => {
  const scene = new Scene().open();
  scene.submit('a', new Uint8Array(600_000));
  scene.submit('b', new Uint8Array(1_000_000));
  scene.submit('behind b', new Uint8Array(1_000_000));
  scene.submit('behind b too', new Uint8Array(1_000_000));
  scene.submit('c', new Uint8Array(1_000_000));
  scene.origin.flush();
  assert.deepEqual(scene.takeSent(), ['1×1', '2×3', '3×1']);
});
