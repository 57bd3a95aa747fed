import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeError } from '../../src/base/errors.ts';
import {
  groupId,
  index,
  memberId,
  nodeId,
  noSession,
  sessionId,
  term,
} from '../../src/base/ids.ts';
import type { Engine, EngineEntry, EngineHost, Reply } from '../../src/engine/engine.ts';
import type { Entry } from '../../src/raft/message.ts';
import type { Storage } from '../../src/raft/ready.ts';
import type { AppliedEntry, Outcome } from '../../src/replica/applier.ts';
import { ApplyQueue } from '../../src/replica/apply-queue.ts';
import { encodeBatch, encodeCommands, type Group } from '../../src/replica/batch.ts';

const session = sessionId(1);
const open: Group = {
  kind: 'open',
  node: nodeId(1),
  member: memberId('00000000000000aa'),
  incarnation: 1,
  nonce: 1,
};

const commands = (sequence: number, name: string, id = session): Group => ({
  kind: 'commands',
  session: id,
  sequence,
  acknowledged: 0,
  isAlone: false,
  count: 1,
  body: encodeCommands([{ database: 0, bytes: Buffer.from(name) }]),
});

/**
 * A queue between a log of entries of term 2 and an engine in the test's hands, which answers each command with `+` and its text.
 * The first entry opens session 1.
 */
class Scene {
  readonly log: Entry[] = [];
  /** What the engine was given and has not answered. */
  given: { readonly entry: EngineEntry; readonly done: (replies: readonly Reply[]) => void }[] = [];
  readonly reported: AppliedEntry[] = [];
  /** Batches that the core heard of. */
  readonly done: number[] = [];
  readonly said: string[] = [];
  readonly failures: unknown[] = [];
  /** Asked for another turn. */
  laters = 0;
  answersAtOnce = false;
  onGiven: () => void = () => undefined;
  host: EngineHost | undefined;
  readonly queue: ApplyQueue;

  constructor() {
    const engine: Pick<Engine, 'open' | 'apply'> = {
      open: (host) => {
        this.host = host;
      },
      apply: (entry, done) => {
        this.given.push({ entry, done });
        this.onGiven();
        if (this.answersAtOnce) this.answer();
      },
    };
    const storage: Pick<Storage, 'entries' | 'lastIndex' | 'term'> = {
      lastIndex: () => index(this.log.length),
      term: (at) => this.log[at - 1]?.term ?? 'unavailable',
      entries: (low, high) => this.log.slice(low - 1, high - 1),
    };
    this.queue = new ApplyQueue({
      group: groupId(1),
      engine: engine as Engine,
      storage: storage as Storage,
      onApplied: (applied) => this.reported.push(applied),
      onWell: () => this.said.push('well'),
      onUnwell: () => this.said.push('unwell'),
      onFailed: (error) => this.failures.push(error),
      later: () => {
        this.laters += 1;
      },
    });
    this.queue.open();
    this.append([open]);
  }

  /** Puts an entry into the log. */
  append(groups: readonly Group[]): void {
    const at = this.log.length + 1;
    const data = encodeBatch({ timeMs: at * 10, groups });
    this.log.push({ term: term(2), index: index(at), type: 'normal', data });
  }

  /** Puts in this many entries of one group each, the nth of them a command named by its sequence. */
  appendGroups(first: number, last: number): this {
    for (let sequence = first; sequence <= last; sequence++) {
      this.append([commands(sequence, `c${sequence}`)]);
    }
    return this;
  }

  /** The core hands out entries of the log. */
  handOut(from: number, to: number): this {
    this.queue.add(this.log.slice(from - 1, to), () => this.done.push(to));
    return this;
  }

  well(at: number): this {
    const applied = { index: at, term: at === 0 ? 0 : 2, timeMs: at * 10 };
    this.host?.onWell(applied);
    return this;
  }

  unwell(): this {
    this.given = [];
    this.host?.onUnwell('it is gone');
    return this;
  }

  /** Turns, as long as another is asked for. */
  turns(): this {
    do {
      this.laters = 0;
      this.queue.turn();
    } while (this.laters > 0);
    return this;
  }

  /** The engine answers so many of the entries that it has. */
  answer(count = this.given.length): this {
    for (const { entry, done } of this.given.splice(0, count)) {
      done(entry.commands.map(({ bytes }) => `+${Buffer.from(bytes).toString()}`));
    }
    return this;
  }

  /** Indexes that the engine has and has not answered. */
  indexes(): number[] {
    return this.given.map(({ entry }) => entry.index);
  }

  outcomes(): readonly string[] {
    return this.reported.flatMap(({ outcomes }) => outcomes.map(textOf));
  }

  recorded(sequence: number): string | undefined {
    return this.queue.sessions.recorded(session, sequence)?.join(' ');
  }
}

function textOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'opened':
      return 'opened';
    case 'lost':
      return `lost ${outcome.sequence}`;
    case 'read':
      return `read ${outcome.replies?.join(' ') ?? 'again'}`;
    case 'replies':
      return `${outcome.sequence} ${outcome.replies.join(' ')}`;
  }
}

test('nothing is given to an engine before it is well, and then everything, in order', () => {
  const scene = new Scene().appendGroups(1, 2);
  scene.handOut(1, 3);
  assert.deepEqual([scene.indexes(), scene.queue.isWell], [[], false]);
  scene.well(0);
  assert.deepEqual(scene.indexes(), [], 'what the engine says is noted, and done in a turn');
  scene.turns();
  assert.deepEqual([scene.indexes(), scene.queue.isWell], [[1, 2, 3], true]);
  scene.answer();
  assert.deepEqual(scene.outcomes(), ['opened', '1 +c1', '2 +c2']);
  assert.deepEqual(scene.done, [3]);
  assert.equal(scene.queue.appliedIndex, 3);
});

test('the core hears of entries that were handed out together once the last of them is answered', () => {
  const scene = new Scene().appendGroups(1, 3).well(0).turns();
  scene.handOut(1, 2).handOut(3, 4).answer(1);
  assert.deepEqual(scene.done, []);
  scene.answer(2);
  assert.deepEqual(scene.done, [2]);
  scene.answer(1);
  assert.deepEqual(scene.done, [2, 4]);
});

test('what an engine had not answered when it was unwell is given to it again', () => {
  const scene = new Scene().appendGroups(1, 3).well(0).turns().handOut(1, 4).answer(2);
  scene.unwell().well(2).turns();
  assert.deepEqual(scene.indexes(), [3, 4]);
  scene.answer();
  assert.deepEqual(scene.outcomes(), ['opened', '1 +c1', '2 +c2', '3 +c3']);
  assert.deepEqual(scene.said, ['well', 'unwell', 'well']);
});

test('what became part of the data although its replies were lost is reported so, once, and never applied again', () => {
  const scene = new Scene().appendGroups(1, 2);
  scene.append([commands(0, 'read', noSession)]);
  scene.appendGroups(3, 3).well(0).turns().handOut(1, 5).answer(2);
  scene.unwell().well(4).turns();
  assert.deepEqual(scene.outcomes(), ['opened', '1 +c1', 'lost 2', 'read again']);
  assert.equal(scene.queue.appliedIndex, 4);
  assert.deepEqual(scene.indexes(), [5]);
  assert.deepEqual([scene.recorded(1), scene.recorded(2)], ['+c1', undefined]);
  assert.equal(scene.queue.sessions.isForgotten(session, 2), true);
  assert.equal(scene.queue.sessions.isForgotten(session, 3), false, 'its reply is on its way');
  scene.answer();
  assert.equal(scene.recorded(3), '+c3');
  assert.deepEqual(scene.done, [5]);
});

test('data that is ahead of what has been handed out: entries up to there only pass the sessions', () => {
  const scene = new Scene().appendGroups(1, 4).well(4).turns();
  assert.equal(scene.queue.isWell, true);
  assert.equal(scene.queue.timeMs, 40, 'the time of the last entry that is part of the data');
  scene.handOut(1, 2).handOut(3, 5);
  assert.deepEqual(scene.outcomes(), ['opened', 'lost 1', 'lost 2', 'lost 3']);
  assert.deepEqual([scene.indexes(), scene.done], [[5], [2]]);
  assert.equal(scene.queue.sessions.lastSequence(session), 4);
  scene.answer();
  assert.deepEqual(scene.outcomes().at(-1), '4 +c4');
});

test('an engine that lost its tail gets it again out of the log, and nothing is reported twice', () => {
  const scene = new Scene().appendGroups(1, 5).well(0).turns().handOut(1, 5).answer();
  scene.handOut(6, 6);
  const reported = scene.outcomes();
  scene.unwell().well(3).turns();
  assert.equal(scene.queue.isWell, false);
  assert.equal(scene.queue.appliedIndex, 5, 'it does not go back');
  assert.deepEqual(scene.indexes(), [4, 5]);
  scene.answer(1).turns();
  assert.equal(scene.queue.isWell, false, 'it is read only once it is where it was');
  scene.answer(1).turns();
  assert.equal(scene.queue.isWell, true);
  assert.deepEqual(scene.outcomes(), reported);
  assert.deepEqual(scene.indexes(), [6]);
  scene.answer();
  assert.deepEqual(scene.outcomes(), [...reported, '5 +c5']);
  assert.deepEqual(scene.done, [5, 6]);
  scene.appendGroups(6, 6).handOut(7, 7).answer();
  assert.deepEqual(scene.outcomes().at(-1), '6 +c6');
});

