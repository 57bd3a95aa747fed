import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterId, groupId, memberId, nodeId, term } from '../../src/base/ids.ts';
import type { MetaState } from '../../src/cluster/meta-state.ts';
import { decodeView, encodeView, View, type ViewFrame } from '../../src/cluster/view.ts';
import { initialShardMap } from '../../src/shard/shard-map.ts';

const ours = clusterId('a'.repeat(32));

function stateOf(version: number, shards = 2, cluster = ours): MetaState {
  return {
    version,
    clusterId: cluster,
    members: [
      {
        nodeId: nodeId(1),
        memberId: memberId('0'.repeat(16)),
        role: 'voter',
        address: { host: 'h', port: 1 },
      },
    ],
    removed: [],
    shardMap: initialShardMap(shards),
    engine: 'memory',
    namespaces: [],
  };
}

function frame(
  meta: MetaState | undefined,
  ...leaders: readonly (readonly [group: number, leader: number, term: number])[]
): ViewFrame {
  const hints = leaders.map(([group, leader, inTerm]) => {
    return { group: groupId(group), leader: nodeId(leader), term: term(inTerm) };
  });
  return { clusterId: meta?.clusterId ?? ours, meta, leaders: hints };
}

test('a view comes back from its bytes as it was', () => {
  for (const said of [
    frame(stateOf(3), [0, 1, 4], [2, 0, 9]),
    frame(undefined, [1, 2 ** 31, 2 ** 40]),
  ]) {
    assert.deepEqual(decodeView(encodeView(said)), said);
  }
});

test('bytes that are no view are none', () => {
  const good = { clusterId: ours, leaders: [[1, 1, 1]] };
  const bad: readonly unknown[] = [
    'text',
    null,
    [],
    { ...good, clusterId: 1 },
    { ...good, leaders: undefined },
    { ...good, leaders: [[1, 1]] },
    { ...good, leaders: [[1, 1, -1]] },
    { ...good, leaders: [[1, '1', 1]] },
    { ...good, leaders: [[1, 1, 1.5]] },
    { ...good, meta: {} },
    { ...good, meta: null },
  ];
  const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  assert.notEqual(decodeView(bytes(good)), undefined);
  for (const value of bad) assert.equal(decodeView(bytes(value)), undefined, JSON.stringify(value));
  assert.equal(decodeView(Buffer.from('{')), undefined);
});

test('of two leaders of a group the one of the higher term counts, whoever is heard last', () => {
  const view = new View();
  view.learn(frame(stateOf(1), [1, 1, 5]));
  assert.deepEqual(view.learn(frame(undefined, [1, 2, 4])).groups, []);
  assert.deepEqual(view.leaderOf(groupId(1)), { node: 1, term: 5 });
  assert.deepEqual(view.learn(frame(undefined, [1, 3, 6])).groups, [1]);
  assert.deepEqual(view.leaderOf(groupId(1)), { node: 3, term: 6 });
});

test('who knows no leader of a term takes none away; of a higher term he does', () => {
  const view = new View();
  view.learn(frame(stateOf(1), [1, 1, 5]));
  assert.deepEqual(view.learn(frame(undefined, [1, 0, 5])).groups, []);
  assert.equal(view.leaderOf(groupId(1))?.node, 1);
  assert.deepEqual(view.learn(frame(undefined, [1, 0, 6])).groups, [1]);
  assert.equal(view.leaderOf(groupId(1)), undefined);
  assert.equal(view.termOf(groupId(1)), 6);
  assert.deepEqual(view.learn(frame(undefined, [1, 2, 6])).groups, [1]);
  assert.equal(view.leaderOf(groupId(1))?.node, 2);
});

test('of two states the one of the higher version counts', () => {
  const view = new View();
  assert.equal(view.learn(frame(stateOf(7))).isMetaNew, true);
  assert.equal(view.learn(frame(stateOf(6))).isMetaNew, false);
  assert.equal(view.learn(frame(stateOf(7))).isMetaNew, false);
  assert.equal(view.meta?.version, 7);
  assert.equal(view.learn(frame(stateOf(8))).isMetaNew, true);
});

test('what a member of another cluster says changes nothing', () => {
  const view = new View();
  view.learn(frame(stateOf(1), [1, 1, 5]));
  const other = stateOf(9, 4, clusterId('b'.repeat(32)));
  assert.deepEqual(view.learn(frame(other, [1, 2, 9])), { isMetaNew: false, groups: [] });
  assert.equal(view.meta?.clusterId, ours);
  assert.equal(view.leaderOf(groupId(1))?.node, 1);
});

test('leaders count only of groups that there are', () => {
  const view = new View();
  assert.deepEqual(
    view.learn(frame(undefined, [1, 1, 1])).groups,
    [],
    'before the shards are known',
  );
  const learned = view.learn(
    frame(stateOf(1, 2), [0, 1, 1], [2, 1, 1], [3, 1, 1], [4_000_000_000, 1, 1]),
  );
  assert.deepEqual(learned.groups, [0, 2]);
});
