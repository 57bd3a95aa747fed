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
  type Term,
} from '../../src/base/ids.ts';
import { seededRandom } from '../../src/base/random.ts';
import { latin1Slice } from '../../src/command/latin1.ts';
import { createMemoryEngine } from '../../src/engine/memory/memory-engine.ts';
import type { Log } from '../../src/log/log.ts';
import { createMemoryLog } from '../../src/log/memory-log.ts';
import { emptyConfState } from '../../src/raft/membership.ts';
import { encodeCommands, type CommandGroup } from '../../src/replica/batch.ts';
import { WallClocks } from '../../src/replica/cluster-time.ts';
import { Peers } from '../../src/replica/peers.ts';
import { ReadyLoop } from '../../src/replica/ready-loop.ts';
import { Replica } from '../../src/replica/replica.ts';
import { replicaSettings } from '../../src/replica/settings.ts';
import { encode, words } from '../support/commands.ts';
import { manualTimers } from '../support/manual-timers.ts';

const self = nodeId(1);
const group = groupId(1);
const asked = {
  kind: 'open',
  node: self,
  member: memberId('00000000000000aa'),
  incarnation: 1,
  nonce: 1,
} as const;

/** A lone voter's replica, its loop and its log; what it tells origins. */
class Scene {
  nowMs = 0;
  readonly answers: string[] = [];
  readonly sessions: number[] = [];
  readonly timers = manualTimers();
  readonly replica: Replica;
  readonly loop: ReadyLoop;

  constructor(log: Log) {
    const clock = { monotonicMs: () => this.nowMs, wallMs: () => 1_000_000 + this.nowMs };
    const random = seededRandom(1);
    const walls = new WallClocks({ clock, self });
    this.replica = new Replica({
      group,
      node: self,
      storage: log.storage(group),
      isNewGroup: true,
      engine: createMemoryEngine({ random, timers: this.timers, latin1Slice }),
      clock,
      random,
      walls,
      settings: replicaSettings({
        heartbeatMs: 50,
        electionTimeoutMs: 500,
        clockDriftMs: 20,
        reads: 'lease',
      }),
      events: {
        onWork: (replica) => this.loop.wake(replica),
        onApplied: () => undefined,
        onLeadership: () => undefined,
        onGroupAnswer: (_group, { sequence }, answer) => {
          const text = answer.kind === 'replies' ? answer.replies.join('').trimEnd() : answer.kind;
          this.answers.push(`${sequence} ${text}`);
        },
        onSessionOpened: (_group, _asked, session) => this.sessions.push(session),
        onFailed: (error) => {
          throw error;
        },
      },
    });
    const transport = { send: () => true };
    const replicaOf = (): Replica => this.replica;
    this.loop = new ReadyLoop({
      self,
      timers: this.timers,
      log,
      peers: new Peers({ self, transport, clock, walls, promiseMs: 441, replicaOf }),
      gather: () => undefined,
      onFailed: (error) => {
        throw error;
      },
    });
    this.replica.open();
  }

  static async make(): Promise<Scene> {
    const log = createMemoryLog({ nodeId: self });
    const confState = { ...emptyConfState, voters: [self] };
    const base = { index: index(0), term: term(0), confState };
    await log.write([{ group, base, entries: [] }]);
    return new Scene(log);
  }

  /** Runs turns, and lets writes end in between, until nothing is left to do. */
  async settle(): Promise<void> {
    do {
      this.timers.runAll();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.timers.waiting > 0);
  }

  group(sequence: number, line: string, session = this.sessions[0] ?? 0): CommandGroup {
    const body = encodeCommands([{ database: 0, bytes: encode(words(line)) }]);
    const id = sessionId(session);
    return {
      kind: 'commands',
      session: id,
      sequence,
      acknowledged: 0,
      isAlone: false,
      count: 1,
      body,
    };
  }

  /** Elected, and serving, with a session. */
  async lead(): Promise<Term> {
    this.replica.campaign();
    await this.settle();
    assert.ok(this.replica.isServing);
    this.replica.openSession(asked);
    await this.settle();
    return this.replica.term;
  }
}

test('a leader takes groups that are meant for its term, and no others', async () => {
  const scene = await Scene.make();
  const { replica } = scene;
  assert.equal(replica.offer(self, term(0), scene.group(1, 'INCR n')), false, 'it does not lead');
  const now = await scene.lead();
  assert.equal(replica.offer(self, term(now - 1), scene.group(1, 'INCR n')), false);
  assert.equal(replica.offer(self, term(now + 1), scene.group(1, 'INCR n')), false);
  await scene.settle();
  assert.deepEqual(scene.answers, []);
  assert.equal(replica.offer(self, now, scene.group(1, 'INCR n')), true);
  await scene.settle();
  assert.deepEqual(scene.answers, ['1 :1']);
});

