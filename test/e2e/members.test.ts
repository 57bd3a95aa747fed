/**
 * Goal: members come, go and are exchanged while clients of all nodes count, and clients of the nodes that stay see no error.
 *
 * Method: real processes and the commands an operator types, given to one of the nodes that stay. Load as in `kill-leader`; clients
 * of a node that leaves may lose their connections, and nothing that was acknowledged. In the end every counter, seen through
 * every member that is left, must be what its clients were told.
 */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { member } from '../../sidecar/cli/member.ts';
import type { MemberList } from '../../src/index.ts';
import { prepareCluster, type TestCluster, type TestNode } from '../support/cluster.ts';
import { Load } from '../support/load.ts';
import { until, within } from '../support/until.ts';

const token = 'a-long-admin-token';
const timeout = 240_000;
const stopDeadlineMs = 15_000;

const listOf = (nodes: readonly TestNode[]): string =>
  nodes.map(({ id, peerPort }) => `${id}=127.0.0.1:${peerPort}`).join(',');

/** Runs `outrigger member …` at a node's admin port; what it prints. */
async function run(at: TestNode, ...words: readonly string[]): Promise<string> {
  const printed: string[] = [];
  const environment = { OUTRIGGER_ADMIN_TOKEN: token };
  const admin = ['--admin', `127.0.0.1:${at.adminPort}`];
  await member([...words, ...admin], { environment, out: (text) => printed.push(text) });
  return printed.join('');
}

async function list(at: TestNode): Promise<MemberList> {
  return JSON.parse(await run(at, 'list', '--json')) as MemberList;
}

/** Starts a node that joins those that are there, and makes it a voter. */
async function grow(at: TestNode, node: TestNode, there: readonly TestNode[]): Promise<void> {
  node.start({ members: listOf([...there, node]), bootstrap: 'join' });
  await until(`node ${node.id} waits to be added`, stopDeadlineMs, async () => {
    const { members } = await list(at);
    return members.some(({ nodeId, role }) => nodeId === node.id && role === 'candidate');
  });
  await run(at, 'add', `${node.id}`);
  await run(at, 'promote', `${node.id}`);
  await node.serving();
}

/** Removes a member; it must stop by itself, and say why. */
async function shrink(at: TestNode, node: TestNode): Promise<void> {
  await run(at, 'remove', `${node.id}`);
  const { code } = await within(`node ${node.id} stops`, stopDeadlineMs, node.ended);
  assert.equal(code, 1);
  assert.match(node.stderr, new RegExp(`node ${node.id} was removed from (the )?cluster`));
}

async function started(
  t: TestContext,
  nodes: number,
  first: number,
  shards = 1,
): Promise<{ readonly cluster: TestCluster; readonly there: TestNode[] }> {
  const environment = { OUTRIGGER_ADMIN_TOKEN: token };
  const cluster = await prepareCluster(t, { nodes, shards, environment });
  const there = cluster.nodes.slice(0, first);
  for (const node of there) node.start({ members: listOf(there) });
  await cluster.ready(there);
  const [founder] = there;
  assert(founder !== undefined);
  await until('the members are known', stopDeadlineMs, async () => (await list(founder)).isSettled);
  return { cluster, there };
}

test(
  'a cluster grows from one member to three and five, and shrinks back, its leader leaving first each time',
  { timeout },
  async (t) => {
    const { cluster, there } = await started(t, 5, 1, 2);
    const [first] = there;
    assert(first !== undefined);
    const load = new Load();
    await load.join(first);
    for (const node of cluster.nodes.slice(1)) {
      await grow(first, node, there);
      there.push(node);
      await load.join(node);
      await load.progress(there, 10);
    }
    const full = await list(first);
    assert.deepEqual(
      full.members.map(({ votes }) => votes),
      [3, 3, 3, 3, 3],
      'every member votes in the meta group and in both shards',
    );
    while (there.length > 1) {
      const leader = await cluster.leader(there);
      there.splice(there.indexOf(leader), 1);
      const [asked] = there;
      assert(asked !== undefined);
      load.expectLoss(leader);
      load.resetLongest();
      await shrink(asked, leader);
      await load.progress(there, 10);
      t.diagnostic(`the longest pause was ${Math.round(load.longestMs(there))} ms`);
    }
    await load.stop();
    t.diagnostic(`${load.acknowledged} INCRs acknowledged`);
    for (const node of there) await load.verify(node);
  },
);

