/**
 * Goal: a cluster's members change while it serves, every replica acts by the change, and nothing is lost on the way.
 * Method: the table of members is changed in a simulated cluster, as `outrigger member` does it, while clients count.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, metaGroup, term, type GroupId, type NodeId } from '../../src/base/ids.ts';
import { leaveJointChange } from '../../src/raft/membership.ts';
import { message } from '../../src/raft/message.ts';
import { decodeRaft, frameKind } from '../../src/replica/peer-frames.ts';
import type { MemberCommand } from '../../src/members.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { Call } from '../support/virtual-calls.ts';
import type { SentFrame, VirtualNode } from '../support/virtual-node.ts';

const data = groupId(1);

function votersAt(node: VirtualNode, group: GroupId = data): readonly NodeId[] {
  const replica = node.member.replica(group);
  if (replica === undefined) return [];
  const { voters, votersOutgoing } = replica.members;
  return votersOutgoing.length === 0 ? voters : [];
}

/** Changes the table at `node`, and waits until all of `left` have come to it. */
async function change(
  cluster: VirtualCluster,
  node: VirtualNode,
  commands: readonly MemberCommand[],
  voters: readonly VirtualNode[],
): Promise<void> {
  for (const command of commands) await cluster.changed(node, command);
  const ids = voters.map(({ id }) => id).sort((left, right) => left - right);
  await cluster.until(`the voters are ${ids.join(', ')}`, () =>
    voters.every((voter) =>
      [metaGroup, data].every((group) => votersAt(voter, group).join() === ids.join()),
    ),
  );
}

/** Counts on a key of its own at each node, one after the other, until it is told to end. */
class Counters {
  readonly #cluster: VirtualCluster;
  readonly #counts = new Map<number, number>();
  readonly #leaving = new Set<number>();
  #isOver = false;

  constructor(cluster: VirtualCluster) {
    // Where nothing takes time, a count follows the other at once, for ever.
    cluster.delayMs = () => 1;
    cluster.diskMs = () => 1;
    this.#cluster = cluster;
  }

  at(...nodes: readonly VirtualNode[]): void {
    for (const node of nodes) this.#next(node);
  }

  /** Ends, and checks that each of them counted once what it was told. */
  async check(node: VirtualNode): Promise<void> {
    this.#isOver = true;
    await this.#cluster.advance(1_000);
    for (const [id, count] of this.#counts) {
      assert.ok(count > 0, `node ${id} served`);
      const reply = await this.#cluster.read(node, `GET count:${id}`);
      const counted = Number(reply?.split('\r\n')[1]);
      const isUnderWay = this.#leaving.has(id) && counted === count + 1;
      assert.ok(
        counted === count || isUnderWay,
        `node ${id} counted ${count}, there are ${counted}`,
      );
    }
  }

  /** The node leaves: its clients are cut off, and what was under way may have happened. */
  leaves(node: VirtualNode): void {
    this.#leaving.add(node.id);
  }

  #next(node: VirtualNode): void {
    if (!node.isUp || this.#isOver) return;
    node.call(`INCR count:${node.id}`, 'log', 0, (call: Call) => {
      const hasLeft = this.#leaving.has(node.id) && !call.isReplied;
      if (call.outcome === 'lost' || hasLeft) return;
      const count = (this.#counts.get(node.id) ?? 0) + 1;
      assert.equal(call.outcome, `:${count}`, `a client of node ${node.id} sees no error`);
      this.#counts.set(node.id, count);
      this.#next(node);
    });
  }
}

async function joined(cluster: VirtualCluster, at: VirtualNode): Promise<VirtualNode> {
  const node = cluster.join();
  node.start();
  await cluster.until('it has come', () => at.formation.candidates().length > 0);
  await cluster.changed(at, { kind: 'add', nodeId: node.id });
  await cluster.until('it knows the shards', () => node.isReady);
  return node;
}

test('a cluster grows from one to five and shrinks back while all its nodes count', async () => {
  const cluster = await new VirtualCluster({ nodes: 1 }).form();
  const [first] = cluster.nodes;
  assert.ok(first !== undefined);
  const counters = new Counters(cluster);
  counters.at(first);
  const all = [first];
  while (all.length < 5) {
    const node = await joined(cluster, first);
    all.push(node);
    await change(cluster, first, [{ kind: 'promote', nodeId: node.id }], all);
    counters.at(node);
  }
  while (all.length > 1) {
    const [gone] = all.splice(0, 1);
    const [left] = all;
    assert.ok(gone !== undefined && left !== undefined);
    counters.leaves(gone);
    await change(cluster, left, [{ kind: 'remove', nodeId: gone.id }], all);
    await cluster.until('it stops', () => !gone.isUp);
    assert.equal(gone.failure?.code, 'removed', gone.failure?.message);
  }
  const [last] = all;
  assert.ok(last !== undefined);
  await counters.check(last);
});

test('a voter takes the place of another in one change, through a joint configuration', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  const [gone, stays] = cluster.others(leader);
  assert.ok(gone !== undefined && stays !== undefined);
  const node = await joined(cluster, leader);
  const replica = leader.member.replica(data);
  await cluster.until('it has caught up', () => replica?.progressOf(node.id).isCaughtUp === true);
  let wasJoint = false;
  cluster.onSend = () => {
    wasJoint ||= (replica?.members.votersOutgoing.length ?? 0) > 0;
  };
  const commands = [
    { kind: 'demote', nodeId: gone.id },
    { kind: 'promote', nodeId: node.id },
  ] as const;
  for (const command of commands) await cluster.changed(stays, command);
  await cluster.until('it votes', () => votersAt(stays).includes(node.id));
  await cluster.until('the other learns', () => gone.status()[0]?.role === 'learner');
  assert.ok(wasJoint);
  assert.equal(await cluster.write(gone, 'SET k v'), '+OK', 'a learner takes commands');
});

