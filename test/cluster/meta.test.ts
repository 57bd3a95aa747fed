import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NodeError } from '../../src/base/errors.ts';
import { clusterId, memberId, nodeId } from '../../src/base/ids.ts';
import {
  metaFromJson,
  metaToJson,
  parseMembers,
  type MetaState,
} from '../../src/cluster/meta-state.ts';
import { encodeForm, encodeNamespaces, MetaEngine, staleReply } from '../../src/cluster/meta.ts';
import { changeNamespaces } from '../../src/namespaces.ts';
import type { Namespace } from '../../src/shard/namespace.ts';
import { initialShardMap } from '../../src/shard/shard-map.ts';
import { VirtualCluster } from '../support/virtual-cluster.ts';

const formed = (id: string, shards = 4): MetaState => ({
  version: 1,
  clusterId: clusterId(id.repeat(32)),
  members: [
    {
      nodeId: nodeId(1),
      memberId: memberId('00000000000000aa'),
      role: 'voter',
      address: { host: 'h', port: 1 },
    },
  ],
  removed: [],
  shardMap: initialShardMap(shards),
  engine: 'memory',
  namespaces: [],
});

const nothing = {
  whyNot: (): Promise<undefined> => Promise.resolve(undefined),
  settled: (): Promise<void> => Promise.resolve(),
};

const rowOf = (keys: string): Namespace => ({ keys, level: 'strong' });

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

test('a table of namespaces takes the place of the one that it was made from, and of no other', () => {
  const scene = new Scene();
  assert.deepEqual(scene.apply(encodeNamespaces(0, [])), [staleReply], 'there is nothing yet');
  scene.apply(encodeForm(formed('a')));
  const [first, second] = [[rowOf('a*')], [rowOf('b*')]];
  assert.deepEqual(scene.apply(encodeNamespaces(2, first), encodeNamespaces(2, second)), [
    '+OK\r\n',
    staleReply,
  ]);
  assert.deepEqual(scene.engine.state, { ...formed('a'), version: 3, namespaces: first });
  assert.deepEqual(scene.apply(encodeNamespaces(3, second)), ['+OK\r\n']);
  assert.deepEqual(scene.engine.state, { ...formed('a'), version: 4, namespaces: second });
  assert.deepEqual(
    scene.states.map(({ version }) => version),
    [2, 3, 4],
  );
});

test('a state comes back from its JSON as it was', () => {
  const state = { ...formed('a', 7), version: 9, namespaces: [rowOf('a*')] };
  assert.deepEqual(metaFromJson(JSON.parse(JSON.stringify(metaToJson(state)))), state);
  for (const [key] of Object.entries(state))
    assert.equal(metaFromJson({ ...metaToJson(state), [key]: null }), undefined, key);
});

test('a namespace that is set on one node counts on all, and of two changes at once one is refused', async () => {
  const cluster = await new VirtualCluster({ namespaces: [rowOf('a*')] }).form();
  const rows = (): readonly string[][] =>
    cluster.nodes.map(({ member }) => member.namespaces.rows.map(({ keys }) => keys));
  assert.deepEqual(rows(), [['a*'], ['a*'], ['a*']], 'what the cluster was formed with');
  const outcomes = cluster.nodes.map(({ member }, at) =>
    changeNamespaces(member, { kind: 'set', row: rowOf(`${at}*`), at: 1 }, nothing),
  );
  let settled: readonly string[] = [];
  const all = Promise.all(outcomes).then((kinds) => {
    settled = kinds.map(({ kind }) => kind).toSorted();
  });
  await cluster.until('all are answered', () => settled.length > 0);
  await all;
  assert.deepEqual(settled, ['changed', 'refused', 'refused']);
  await cluster.advance(200);
  const [first, ...others] = rows();
  assert.equal(first?.length, 2);
  assert.equal(first[1], 'a*');
  for (const other of others) assert.deepEqual(other, first);
});

test('a table survives that all nodes stop', async () => {
  const cluster = await new VirtualCluster().form();
  let isChanged = false;
  const change = changeNamespaces(
    cluster.follower().member,
    {
      kind: 'set',
      row: rowOf('a*'),
      at: undefined,
    },
    nothing,
  ).then(({ kind }) => {
    isChanged = kind === 'changed';
  });
  await cluster.until('it is changed', () => isChanged);
  await change;
  for (const node of cluster.nodes) node.crash();
  for (const node of cluster.nodes) node.start();
  await cluster.until('all know it again', () =>
    cluster.nodes.every((node) => node.isReady && node.member.namespaces.rows[0]?.keys === 'a*'),
  );
});

test('changes that make no table are refused, and say why', async () => {
  const state = { ...formed('a'), namespaces: [rowOf('a*'), rowOf('b*')] };
  const sent: Uint8Array[] = [];
  const member: Parameters<typeof changeNamespaces>[0] = {
    meta: state,
    submitMeta: (submission) => {
      sent.push(submission.bytes);
      submission.settle('+OK\r\n', 0);
    },
  };
  const name = { keys: 'c*' };
  const reasons = await Promise.all([
    changeNamespaces(member, { kind: 'remove', name }, nothing),
    changeNamespaces(member, { kind: 'set', row: rowOf('c*'), at: 0 }, nothing),
    changeNamespaces(member, { kind: 'set', row: rowOf('c*'), at: 4 }, nothing),
    changeNamespaces(member, { kind: 'set', row: rowOf('b*'), at: 3 }, nothing),
  ]);
  assert.deepEqual(
    reasons.map((outcome) => (outcome.kind === 'refused' ? outcome.reason : '')),
    [
      'there is no namespace c*',
      'place 0 does not exist: there are 2 other namespaces',
      'place 4 does not exist: there are 2 other namespaces',
      'place 3 does not exist: there are 1 other namespaces',
    ],
  );
  assert.equal(sent.length, 0);
  const moved = await changeNamespaces(member, { kind: 'set', row: rowOf('b*'), at: 1 }, nothing);
  assert.equal(moved.kind, 'changed');
  assert.deepEqual(sent[0], encodeNamespaces(1, [rowOf('b*'), rowOf('a*')]));
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
    const voters = node.identity?.members.map((member) => {
      const address = { host: '', port: 0 };
      return { ...member, address, role: 'voter' };
    });
    assert.deepEqual(node.member.meta?.members, voters);
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
    isDone = !node.member.placer.handOver();
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