test('groups, openings and reads that come before the leader serves are taken in once it does', async () => {
  const scene = await Scene.make();
  const { replica } = scene;
  replica.campaign();
  while (!replica.isLeader) {
    scene.timers.runOnce();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(replica.isServing, false);
  const reads: unknown[] = [];
  assert.equal(replica.openSession(asked), true);
  assert.equal(replica.offer(self, replica.term, scene.group(1, 'INCR n', 99)), true);
  replica.read({
    from: self,
    commands: [{ database: 0, bytes: encode(words('GET n')) }],
    floor: 0,
    room: () => 'now',
    take: (replies) => reads.push(replies),
    refuse: () => reads.push('refused'),
  });
  assert.deepEqual([scene.sessions, scene.answers, reads], [[], [], []]);
  await scene.settle();
  assert.deepEqual(scene.sessions, [1]);
  assert.deepEqual(scene.answers, ['1 unknown-session']);
  assert.deepEqual(reads, [['$-1\r\n']]);
});

test('a group that comes again before the leader serves takes the place of what came before', async () => {
  const scene = await Scene.make();
  const { replica } = scene;
  replica.campaign();
  while (!replica.isLeader) {
    scene.timers.runOnce();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(replica.isServing, false);
  for (let round = 0; round < 3; round++) {
    replica.openSession(asked);
    for (const sequence of [1, 2]) replica.offer(self, replica.term, scene.group(sequence, 'x', 9));
  }
  await scene.settle();
  assert.deepEqual(scene.sessions, [1]);
  assert.deepEqual(scene.answers, ['1 unknown-session', '2 unknown-session']);
});

test('a group that comes again gets its recorded reply, one that leaves a gap or has no session is told so', async () => {
  const scene = await Scene.make();
  const now = await scene.lead();
  const offer = (given: CommandGroup): boolean => scene.replica.offer(self, now, given);
  offer(scene.group(1, 'INCR n'));
  await scene.settle();
  offer(scene.group(1, 'INCR n'));
  offer(scene.group(3, 'INCR n'));
  offer(scene.group(1, 'INCR n', 77));
  assert.deepEqual(scene.answers, ['1 :1', '1 :1', '3 gap', '1 unknown-session']);
  offer({ ...scene.group(2, 'INCR n'), acknowledged: 1 });
  await scene.settle();
  offer(scene.group(1, 'INCR n'));
  assert.deepEqual(scene.answers.slice(4), ['2 :2', '1 forgotten']);
});

test('who does not lead sends readers elsewhere, and so does who stops', async () => {
  const scene = await Scene.make();
  const outcomes: unknown[] = [];
  scene.replica.read({
    from: self,
    commands: [{ database: 0, bytes: encode(words('GET n')) }],
    floor: 0,
    room: () => 'now',
    take: (replies) => outcomes.push(replies),
    refuse: () => outcomes.push(undefined),
  });
  assert.deepEqual(outcomes, [undefined]);
  await scene.lead();
  const all: unknown[] = [];
  scene.replica.logUnsessioned(
    { ...scene.group(0, 'GET n'), session: noSession, sequence: 0 },
    (replies) => void all.push(replies),
  );
  scene.replica.close();
  assert.deepEqual(all, [undefined]);
});

test('a local read sees what is applied here, and no key that is due by the last entry’s time', async () => {
  const scene = await Scene.make();
  const now = await scene.lead();
  scene.replica.offer(self, now, scene.group(1, 'SET k v PX 100'));
  await scene.settle();
  const read = (): string => {
    let text = '';
    const command = { database: 0, bytes: encode(words('GET k')) };
    scene.replica.readApplied([command], ([reply = ''] = [], index) => {
      text = reply;
      assert.equal(index, scene.replica.appliedIndex);
    });
    return text;
  };
  assert.equal(read(), '$1\r\nv\r\n');
  scene.nowMs += 200;
  assert.equal(read(), '$1\r\nv\r\n', 'no entry is as late');
  scene.replica.offer(self, now, scene.group(2, 'INCR n'));
  await scene.settle();
  assert.equal(read(), '$-1\r\n');
});
