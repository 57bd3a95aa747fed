/**
 * Trouble with a purpose: sequences of faults that chance alone hardly ever puts together, each aimed at one argument on which
 * leases, votes or reads rest. Where the argument holds nothing happens; where it does not, somebody reads what is old.
 */

import { groupId } from '../../src/base/ids.ts';
import { randomInteger } from '../../src/base/random.ts';
import { decodeRaft, frameKind } from '../../src/replica/peer-frames.ts';
import type { MessageType } from '../../src/raft/message.ts';
import type { VirtualCluster } from '../support/virtual-cluster.ts';
import type { RaftFrame, VirtualNode } from '../support/virtual-node.ts';
import { anyOf, split } from './trouble.ts';
import { ttlMsMost, type Workload } from './workload.ts';

/** What a plot works on. */
export interface Stage {
  readonly cluster: VirtualCluster;
  readonly workload: Workload;
  readonly areMembersFixed: boolean;
  /** Lets time pass while clients go on. */
  readonly pass: (ms: number) => Promise<void>;
}

type Plot = (stage: Stage) => Promise<void>;

const group = groupId(1);
const stepMs = 10;
const noContext = new Uint8Array(0);
/** Longer than any lease or hold, and than a leader without a quorum leads. */
const wellAfterMs = 1_300;

const plots: readonly Plot[] = [
  killedVoter,
  edgeOfLease,
  lateTimeoutNow,
  lateRefusal,
  lateAnswers,
  pausedReader,
  halfAppended,
];

const plotsOfMembers: readonly Plot[] = [splitBehindChange, partOldHalf];

export async function playAny(stage: Stage): Promise<string> {
  const isChange = !stage.areMembersFixed && stage.cluster.random.next() < 0.4;
  const plot = anyOf(stage.cluster.random, isChange ? plotsOfMembers : plots);
  stage.cluster.heal();
  stage.cluster.delayMs = () => 0;
  stage.cluster.diskMs = () => 0;
  stage.cluster.fate = () => [0];
  for (const node of stage.cluster.nodes) {
    if (!node.isUp) node.start();
    node.resume();
  }
  await stage.pass(wellAfterMs);
  await plot(stage);
  return plot.name;
}

/** The leader, one that is to follow it, and the rest; undefined where nobody leads or somebody is down. */
function castOf({ cluster }: Stage): Cast | undefined {
  const leader = cluster.findLeader();
  if (leader === undefined || cluster.nodes.some((node) => !node.isReady || node.isPaused)) {
    return undefined;
  }
  const rival = anyOf(cluster.random, cluster.others(leader));
  return { leader, rival, voters: cluster.others(leader).filter((node) => node !== rival) };
}

interface Cast {
  readonly leader: VirtualNode;
  readonly rival: VirtualNode;
  readonly voters: readonly VirtualNode[];
}

function part(cluster: VirtualCluster, one: VirtualNode, two: VirtualNode): void {
  cluster.network.cut(one.id, two.id);
  cluster.network.cut(two.id, one.id);
}

const isOf = (frame: RaftFrame, type: MessageType): boolean =>
  frame.kind === frameKind.raft && decodeRaft(frame.payload)?.message.type === type;

/** The rival stands again and again, writes where it is elected, and the former leader is asked all the while. */
async function contest(
  stage: Stage,
  { leader, rival }: Cast,
  { ms, everyMs = stepMs }: { readonly ms: number; readonly everyMs?: number },
): Promise<void> {
  const { workload } = stage;
  for (let passed = 0; passed < ms; passed += everyMs) {
    const replica = rival.replica(group);
    if (rival.isUp && !rival.isPaused && replica?.isLeader === false) replica.campaign();
    if (leader.isUp) workload.readUrgently(leader);
    workload.write(rival);
    if (leader.isUp) workload.readUrgently(leader);
    await stage.pass(everyMs);
  }
}

/** The rival hears of no leader any more, and, since nobody writes and nothing expires, misses nothing: its log is as good as any. */
async function forgetLeader(cluster: VirtualCluster, { leader, rival }: Cast): Promise<void> {
  await cluster.advance(ttlMsMost + 200);
  part(cluster, leader, rival);
  await cluster.advance(wellAfterMs + randomInteger(cluster.random, 0, 50));
}

