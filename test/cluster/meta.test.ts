import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NodeError } from '../../src/base/errors.ts';
import { clusterId, memberId, nodeId } from '../../src/base/ids.ts';
import { encodeForm, MetaEngine, parseMembers, type MetaState } from '../../src/cluster/meta.ts';
import { initialShardMap } from '../../src/shard/shard-map.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';

const formed = (id: string, shards = 4): MetaState => ({
  clusterId: clusterId(id.repeat(32)),
  members: [{ nodeId: nodeId(1), memberId: memberId('00000000000000aa') }],
  shardMap: initialShardMap(shards),
  namespaces: [],
});

class Scene {
  readonly states: MetaState[] = [];
  readonly engine = new MetaEngine({ onChanged: (state) => this.states.push(state) });
  index = 0;

  apply(...commands: readonly Uint8Array[]): readonly string[] {
    this.index += 1;
    let replies: readonly string[] = [];
    const entry = { index: this.index, term: 1, timeMs: 5 };
    const list = commands.map((bytes) => ({ database: 0, bytes }));
    this.engine.apply({ ...entry, commands: list }, (all) => {
      replies = all;
    });
    return replies;
  }
}

test('the first command that forms the cluster counts, and no later one', async () => {
  const scene = new Scene();
  assert.deepEqual(scene.apply(encodeForm(formed('a')), encodeForm(formed('b'))), [
    '+OK\r\n',
    '+OK\r\n',
  ]);
  scene.apply(encodeForm(formed('c', 8)));
  assert.deepEqual(scene.states, [formed('a')]);
  assert.deepEqual(scene.engine.state, formed('a'));
  const other = new Scene();
  other.apply(encodeForm(formed('a')));
  assert.equal(await scene.engine.digest(), await other.engine.digest());
});

test('a committed command that this version does not know stops the replica, and changes nothing', () => {
  const form = encodeForm(formed('a'));
  const outcomeOf = (bytes: Uint8Array): 'formed' | 'stopped' => {
    const scene = new Scene();
    try {
      assert.deepEqual(scene.apply(bytes), ['+OK\r\n']);
    } catch (error) {
      assert.ok(error instanceof NodeError && error.code === 'damaged', String(error));
      assert.equal(scene.states.length, 0);
      return 'stopped';
    }
    assert.equal(scene.states.length, 1);
    return 'formed';
  };
  assert.equal(outcomeOf(form), 'formed');
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), (place, value) => {
      const bytes = Uint8Array.from(form);
      bytes[place % bytes.length] = value;
      outcomeOf(bytes);
    }),
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(outcomeOf(Buffer.from(JSON.stringify(value))), 'stopped');
    }),
  );
});

test('lists of members that say something else are refused', () => {
  for (const value of [
    undefined,
    {},
    [1],
    [null],
    [{ nodeId: 1 }],
    [{ nodeId: 1.5, memberId: 'a' }],
  ]) {
    assert.equal(parseMembers(value), undefined);
  }
});

test('all nodes learn the shard map and who formed the cluster from the meta group’s log', async () => {
  const cluster = await new VirtualCluster({ shards: 16 }).form();
  const [first] = cluster.nodes;
  assert.ok(first !== undefined);
  for (const node of cluster.nodes) {
    assert.equal(node.member.shards, 16);
    assert.deepEqual(node.member.meta, first.member.meta);
    assert.equal(node.member.meta?.clusterId, node.identity?.clusterId);
    assert.deepEqual(node.member.meta?.members, node.identity?.members);
  }
});

test('the leaders of many shards are spread over the members', async () => {
  const cluster = await new VirtualCluster({ shards: 15 }).form();
  await cluster.until('all lead', () =>
    Array.from({ length: 15 }, (_, shard) => cluster.findLeader(shard)).every(Boolean),
  );
  for (const node of cluster.nodes) {
    assert.equal(node.status().filter(({ role }) => role === 'leader').length, 5);
  }
});

test('a node that stops in good order gives its leaderships away first: nobody waits for an election', async () => {
  const cluster = await new VirtualCluster({ shards: 3 }).form();
  await cluster.advance(500);
  const node = cluster.leader();
  let isDone = false;
  for (let step = 0; step < 20 && !isDone; step++) {
    isDone = !node.member.handOver();
    await cluster.advance(20);
  }
  assert.ok(isDone);
  for (let shard = 0; shard < 3; shard++) {
    assert.notEqual(cluster.findLeader(shard), undefined);
    assert.notEqual(cluster.findLeader(shard), node);
  }
});

test('a node that has too much pending says so until half of it is answered', async () => {
  const cluster = await new VirtualCluster().form();
  const node = cluster.follower();
  await cluster.write(node, 'INCR n');
  cluster.isolate(node);
  for (let command = 0; command < 100_000; command++) {
    assert.equal(node.member.isFull, false);
    node.log('INCR n');
  }
  assert.equal(node.member.isFull, true);
  let isDrained = false;
  node.member.onDrained(() => {
    isDrained = true;
  });
  await cluster.advance(300);
  assert.equal(isDrained, false);
  cluster.heal();
  await cluster.until('it has drained', () => isDrained);
  assert.equal(node.member.isFull, false);
});
