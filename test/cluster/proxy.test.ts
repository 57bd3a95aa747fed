/**
 * Proxies and members of the production code, on simulated time and network (`VirtualCluster`).
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterId, groupId, index, memberId, nodeId, term } from '../../src/base/ids.ts';
import { encodeAnswerFrame, encodeOpenedFrame, frameKind } from '../../src/cluster/frames.ts';
import { proxyGreeting } from '../../src/cluster/greeting.ts';
import { Proxy } from '../../src/cluster/proxy.ts';
import { encodeView } from '../../src/cluster/view.ts';
import { proxiesMax, Watchers } from '../../src/cluster/watchers.ts';
import { message } from '../../src/raft/message.ts';
import { encodeAnswers, encodeHeartbeats, encodeRaft } from '../../src/replica/peer-frames.ts';
import type { Hello } from '../../src/transport/transport.ts';
import { VirtualCluster, type VirtualClusterOptions } from '../support/virtual-cluster.ts';
import type { VirtualProxy } from '../support/virtual-proxy.ts';

async function formed(
  options: VirtualClusterOptions = {},
): Promise<{ readonly cluster: VirtualCluster; readonly proxy: VirtualProxy }> {
  const cluster = await new VirtualCluster({ proxies: 1, ...options }).form();
  const [proxy] = cluster.proxies;
  assert.ok(proxy !== undefined);
  return { cluster, proxy };
}

test('a proxy takes commands to the leaders and knows all shards', async () => {
  const { cluster, proxy } = await formed({ shards: 4 });
  for (let shard = 0; shard < 4; shard++) {
    const call = proxy.log('INCR n', shard);
    await cluster.finished(call);
    assert.equal(call.outcome, ':1');
    const read = proxy.read('GET n', shard);
    await cluster.finished(read);
    assert.equal(read.outcome, '$1\r\n1');
  }
  const expected = cluster.leader().status();
  for (const [shard, status] of proxy.status().entries()) {
    assert.equal(status.role, 'none');
    assert.equal(status.leader, expected[shard]?.leader);
    assert.equal(status.term, expected[shard]?.term);
    assert.deepEqual(status.voters, [1, 2, 3]);
  }
});

test('a proxy that was there first serves once the cluster has formed', async () => {
  const cluster = new VirtualCluster({ proxies: 1 });
  const [proxy] = cluster.proxies;
  assert.ok(proxy !== undefined);
  proxy.start();
  let isTold = false;
  proxy.proxy.onReady(() => {
    isTold = true;
  });
  await cluster.advance(5_000);
  cluster.node(1).start();
  await cluster.advance(5_000);
  assert.equal(isTold, false, 'one member alone is no cluster');
  assert.equal(proxy.proxy.hello().clusterId, undefined);
  cluster.node(2).start();
  cluster.node(3).start();
  await cluster.until('the proxy knows', () => isTold);
  assert.equal(await cluster.write(proxy, 'INCR n'), ':1');
  assert.equal(proxy.proxy.hello().clusterId, cluster.node(1).identity?.clusterId);
});

test('while a leader dies, commands of a proxy wait; none fails, each happens once', async () => {
  const { cluster, proxy } = await formed();
  let lastLeader = 0;
  let leaderChanges = 0;
  for (let round = 1; round <= 3; round++) {
    const calls = Array.from({ length: 20 }, () => proxy.log('INCR n'));
    const reads = Array.from({ length: 5 }, () => proxy.read('GET n'));
    await cluster.advance(round - 1);
    const former = cluster.leader();
    if (former.id !== lastLeader) leaderChanges += 1;
    lastLeader = former.id;
    former.crash();
    calls.push(...Array.from({ length: 20 }, () => proxy.log('INCR n')));
    await cluster.untilLedByAnother(former);
    const ledMs = cluster.time.nowMs;
    for (const call of [...calls, ...reads]) await cluster.finished(call);
    assert.ok(cluster.time.nowMs - ledMs < 200, 'they go to the new leader when he is known');
    for (const call of [...calls, ...reads]) assert.equal(call.isReplied, true, call.outcome);
    const replies = calls.map(({ outcome }) => Number(outcome?.slice(1))).sort((a, b) => a - b);
    const first = (round - 1) * 40 + 1;
    assert.deepEqual(
      replies,
      Array.from({ length: 40 }, (_, at) => first + at),
    );
    former.start();
    await cluster.until('it is back', () => cluster.isServing());
  }
  if (cluster.leader().id !== lastLeader) leaderChanges += 1;
  assert.equal(proxy.status()[0]?.leaderChanges, leaderChanges);
  await cluster.converge();
});

test('a proxy needs no particular member: any two of three may be cut off from it but the leader', async () => {
  const { cluster, proxy } = await formed();
  const leader = cluster.leader();
  for (const node of cluster.others(leader)) {
    cluster.network.cut(proxy.id, node.id);
    cluster.network.cut(node.id, proxy.id);
  }
  await cluster.advance(15_000);
  assert.equal(await cluster.write(proxy, 'INCR n'), ':1');
});

test('a member that is cut off from the others, and not from the proxy, holds nothing up', async () => {
  const { cluster, proxy } = await formed();
  const former = cluster.leader();
  for (const other of cluster.others(former)) {
    cluster.network.cut(former.id, other.id);
    cluster.network.cut(other.id, former.id);
  }
  const call = proxy.log('INCR n');
  await cluster.untilLedByAnother(former);
  await cluster.finished(call);
  assert.equal(call.outcome, ':1');
  assert.equal(await cluster.read(proxy, 'GET n'), '$1\r\n1');
});

test('a proxy that comes back under its id begins anew', async () => {
  const { cluster, proxy } = await formed();
  assert.equal(await cluster.write(proxy, 'INCR n'), ':1');
  const lost = proxy.log('INCR n');
  proxy.crash();
  assert.equal(lost.outcome, 'lost');
  proxy.start();
  await cluster.until('it knows', () => proxy.isReady);
  assert.equal(await cluster.write(proxy, 'INCR m'), ':1');
  assert.equal(await cluster.write(proxy, 'INCR m'), ':2');
});

test('a proxy that stops says what is in doubt and what did not happen', async () => {
  const { cluster, proxy } = await formed();
  assert.equal(await cluster.write(proxy, 'INCR n'), ':1');
  for (const node of cluster.nodes) cluster.network.cut(node.id, proxy.id);
  const sent = proxy.log('INCR n');
  const read = proxy.read('GET n');
  await cluster.advance(10);
  const { proxy: stopped } = proxy;
  await proxy.stop();
  assert.equal(sent.outcome, 'in-doubt');
  assert.equal(read.outcome, 'closing');
  const after: string[] = [];
  stopped.submit(0 as never, {
    path: 'log',
    isAlone: false,
    database: 0,
    bytes: Buffer.from('*1\r\n$4\r\nPING\r\n'),
    settle: (reply) => after.push(reply),
    fail: (failure) => after.push(failure),
  });
  assert.deepEqual(after, [], 'never before submit returns');
});

test('without a leader commands of a proxy fail in time, and did not happen', async () => {
  const { cluster, proxy } = await formed({ commandTimeoutMs: 1_000 });
  await cluster.advance(5_000);
  for (const node of cluster.nodes) node.crash();
  await cluster.advance(100);
  const calls = [proxy.log('INCR n'), proxy.read('GET n')];
  await cluster.advance(1_200);
  for (const { outcome } of calls) assert.match(outcome ?? '', /^(cluster-down|in-doubt)$/);
  assert.equal(calls[1]?.outcome, 'cluster-down');
});

test('an idle proxy sends nothing, and nothing is sent to it', async () => {
  const { cluster, proxy } = await formed({ shards: 4 });
  await cluster.write(proxy, 'INCR n');
  await cluster.advance(1_000);
  const sent: number[] = [];
  cluster.onSend = ({ from, to, kind }) => {
    if (from === proxy.id || to === proxy.id) sent.push(kind);
  };
  await cluster.advance(120_000);
  assert.deepEqual(sent, []);
  assert.equal(await cluster.write(proxy, 'INCR n'), ':2');
});

test('what changes in the meta group reaches proxies by itself, whoever else they are told by', async () => {
  const { cluster, proxy } = await formed();
  const before = proxy.proxy.meta?.version ?? 0;
  const { changeNamespaces } = await import('../../src/namespaces.ts');
  const row = {
    keys: 'a*',
    database: undefined,
    level: 'strong',
    defaultTtlMs: undefined,
  } as never;
  const changing = changeNamespaces(
    proxy.proxy,
    { kind: 'set', row, at: undefined },
    {
      whyNot: () => Promise.resolve(undefined),
      settled: () => Promise.resolve(),
    },
  );
  await cluster.until('it is known', () => (proxy.proxy.meta?.version ?? 0) > before);
  assert.deepEqual(await changing, { kind: 'changed' });
  assert.equal(proxy.proxy.namespaces.rows.length, 1);
});

test('whatever a proxy sends, it takes no part in consensus or in forming the cluster', async () => {
  const { cluster, proxy } = await formed();
  const leader = cluster.leader();
  const before = leader.status()[0];
  const from = proxy.id;
  const to = leader.id;
  const later = term((before?.term ?? 0) + 10);
  const identity = leader.identity;
  assert.ok(identity?.clusterId !== undefined);
  const json = (value: object): Uint8Array[] => [Buffer.from(JSON.stringify(value))];
  const raft = (said: Parameters<typeof message>[0]): readonly Uint8Array[] =>
    encodeRaft({ group: groupId(1), message: message({ ...said, from, to }) });
  const beat = message({ type: 'MsgHeartbeat', from, to, term: later });
  const answer = message({ type: 'MsgHeartbeatResp', from, to, term: before?.term ?? term(0) });
  const group = groupId(1);
  const hostile: readonly (readonly [kind: number, parts: readonly Uint8Array[]])[] = [
    [3, raft({ type: 'MsgVote', from, to, term: later, index: index(1_000), logTerm: later })],
    [3, raft({ type: 'MsgPreVote', from, to, term: later, index: index(1_000), logTerm: later })],
    [3, raft({ type: 'MsgApp', from, to, term: later })],
    [3, raft({ type: 'MsgAppResp', from, to, term: before?.term ?? term(0), index: index(1) })],
    [3, raft({ type: 'MsgTimeoutNow', from, to, term: later })],
    [3, raft({ type: 'MsgProp', from, to })],
    [1, [encodeHeartbeats({ sentMs: 0, messages: [{ group, message: beat }] })]],
    [
      2,
      [
        encodeAnswers({
          sentMs: 0,
          wallMs: 0,
          promiseMs: 1e6,
          messages: [{ group, message: answer, isWell: true }],
        }),
      ],
    ],
    [frameKind.formation, json({ kind: 'formed', clusterId: identity.clusterId })],
    [frameKind.formation, json({ kind: 'agree', clusterId: identity.clusterId })],
    [
      frameKind.answer,
      [
        encodeAnswerFrame({
          group,
          session: 1,
          sequence: 1,
          answer: { kind: 'forgotten' },
          place: 0,
          total: 0,
        }),
      ],
    ],
    [
      frameKind.opened,
      [
        encodeOpenedFrame({
          group,
          incarnation: 1,
          nonce: 1,
          member: identity.memberId,
          session: 99,
        }),
      ],
    ],
    [frameKind.view, [encodeView({ clusterId: identity.clusterId, meta: undefined, leaders: [] })]],
    [99, [Buffer.from('x')]],
  ];
  for (const [kind, parts] of hostile) {
    const payload = Buffer.concat(parts);
    const isTaken =
      kind === frameKind.formation
        ? leader.formation.receive(from, payload)
        : leader.member.receive(from, kind, payload);
    assert.equal(isTaken, false, `kind ${kind} is refused`);
  }
  await cluster.advance(3_000);
  const after = cluster.leader();
  assert.equal(after.id, to, 'it leads on');
  assert.equal(after.status()[0]?.term, before?.term);
  assert.equal(await cluster.write(proxy, 'INCR n'), ':1', 'and serves the proxy');
});

const helloOf = (id: number, life: number, cluster?: string): Hello => ({
  nodeId: nodeId(id),
  memberId: memberId(life.toString(16).padStart(16, '0')),
  incarnation: 1,
  clusterId: cluster === undefined ? undefined : clusterId(cluster),
  greeting: proxyGreeting,
});

test('a proxy cannot have the id of a member, nor come from another cluster', async () => {
  const { cluster } = await formed();
  const { formation } = cluster.node(1);
  const asMember = formation.verify(helloOf(2, 7));
  assert.equal(asMember?.kind, 'fatal');
  assert.match(asMember.reason, /node 2 is a member/);
  const elsewhere = formation.verify(helloOf(77, 7, 'b'.repeat(32)));
  assert.equal(elsewhere?.kind, 'later');
  assert.match(elsewhere.reason, /belongs to cluster b+/);
  assert.equal(formation.verify(helloOf(77, 7)), undefined);
  const cluster1 = cluster.node(1).identity?.clusterId;
  assert.ok(cluster1 !== undefined);
  assert.equal(formation.verify(helloOf(77, 7, cluster1)), undefined);
});

test('two proxies under one id do not push each other out: the second is told, until the first is gone', async () => {
  const { cluster, proxy } = await formed();
  const { formation } = cluster.node(1);
  const twin = helloOf(proxy.id, 12_345);
  const refusal = formation.verify(twin);
  assert.equal(refusal?.kind, 'later');
  assert.match(refusal.reason, /another proxy is connected/);
  proxy.crash();
  await cluster.advance(100);
  assert.equal(formation.verify(twin), undefined);
});

test('a member serves a bounded number of proxies, and says so to one more', () => {
  const watchers = new Watchers({
    self: nodeId(1),
    timers: {
      soon: () => undefined,
      endOfTurn: () => undefined,
      after: () => ({ cancel: () => undefined }),
    },
    transport: { send: () => true },
    view: () => undefined,
  });
  for (let at = 0; at < proxiesMax; at++) {
    const hello = helloOf(1_000 + at, at);
    assert.equal(watchers.admit(hello), undefined);
    for (const lane of ['control', 'data'] as const) watchers.connected(hello.nodeId, lane, hello);
  }
  const more = helloOf(9_999, 9_999);
  assert.match(watchers.admit(more)?.reason ?? '', /serves 1000 proxies already/);
  assert.equal(watchers.admit(helloOf(1_000, 0)), undefined, 'another lane of one that is here');
  watchers.disconnected(nodeId(1_000), 'control');
  assert.notEqual(watchers.admit(more), undefined, 'it is not gone while a lane is left');
  watchers.disconnected(nodeId(1_000), 'data');
  assert.equal(watchers.admit(more), undefined);
});

test('a proxy whose lane had no room is told later', async () => {
  const { cluster, proxy } = await formed();
  const sends: boolean[] = [];
  let isFull = true;
  const watchers = new Watchers({
    self: nodeId(1),
    timers: {
      soon: (call) => call(),
      endOfTurn: () => undefined,
      after: () => ({ cancel: () => undefined }),
    },
    transport: {
      send: () => {
        sends.push(!isFull);
        return !isFull;
      },
    },
    view: () => {
      const meta = cluster.node(1).member.meta;
      assert.ok(meta !== undefined);
      return { clusterId: meta.clusterId, meta, leaders: [] };
    },
  });
  const hello = helloOf(proxy.id, 1);
  watchers.connected(hello.nodeId, 'control', hello);
  watchers.tick();
  isFull = false;
  watchers.tick();
  watchers.tick();
  assert.deepEqual(sends, [false, false, true]);
});

test('what may have been lost with a connection is told again on the next; who is gone is told nothing', async () => {
  const { cluster, proxy } = await formed();
  const sent: boolean[] = [];
  let isFull = false;
  const watchers = new Watchers({
    self: nodeId(1),
    timers: {
      soon: (call) => call(),
      endOfTurn: () => undefined,
      after: () => ({ cancel: () => undefined }),
    },
    transport: {
      send: (_peer, _lane, _kind, parts) => {
        if (!isFull) sent.push(Buffer.concat(parts).includes('"meta"'));
        return !isFull;
      },
    },
    view: () => {
      const meta = cluster.node(1).member.meta;
      assert.ok(meta !== undefined);
      return { clusterId: meta.clusterId, meta, leaders: [] };
    },
  });
  const hello = helloOf(proxy.id, 1);
  const { nodeId: id } = hello;
  watchers.connected(id, 'data', hello);
  watchers.connected(id, 'control', hello);
  watchers.changed();
  watchers.disconnected(id, 'control');
  watchers.changed();
  watchers.connected(id, 'control', hello);
  assert.deepEqual(sent, [true, false, true]);
  isFull = true;
  watchers.changed();
  watchers.disconnected(id, 'control');
  watchers.disconnected(id, 'data');
  isFull = false;
  watchers.tick();
  watchers.connected(nodeId(500), 'control', helloOf(500, 2));
  assert.deepEqual(sent, [true, false, true, true]);
  assert.equal(watchers.has(id), false);
});

test('a proxy asks members of one cluster only', async () => {
  const { cluster, proxy } = await formed();
  const hello = cluster.node(1).formation.hello();
  assert.equal(proxy.proxy.verify(hello), undefined);
  const other = proxy.proxy.verify({ ...hello, clusterId: clusterId('b'.repeat(32)) });
  assert.equal(other?.kind, 'later');
  assert.match(other.reason, /belongs to cluster b+/);
  assert.equal(proxy.proxy.verify({ ...hello, greeting: proxyGreeting })?.kind, 'later');
  assert.ok(proxy.proxy instanceof Proxy);
  for (const kind of [
    1,
    2,
    3,
    frameKind.group,
    frameKind.open,
    frameKind.read,
    frameKind.formation,
  ]) {
    assert.equal(proxy.proxy.receive(nodeId(1), kind, Buffer.from('x')), false, `kind ${kind}`);
  }
});