/**
 * Voters that have just answered a heartbeat, and so stand for a lease, are killed and start again without a memory of it;
 * a rival, who has not heard of the leader for long, asks for their votes at once.
 */
async function killedVoter(stage: Stage): Promise<void> {
  const { cluster } = stage;
  const cast = castOf(stage);
  if (cast === undefined) return;
  const { leader, voters } = cast;
  await forgetLeader(cluster, cast);
  for (const voter of voters) {
    await voter.crashAfterWrite();
    part(cluster, leader, voter);
    voter.start();
  }
  await contest(stage, cast, { ms: 450 });
}

/** A leader is cut off, and every moment about the end of its lease is tried: clocks run apart as far as they may. */
async function edgeOfLease(stage: Stage): Promise<void> {
  const cast = castOf(stage);
  if (cast === undefined) return;
  await forgetLeader(stage.cluster, cast);
  stage.cluster.isolate(cast.leader);
  await stage.cluster.advance(400);
  await contest(stage, cast, { ms: 110, everyMs: 1 });
}

/** TimeoutNow arrives late, and makes its receiver a leader past everybody's promises; the former leader hears nothing of it. */
async function lateTimeoutNow(stage: Stage): Promise<void> {
  const { cluster } = stage;
  const cast = castOf(stage);
  if (cast === undefined) return;
  const { leader, rival } = cast;
  const lateMs = randomInteger(cluster.random, 0, 300);
  cluster.fate = (frame) => {
    if (!isOf(frame, 'MsgTimeoutNow')) return [0];
    cluster.isolate(leader);
    return [lateMs];
  };
  leader.replica(group)?.transferTo(rival.id);
  await contest(stage, cast, { ms: 450 });
  cluster.fate = () => [0];
}

/**
 * The refusal of a pre-vote of long ago tells a voter of a later term, and it forgets the leader that it has promised not to vote against,
 * not for itself either (Raft dissertation, 6.4.1 and 9.6).
 */
async function lateRefusal(stage: Stage): Promise<void> {
  const { cluster } = stage;
  const cast = castOf(stage);
  const [voter] = cast?.voters ?? [];
  if (cast === undefined || voter === undefined) return;
  const { leader, rival } = cast;
  // The rival wins pre-votes and loses elections, which raises its term.
  cluster.isolate(leader);
  cluster.fate = (frame) => (isOf(frame, 'MsgVote') ? [] : [0]);
  await stage.pass(700);
  const firstTerm = leader.replica(group)?.term ?? 0;
  for (let tries = 0; tries < 60 && (rival.replica(group)?.term ?? 0) < firstTerm + 3; tries += 1) {
    rival.replica(group)?.campaign();
    await stage.pass(stepMs);
  }
  // What the voter asks it now is refused in that term, much later.
  const held: RaftFrame[] = [];
  cluster.fate = (frame) => {
    if (isOf(frame, 'MsgVote')) return [];
    if (frame.from !== rival.id || frame.to !== voter.id || !isOf(frame, 'MsgPreVoteResp'))
      return [0];
    held.push(frame);
    return [wellAfterMs + 500];
  };
  for (let tries = 0; tries < 60 && held.length === 0; tries += 1) {
    voter.replica(group)?.campaign();
    await stage.pass(stepMs);
  }
  cluster.isolate(rival);
  cluster.network.heal(leader.id, voter.id);
  cluster.network.heal(voter.id, leader.id);
  cluster.fate = () => [0];
  await stage.pass(wellAfterMs + 500 - 30);
  const former = cluster.findLeader(0, cluster.others(rival));
  if (former === undefined || former === voter) return;
  await stage.pass(20);
  cluster.heal();
  cluster.isolate(former);
  await contest(stage, { leader: former, rival: voter, voters: [rival] }, { ms: 450 });
}

/** Answers to heartbeats come so late that whoever gave them is free again. */
async function lateAnswers(stage: Stage): Promise<void> {
  const { cluster } = stage;
  const cast = castOf(stage);
  if (cast === undefined) return;
  const lateMs = randomInteger(cluster.random, 300, 950);
  cluster.fate = ({ kind }) => (kind === frameKind.answers ? [lateMs] : [0]);
  await stage.pass(lateMs + 100);
  cluster.fate = () => [0];
  // What has arrived and was not taken yet is all that the leader hears from now on.
  cluster.isolate(cast.leader);
  await contest(stage, cast, { ms: 1_000 });
}