test('after a replay all replies are there that were there before, and those that were lost meanwhile', () => {
  const scene = new Scene().appendGroups(1, 4).well(0).turns().handOut(1, 4).answer(3);
  // The reply to group 3 is lost; then the data goes back to before it.
  scene.unwell().well(4).turns();
  assert.equal(scene.recorded(3), undefined);
  scene.unwell().well(2).turns().answer().turns();
  assert.deepEqual(
    [1, 2, 3].map((sequence) => scene.recorded(sequence)),
    ['+c1', '+c2', '+c3'],
  );
});

test('an engine that lost everything is given the whole log, in slices, with few entries under way', () => {
  const scene = new Scene().appendGroups(1, 5_000).well(0).turns();
  scene.answersAtOnce = true;
  scene.handOut(1, 5_001);
  scene.answersAtOnce = false;
  scene.unwell().well(0).turns();
  const applied: number[] = [];
  let turns = 0;
  while (!scene.queue.isWell) {
    assert.ok(scene.given.length <= 1_024, `${scene.given.length} under way`);
    applied.push(...scene.indexes());
    scene.answer().turns();
    turns += 1;
    assert.ok(turns < 100);
  }
  assert.deepEqual(
    applied,
    scene.log.map((entry) => entry.index),
  );
  assert.ok(turns >= 5, `${turns} turns`);
  assert.equal(scene.recorded(5_000), '+c5000');
});

test('an engine that becomes unwell during the replay starts it over, from wherever it stands then', () => {
  const scene = new Scene().appendGroups(1, 5).well(0).turns().handOut(1, 5).answer();
  scene.handOut(6, 6);
  scene.unwell().well(1).turns().answer(2);
  scene.unwell().well(2).turns();
  assert.deepEqual(scene.indexes(), [3, 4, 5]);
  // All of it was applied after all, and the connection broke before the replies came.
  scene.unwell().well(5).turns();
  assert.equal(scene.queue.isWell, true);
  assert.deepEqual(scene.indexes(), [6]);
  scene.answer();
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((sequence) => scene.recorded(sequence)),
    ['+c1', '+c2', '+c3', '+c4', '+c5'],
  );
  assert.deepEqual(scene.outcomes(), ['opened', '1 +c1', '2 +c2', '3 +c3', '4 +c4', '5 +c5']);
});

test('a group that is in the log twice takes effect once in a replay, too', () => {
  const scene = new Scene().appendGroups(1, 2);
  scene.append([commands(2, 'again')]);
  scene.well(0).turns().handOut(1, 4).answer();
  scene.unwell().well(3).turns();
  assert.deepEqual(
    scene.given.map(({ entry }) => [entry.index, entry.commands.length]),
    [[4, 0]],
  );
});

test('an engine may become unwell while it is given entries', () => {
  const scene = new Scene().appendGroups(1, 3).well(0).turns();
  scene.handOut(1, 2).answer();
  scene.onGiven = () => scene.unwell();
  scene.handOut(3, 4);
  assert.equal(scene.queue.isWell, false);
  assert.equal(scene.queue.appliedIndex, 2);
  scene.onGiven = () => undefined;
  scene.well(2).turns();
  assert.deepEqual(scene.indexes(), [3, 4]);
  scene.answer();
  assert.deepEqual(scene.outcomes().slice(-2), ['2 +c2', '3 +c3']);
});

test('data is known where the log holds a durable entry of that index and term', () => {
  const scene = new Scene().appendGroups(1, 2);
  const isKnown = (at: number, ofTerm: number): boolean | undefined =>
    scene.host?.isKnown({ index: at, term: ofTerm, timeMs: 0 });
  assert.equal(isKnown(0, 0), true);
  assert.equal(isKnown(3, 2), true);
  assert.equal(isKnown(3, 1), false, 'of another term');
  assert.equal(isKnown(4, 2), false, 'beyond the end');
  assert.throws(() => scene.well(4), /an entry of this log/);
});

test('an entry that cannot be applied is thrown in the turn, not into the engine', () => {
  const scene = new Scene();
  scene.log.push({ term: term(2), index: index(2), type: 'normal', data: Buffer.from('?') });
  scene.handOut(1, 2);
  scene.well(0);
  assert.throws(() => scene.queue.turn(), { code: 'damaged' });
});

test('an engine says why it is unwell, and a failure of it is the node’s', () => {
  const scene = new Scene();
  assert.equal(scene.queue.problem, 'it has not been reached yet');
  scene.host?.onUnwell('it refuses the password');
  assert.equal(scene.queue.problem, 'it refuses the password');
  scene.well(0);
  assert.equal(scene.queue.problem, 'it is brought up to date');
  scene.turns();
  assert.equal(scene.queue.problem, undefined);
  const failure = new NodeError('damaged', 'it is somebody else’s');
  scene.host?.onFailed(failure);
  assert.deepEqual(scene.failures, [failure]);
});

test('an answer to what an engine had before it was unwell is a bug', () => {
  const scene = new Scene().appendGroups(1, 1).well(0).turns().handOut(1, 2);
  const [late] = scene.given;
  scene.unwell();
  assert.throws(() => late?.done([]), /answers only while it is well/);
});
