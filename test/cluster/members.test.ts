/**
 * Goal: a group's members change while it serves, and every replica acts by the change. Method: changes are proposed at the
 * leader of a simulated cluster, at the level on which a placement of replicas will stand.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, term, type NodeId } from '../../src/base/ids.ts';
import type { ConfChangeSingle, ConfChangeV2 } from '../../src/raft/membership.ts';
import { message } from '../../src/raft/message.ts';
import { decodeRaft, frameKind } from '../../src/replica/peer-frames.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { SentFrame, VirtualNode } from '../support/virtual-node.ts';

const group = groupId(1);

const change = (...changes: readonly ConfChangeSingle[]): ConfChangeV2 => ({
  kind: 'v2',
  transition: 'auto',
  changes,
  context: new Uint8Array(0),
});

function votersAt(node: VirtualNode): readonly NodeId[] {
  const replica = node.member.replica(group);
  assert.ok(replica !== undefined);
  const { voters, votersOutgoing } = replica.members;
  return votersOutgoing.length === 0 ? voters : [];
}

async function propose(cluster: VirtualCluster, given: ConfChangeV2): Promise<void> {
  const leader = cluster.leader();
  assert.equal(leader.member.replica(group)?.proposeConfChange(given), 'ok');
  await cluster.advance(500);
}

test('every replica acts by a change of members, followers too', async () => {
  const cluster = await new VirtualCluster({ nodes: 5 }).form();
  const leader = cluster.leader();
  const [gone, learner] = cluster.others(leader);
  assert.ok(gone !== undefined && learner !== undefined);
  await propose(
    cluster,
    change({ type: 'remove-node', nodeId: gone.id }, { type: 'add-learner', nodeId: learner.id }),
  );
  const left = cluster.nodes.filter((node) => node !== gone && node !== learner);
  const voters = left.map(({ id }) => id);
  for (const node of [...left, learner]) assert.deepEqual(votersAt(node), voters);
  assert.equal(learner.status()[0]?.role, 'learner');
  // Two voters of three can still elect a leader, which two of five could not.
  await cluster.write(leader, 'SET k v');
  for (const node of [leader, gone, learner]) node.crash();
  const next = await cluster.untilLedByAnother(leader);
  assert.equal(await cluster.read(next, 'GET k'), '$1\r\nv');
});

test('a change that does not fit, or comes while another is pending, is refused; a follower takes none', async () => {
  const cluster = await new VirtualCluster().form();
  const follower = cluster.follower();
  const removal = change({ type: 'remove-node', nodeId: follower.id });
  assert.equal(follower.member.replica(group)?.proposeConfChange(removal), 'dropped');
  const replica = cluster.leader().member.replica(group);
  assert.equal(replica?.proposeConfChange(removal), 'ok');
  assert.equal(replica.proposeConfChange(removal), 'refused');
  await cluster.advance(500);
  assert.equal(replica.members.voters.length, 2);
  const all = replica.members.voters.map((nodeId) => ({ type: 'remove-node', nodeId }) as const);
  assert.equal(replica.proposeConfChange(change(...all)), 'refused');
});

test('a leader that is removed hands nothing over, but steps down, and the rest elect another', async () => {
  const cluster = await new VirtualCluster().form();
  const former = cluster.leader();
  await cluster.write(former, 'SET k v');
  await propose(cluster, change({ type: 'remove-node', nodeId: former.id }));
  const leader = await cluster.untilLedByAnother(former);
  assert.equal(await cluster.write(leader, 'SET k w'), '+OK');
  assert.equal(leader.member.replica(group)?.members.voters.length, 2);
});

test('a member that starts again replays the changes of members it had applied', async () => {
  const cluster = await new VirtualCluster({ nodes: 4 }).form();
  const leader = cluster.leader();
  const [gone, other] = cluster.others(leader);
  assert.ok(gone !== undefined && other !== undefined);
  await propose(cluster, change({ type: 'remove-node', nodeId: gone.id }));
  await cluster.write(leader, 'SET k v');
  const voters = votersAt(leader);
  assert.equal(voters.length, 3);
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
  const replica = leader.member.replica(group);
  assert.ok(replica !== undefined);
  const frames: SentFrame[] = [];
  cluster.onSend = (frame) => frames.push(frame);
  const [peer] = cluster.others(leader);
  assert.ok(peer !== undefined);
  replica.step(
    message({ type: 'MsgHeartbeat', from: peer.id, to: leader.id, term: term(replica.term + 1) }),
  );
  leader.member.handOver();
  await cluster.advance(0);
  assert.ok(frames.length > 0);
  for (const { kind, payload } of frames) {
    const sent = kind === frameKind.raft ? decodeRaft(payload) : undefined;
    if (sent?.group === group) assert.notEqual(sent.message.type, 'MsgTransferLeader');
  }
});