/** A leader is stopped with reads under way, gets more of them meanwhile, and goes on when another has long been elected. */
async function pausedReader(stage: Stage): Promise<void> {
  const cast = castOf(stage);
  if (cast === undefined) return;
  const { leader, rival } = cast;
  for (let count = 0; count < 3; count += 1) stage.workload.readUrgently(leader);
  await stage.pass(randomInteger(stage.cluster.random, 1, 4));
  leader.pause();
  await stage.pass(wellAfterMs);
  stage.workload.write(rival);
  await stage.pass(50);
  // These lie in its sockets when it goes on, beside the news that it does not lead any more.
  for (let count = 0; count < 6; count += 1) stage.workload.readUrgently(leader);
  leader.resume();
}

/**
 * Two voters are removed and come back, which needs the old three as well as the new five; as soon as the leader acts by that, the old ones
 * are parted from it. They may then elect another with the help of those who answer the leader.
 */
async function partOldHalf(stage: Stage): Promise<void> {
  const { cluster } = stage;
  const cast = castOf(stage);
  const replica = cast?.leader.replica(group);
  if (cast === undefined || replica === undefined || cast.voters.length < 3) return;
  const { leader, rival, voters } = cast;
  const moved = voters.slice(1);
  const propose = (type: 'remove-node' | 'add-node'): void => {
    const changes = moved.map(({ id }) => ({ type, nodeId: id }) as const);
    replica.proposeConfChange({ kind: 'v2', transition: 'auto', changes, context: noContext });
  };
  propose('remove-node');
  await cluster.advance(ttlMsMost + 200);
  // Entries take their time, so that there is one to part them in.
  cluster.delayMs = () => 2;
  propose('add-node');
  for (let tries = 0; tries < 100 && replica.members.votersOutgoing.length === 0; tries += 1) {
    await cluster.advance(1);
  }
  for (const node of [rival, ...voters.slice(0, 1)]) part(cluster, leader, node);
  cluster.delayMs = () => 0;
  await cluster.advance(400);
  await contest(stage, cast, { ms: 400 });
}

/** Most voters are removed, and parted from the rest before all of them know. */
async function splitBehindChange(stage: Stage): Promise<void> {
  const { cluster, workload } = stage;
  const cast = castOf(stage);
  const replica = cast?.leader.replica(group);
  if (cast === undefined || replica === undefined) return;
  const { leader, rival, voters } = cast;
  const stays = voters.slice(0, 1);
  const changes = [rival, ...voters.slice(1)].map(
    ({ id }) => ({ type: 'remove-node', nodeId: id }) as const,
  );
  replica.proposeConfChange({ kind: 'v2', transition: 'auto', changes, context: noContext });
  const lateMs = randomInteger(cluster.random, 1, 20);
  cluster.delayMs = () => cluster.random.next() * lateMs;
  await stage.pass(randomInteger(cluster.random, 0, 2 * lateMs));
  split(cluster, [leader, ...stays]);
  for (let passed = 0; passed < 1_000; passed += stepMs) {
    workload.write(leader);
    await stage.pass(stepMs);
  }
  await contest(stage, cast, { ms: 700 });
  cluster.delayMs = () => 0;
}

/** A leader's entries reach one follower only; leader and others die in turn, so that tails of several terms meet (paper, figure 8). */
async function halfAppended(stage: Stage): Promise<void> {
  const { cluster, workload } = stage;
  for (let turn = 0; turn < 4; turn += 1) {
    const cast = castOf(stage);
    if (cast === undefined) return;
    const { leader, rival } = cast;
    for (const node of cluster.others(leader)) {
      if (node !== rival || turn % 2 === 0) cluster.network.cut(leader.id, node.id, 'data');
    }
    for (let count = 0; count < 3; count += 1) workload.write(leader);
    await stage.pass(30);
    await leader.crashAfterWrite();
    cluster.heal();
    await stage.pass(randomInteger(cluster.random, 700, 1_500));
    for (const node of cluster.nodes) if (!node.isUp) node.start();
    await stage.pass(randomInteger(cluster.random, 0, 600));
  }
}