test('a leader that is to go hands over, and the rest go on', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  const left = cluster.others(former);
  const [first] = left;
  assert.ok(first !== undefined);
  await cluster.write(former, 'SET k v');
  await change(cluster, first, [{ kind: 'remove', nodeId: former.id }], left);
  await cluster.until('it stops', () => !former.isUp);
  assert.equal(former.failure?.code, 'removed');
  const leader = await cluster.untilLedByAnother(former);
  assert.equal(await cluster.read(leader, 'GET k'), '$1\r\nv');
});

test('a member that was away while it was removed stops when it comes back', async () => {
  const cluster = await new VirtualCluster().form();
  const [gone, ...left] = cluster.nodes;
  const [first] = left;
  assert.ok(gone !== undefined && first !== undefined);
  gone.crash();
  await cluster.until('another leads', () => cluster.findLeader(0, left) !== undefined);
  await change(cluster, first, [{ kind: 'remove', nodeId: gone.id }], left);
  gone.start();
  await cluster.until('it stops', () => !gone.isUp);
  assert.match(gone.failure?.message ?? '', /was removed from cluster/);
  gone.wipe();
  gone.isJoining = true;
  gone.start();
  await cluster.until('it stops', () => !gone.isUp);
  assert.match(gone.failure?.message ?? '', /its id is never used again/);
});

test('a removal that would leave no reachable majority is refused, and nothing changes', async () => {
  const cluster = await new VirtualCluster().form();
  const [first, second, third] = cluster.nodes;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  third.crash();
  await cluster.until('it is missed', () => !first.isConnected(third.id));
  const before = first.member.meta?.version;
  const outcome = await cluster.command(first, { kind: 'remove', nodeId: second.id });
  assert.equal(outcome.kind, 'refused');
  assert.match(outcome.kind === 'refused' ? outcome.reason : '', /only 1 can be reached/);
  assert.equal(first.member.meta?.version, before);
});

test('a change made in the minority of a partition does not happen, one in the majority does', async () => {
  const cluster = await new VirtualCluster({ nodes: 5 }).form();
  const cut = cluster.leader();
  const left = cluster.others(cut);
  const [asked, gone, ...rest] = left;
  assert.ok(asked !== undefined && gone !== undefined);
  cluster.isolate(cut);
  const lost = cluster.command(cut, { kind: 'remove', nodeId: gone.id });
  lost.catch(() => undefined);
  await cluster.until('another leads', () => cluster.findLeader(0, left) !== undefined);
  const staying = [asked, ...rest];
  await cluster.changed(asked, { kind: 'remove', nodeId: gone.id });
  await cluster.until('those that are left agree', () =>
    staying.every((node) => !votersAt(node).includes(gone.id)),
  );
  cluster.network.healAll();
  await cluster.until('the one that was cut off agrees', () => !votersAt(cut).includes(gone.id));
  assert.equal(await cluster.write(cut, 'SET k v'), '+OK');
});

test('a change of configuration that does not fit, or comes while another is pending, is refused; a follower takes none', async () => {
  const cluster = await new VirtualCluster().form();
  const replica = cluster.leader().member.replica(data);
  assert.ok(replica !== undefined);
  const follower = cluster.follower();
  assert.equal(follower.member.replica(data)?.proposeConfChange(leaveJointChange), 'dropped');
  assert.equal(replica.proposeConfChange(leaveJointChange), 'refused');
});

test('a member that starts again replays the changes of members it had applied', async () => {
  const cluster = await new VirtualCluster({ nodes: 4 }).form();
  const leader = cluster.leader();
  const [gone, other, ...rest] = cluster.others(leader);
  assert.ok(gone !== undefined && other !== undefined);
  const left = [leader, other, ...rest];
  await change(cluster, leader, [{ kind: 'remove', nodeId: gone.id }], left);
  await cluster.write(leader, 'SET k v');
  const voters = votersAt(leader);
  other.crash();
  other.start();
  await cluster.until(
    'it is up to date',
    () => other.status()[0]?.applied === leader.status()[0]?.applied,
  );
  assert.deepEqual(votersAt(other), voters);
});

test('a leader that hands over in the very turn in which it steps down says nothing about it', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  const replica = leader.member.replica(data);
  assert.ok(replica !== undefined);
  const frames: SentFrame[] = [];
  cluster.onSend = (frame) => frames.push(frame);
  const [peer] = cluster.others(leader);
  assert.ok(peer !== undefined);
  replica.step(
    message({ type: 'MsgHeartbeat', from: peer.id, to: leader.id, term: term(replica.term + 1) }),
  );
  leader.member.placer.handOver();
  await cluster.advance(0);
  assert.ok(frames.length > 0);
  for (const { kind, payload } of frames) {
    const sent = kind === frameKind.raft ? decodeRaft(payload) : undefined;
    if (sent?.group === data) assert.notEqual(sent.message.type, 'MsgTransferLeader');
  }
});