test(
  'each member in turn is replaced, and a removed one is not taken back',
  { timeout },
  async (t) => {
    const { cluster, there } = await started(t, 6, 3);
    const founders = [...there];
    const load = new Load();
    for (const node of there) await load.join(node);
    for (const [at, gone] of founders.entries()) {
      const node = cluster.node(4 + at);
      const [, asked] = there;
      assert(asked !== undefined);
      await grow(asked, node, there);
      there.push(node);
      await load.join(node);
      there.splice(there.indexOf(gone), 1);
      load.expectLoss(gone);
      await shrink(asked, gone);
      await load.progress(there, 10);
    }
    await load.stop();
    t.diagnostic(`${load.acknowledged} INCRs acknowledged`);
    for (const node of there) await load.verify(node);
    const [gone] = founders;
    assert(gone !== undefined);
    gone.start({ members: listOf(founders) });
    const { code } = await within('the removed member stops', stopDeadlineMs, gone.ended);
    assert.equal(code, 1);
    assert.match(gone.stderr, /was removed from (the )?cluster/);
  },
);

test(
  'members are demoted and promoted, leadership goes where it is wanted, and what cannot be is refused',
  { timeout },
  async (t) => {
    const { cluster, there } = await started(t, 3, 3);
    const [first, second, third] = there;
    assert(first !== undefined && second !== undefined && third !== undefined);
    await run(first, 'transfer', '2', '--shard', '0');
    await until('node 2 leads', stopDeadlineMs, async () => (await cluster.leader()) === second);
    await run(first, 'demote', '3');
    assert.equal((await third.shardLines())[0]?.role, 'learner');
    assert.equal(await third.ask('SET', 'k', 'v'), 'OK', 'a learner takes commands');
    await run(third, 'promote', '3');
    assert.equal((await third.shardLines())[0]?.role, 'follower');
    await assert.rejects(run(first, 'add', '9'), /node 9 has not come to node 1/);
    await assert.rejects(run(first, 'promote', '9'), /node 9 is not a member/);
    await assert.rejects(run(first, 'transfer', '9'), /node 9 does not vote/);
    third.kill('SIGKILL');
    await third.ended;
    await until('it is missed', stopDeadlineMs, async () => {
      const { members } = await list(first);
      return members.some(({ nodeId, isConnected }) => nodeId === 3 && !isConnected);
    });
    await assert.rejects(run(first, 'remove', '2'), /only 1 can be reached/);
    const printed = await run(first, 'list');
    assert.match(printed, /node +role +connected/);
    assert.match(printed, /3 +voter +no/);
  },
);

test(
  'a member comes and another goes while the leader is cut off, which finds out when it is back',
  { timeout },
  async (t) => {
    const { cluster, there } = await started(t, 4, 3);
    const load = new Load();
    for (const node of there) await load.join(node);
    await load.progress(there, 10);
    const leader = await cluster.leader(there);
    const [asked, other] = there.filter((node) => node !== leader);
    assert(asked !== undefined && other !== undefined);
    leader.kill('SIGSTOP');
    const node = cluster.node(4);
    await grow(asked, node, [asked, other]);
    await load.join(node);
    await load.progress([asked, other, node], 10);
    load.expectLoss(leader);
    const removal = shrink(asked, leader);
    await load.progress([asked, other, node], 10);
    leader.kill('SIGCONT');
    await removal;
    await load.progress([asked, other, node], 10);
    await load.stop();
    for (const left of [asked, other, node]) await load.verify(left);
  },
);
