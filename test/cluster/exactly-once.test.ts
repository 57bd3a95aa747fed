import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameKind } from '../../src/cluster/frames.ts';
import { FickleEngine } from '../support/fickle-engine.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';
import type { Call } from '../support/virtual-calls.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

/** What clients of `key` were told, against what is there: each acknowledged INCR counts once, one in doubt at most once. */
async function assertCounted(
  cluster: VirtualCluster,
  key: string,
  calls: readonly Call[],
): Promise<void> {
  const replied = calls.filter(({ isReplied }) => isReplied);
  const unknown = calls.filter(({ outcome }) => outcome === 'in-doubt' || outcome === 'lost');
  const values = replied.map(({ outcome }) => Number(outcome?.slice(1)));
  assert.equal(new Set(values).size, values.length, 'no two INCRs get the same reply');
  const reply = await cluster.read(cluster.leader(), `GET ${key}`);
  const count = Number(reply?.split('\r\n')[1] ?? 0);
  assert.ok(count >= replied.length, `${count} counted, ${replied.length} acknowledged`);
  assert.ok(count <= replied.length + unknown.length, `${count} of ${replied.length} counted`);
}

/** INCRs at these nodes, one a node every `everyMs`, for `ms`. */
async function load(
  cluster: VirtualCluster,
  nodes: readonly VirtualNode[],
  options: { readonly key: string; readonly ms: number; readonly everyMs: number },
): Promise<Call[]> {
  const calls: Call[] = [];
  for (let passed = 0; passed < options.ms; passed += options.everyMs) {
    for (const node of nodes) if (node.isReady) calls.push(node.log(`INCR ${options.key}`));
    await cluster.advance(options.everyMs);
  }
  return calls;
}

test('INCRs through surviving nodes while leaders crash, one after the other: no error, each counts once', async () => {
  const cluster = await new VirtualCluster().form();
  const calls: Call[] = [];
  for (let crash = 0; crash < 5; crash++) {
    const leader = cluster.leader();
    const survivors = cluster.others(leader);
    calls.push(...(await load(cluster, survivors, { key: 'n', ms: 300, everyMs: 7 })));
    leader.crash();
    calls.push(...(await load(cluster, survivors, { key: 'n', ms: 2_000, everyMs: 40 })));
    leader.start();
    calls.push(...(await load(cluster, survivors, { key: 'n', ms: 700, everyMs: 40 })));
  }
  await cluster.until('all are answered', () => calls.every(({ isDone }) => isDone));
  assert.ok(calls.every(({ isReplied }) => isReplied));
  await assertCounted(cluster, 'n', calls);
  await cluster.converge();
});

test('INCRs while leaders are cut off and come back: each acknowledged one counts once', async () => {
  const cluster = await new VirtualCluster().form();
  const calls: Call[] = [];
  for (let cut = 0; cut < 4; cut++) {
    const leader = cluster.leader();
    cluster.isolate(leader);
    calls.push(...(await load(cluster, cluster.nodes, { key: 'n', ms: 2_500, everyMs: 50 })));
    cluster.heal();
    calls.push(...(await load(cluster, cluster.nodes, { key: 'n', ms: 1_000, everyMs: 50 })));
  }
  await cluster.until('all are answered', () => calls.every(({ isDone }) => isDone));
  assert.ok(
    calls.every(({ isReplied }) => isReplied),
    'nothing is cut off for long enough to fail',
  );
  await assertCounted(cluster, 'n', calls);
  await cluster.converge();
});

test('a reply that is lost on its way is given when the group is sent again', async () => {
  const cluster = await new VirtualCluster().form();
  const leader = cluster.leader();
  const follower = cluster.follower();
  await cluster.write(follower, 'INCR n');
  cluster.network.cut(leader.id, follower.id, 'data');
  const call = follower.log('INCR n');
  await cluster.advance(20);
  assert.equal(call.isDone, false);
  assert.equal(leader.engine().statistics().databases[0]?.keys, 1);
  cluster.network.disconnect(leader.id, follower.id);
  cluster.heal();
  assert.equal((await cluster.finished(call)).outcome, ':2');
  assert.equal(await cluster.write(follower, 'INCR n'), ':3');
});

test('the groups of a node are one after the other in the log, whatever is sent again', async () => {
  const cluster = await new VirtualCluster().form();
  const follower = cluster.follower();
  const calls: Call[] = [];
  for (let turn = 0; turn < 200; turn++) {
    calls.push(follower.log(`APPEND order ${String(turn).padStart(3, '0')},`));
    if (turn % 20 === 7) cluster.network.disconnect(cluster.leader().id, follower.id);
    if (turn === 100) cluster.leader().member.placer.handOver();
    await cluster.advance(turn % 3 === 0 ? 5 : 0);
  }
  await cluster.until('all are answered', () => calls.every(({ isReplied }) => isReplied));
  const value = (await cluster.read(follower, 'GET order'))?.split('\r\n')[1] ?? '';
  const expected = Array.from({ length: 200 }, (_, turn) => `${String(turn).padStart(3, '0')},`);
  assert.equal(value, expected.join(''));
});

test('a command that timed out at a leader that is cut off never happens later', async () => {
  // Its entry is in the old leader's log only; the empty group that takes its sequence at the new leader fences it.
  const cluster = await new VirtualCluster({ commandTimeoutMs: 1_000 }).form();
  const former = cluster.leader();
  await cluster.write(former, 'SET k before');
  cluster.isolate(former);
  const call = former.log('SET k late');
  await cluster.finished(call);
  assert.equal(call.outcome, 'in-doubt');
  const leader = await cluster.untilLedByAnother(former);
  await cluster.write(leader, 'SET k after');
  cluster.heal();
  await cluster.advance(3_000);
  assert.equal(await cluster.read(former, 'GET k'), '$5\r\nafter');
  assert.equal(await cluster.write(former, 'INCR n'), ':1', 'the session goes on');
  await cluster.converge();
});

test('a command that was never sent times out with cluster-down and does not happen', async () => {
  const cluster = await new VirtualCluster().form();
  const [first, second, third] = cluster.nodes;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await cluster.write(first, 'SET k before');
  second.crash();
  third.crash();
  await cluster.until('nobody leads', () => first.status()[0]?.leader === 0);
  const call = first.log('SET k after');
  const read = first.read('GET k');
  await cluster.finished(call);
  assert.equal(call.outcome, 'cluster-down');
  const tookMs = (call.endMs ?? 0) - call.startMs;
  assert.ok(tookMs >= 5_000 && tookMs <= 5_100, `${tookMs} ms`);
  assert.equal((await cluster.finished(read)).outcome, 'cluster-down');
  second.start();
  third.start();
  await cluster.until('it serves', () => cluster.isServing());
  assert.equal(await cluster.read(first, 'GET k'), '$6\r\nbefore');
});

test('a step of time of all clocks ends no session that is in use', async () => {
  const cluster = await new VirtualCluster().form();
  const follower = cluster.follower();
  assert.equal(await cluster.write(follower, 'INCR n'), ':1');
  for (const node of cluster.nodes) node.wallOffsetMs += 20 * 60_000;
  await cluster.advance(200);
  await cluster.write(cluster.leader(), 'SET tick 1');
  assert.equal(await cluster.write(follower, 'INCR n'), ':2');
  await cluster.converge();
});

test('a session that ended by the time of entries is replaced, and what it refused happens in the next', async () => {
  const cluster = await new VirtualCluster().form();
  const follower = cluster.follower();
  assert.equal(await cluster.write(follower, 'INCR n'), ':1');
  // Two sweeps find it idle, while the follower's own clock says that no time has passed.
  for (const step of [1, 2]) {
    for (const node of cluster.nodes) node.wallOffsetMs += 20 * 60_000;
    await cluster.advance(200);
    await cluster.write(cluster.leader(), `SET tick ${step}`);
  }
  assert.equal(await cluster.write(follower, 'INCR n'), ':2');
  await cluster.converge();
});

test('a client may send its next command from the reply to its last', async () => {
  // Answers to reads come while what was submitted is handed over, within the very turn.
  for (const path of ['read', 'log'] as const) {
    const cluster = await new VirtualCluster().form();
    for (const node of cluster.nodes) {
      let answered = 0;
      const next = (): void => {
        answered += 1;
        if (answered < 20) node.call('GET k', path, 0, next);
      };
      node.call('GET k', path, 0, next);
      await cluster.until('all are answered', () => answered === 20, 1_000);
    }
  }
});

test('a resend that meets its group applied but not answered yet waits for the reply', async () => {
  // The engine takes its time (as KEYS over many keys does); meanwhile the connection breaks and the group comes again.
  const engines: FickleEngine[] = [];
  const cluster = await new VirtualCluster({
    wrapEngine: (create) => {
      const engine = new FickleEngine(create);
      engines.push(engine);
      return engine;
    },
  }).form();
  const follower = cluster.follower();
  await cluster.write(follower, 'INCR n');
  for (const engine of engines) engine.isHeld = true;
  const call = follower.log('INCR n');
  await cluster.advance(10);
  cluster.network.disconnect(cluster.leader().id, follower.id);
  await cluster.advance(300);
  assert.equal(call.isDone, false);
  for (const engine of engines) engine.release();
  assert.equal((await cluster.finished(call)).outcome, ':2');
});

test('submissions to a node that has stopped are told so', async () => {
  const cluster = await new VirtualCluster().form();
  const node = cluster.follower();
  const { member } = node;
  const outcomes: string[] = [];
  await Promise.all([member.close(), cluster.advance(1)]);
  member.submit(0 as never, {
    path: 'log',
    isAlone: false,
    database: 0,
    bytes: Buffer.from('*1\r\n$4\r\nPING\r\n'),
    settle: (reply) => outcomes.push(reply),
    fail: (failure) => outcomes.push(failure),
  });
  assert.deepEqual(outcomes, []);
  await cluster.advance(1);
  assert.deepEqual(outcomes, ['closing']);
});

test('what clients of a stopping node wait for is in doubt if it was sent', async () => {
  const cluster = await new VirtualCluster().form();
  const node = cluster.follower();
  assert.equal(await cluster.write(node, 'INCR n'), ':1');
  cluster.isolate(node);
  const sent = node.log('INCR n');
  const read = node.read('GET n');
  await cluster.advance(10);
  const stopping = node.stop();
  await cluster.advance(10);
  await stopping;
  assert.equal(sent.outcome, 'in-doubt');
  assert.equal(read.outcome, 'closing');
});

test('a follower’s session is open before its first command comes', async () => {
  const cluster = await new VirtualCluster().form();
  await cluster.advance(100);
  const sent: number[] = [];
  cluster.onSend = ({ kind }) => sent.push(kind);
  const call = cluster.follower().log('INCR n');
  await cluster.advance(1);
  assert.equal(call.outcome, ':1');
  assert.ok(!sent.includes(frameKind.open));
});
