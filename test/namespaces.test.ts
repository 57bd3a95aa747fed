/**
 * Goal: a change that may move keys closes them first, and leaves the table as it was or as it is to be.
 * Method: a meta group in a few lines, and every table that it was given.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterId } from '../src/base/ids.ts';
import type { MetaState } from '../src/cluster/meta-state.ts';
import { staleReply } from '../src/cluster/meta.ts';
import { changeNamespaces, type NamespaceChange, type Sides } from '../src/namespaces.ts';
import { initialShardMap } from '../src/shard/shard-map.ts';
import type { Namespace } from '../src/shard/namespace.ts';

const off = (keys: string, upstream = 'redis://a'): Namespace => ({ keys, level: 'off', upstream });
const strong = (keys: string): Namespace => ({ keys, level: 'strong' });
const brief = ({ keys, level, isClosed }: Namespace): string =>
  `${keys} ${level}${isClosed === true ? ' closed' : ''}`;

class Scene {
  meta: MetaState;
  /** Every table since the first, and what was asked in between. */
  readonly story: string[] = [];
  reason: string | undefined;
  onSettling: () => void = () => undefined;

  constructor(namespaces: readonly Namespace[]) {
    this.meta = {
      version: 5,
      clusterId: clusterId('a'.repeat(32)),
      members: [],
      shardMap: initialShardMap(1),
      engine: 'memory',
      namespaces,
    } as unknown as MetaState;
  }

  submitMeta({
    bytes,
    settle,
  }: {
    bytes: Uint8Array;
    settle: (reply: string, index: number) => void;
  }): void {
    const command = JSON.parse(Buffer.from(bytes).toString()) as Pick<
      MetaState,
      'version' | 'namespaces'
    >;
    if (command.version !== this.meta.version) {
      settle(staleReply, 1);
      return;
    }
    this.meta = { ...this.meta, version: this.meta.version + 1, namespaces: command.namespaces };
    this.story.push(this.meta.namespaces.map(brief).join(', '));
    settle('+OK\r\n', 1);
  }

  async change(change: NamespaceChange): Promise<string> {
    const sides: Sides = {
      settled: () => {
        this.onSettling();
        return Promise.resolve();
      },
      whyNot: ({ name }) => {
        this.story.push(`why not ${name.keys}`);
        return Promise.resolve(this.reason);
      },
    };
    const outcome = await changeNamespaces(this, change, sides);
    return outcome.kind === 'refused' ? outcome.reason : outcome.kind;
  }
}

test('what moves no keys is changed at once', async () => {
  const changes: readonly NamespaceChange[] = [
    { kind: 'set', row: { keys: 's*', level: 'session' }, at: undefined },
    { kind: 'set', row: strong('new*'), at: undefined },
    { kind: 'remove', name: { keys: 't*' } },
    { kind: 'set', row: strong('t*'), at: 3 },
    { kind: 'set', row: { keys: 's*', level: 'strong', defaultTtlMs: 5 }, at: undefined },
  ];
  for (const change of changes) {
    const scene = new Scene([strong('s*'), off('o*'), strong('t*')]);
    assert.equal(await scene.change(change), 'changed');
    assert.equal(scene.story.length, 1, JSON.stringify(change));
  }
  const scene = new Scene([strong('s*'), off('o*'), strong('t*')]);
  await scene.change({ kind: 'remove', name: { keys: 't*' } });
  assert.deepEqual(scene.story, ['s* strong, o* off']);
});

test('what may move keys closes them, looks, and opens them on the other side', async () => {
  const scene = new Scene([strong('s*'), off('o*')]);
  assert.equal(await scene.change({ kind: 'set', row: strong('o*'), at: undefined }), 'changed');
  assert.deepEqual(scene.story, ['s* strong, o* off closed', 'why not o*', 's* strong, o* strong']);
  const removing = new Scene([off('o*'), strong('s*')]);
  assert.equal(await removing.change({ kind: 'remove', name: { keys: 'o*' } }), 'changed');
  assert.deepEqual(removing.story, ['o* off closed, s* strong', 'why not o*', 's* strong']);
  const adding = new Scene([strong('s*')]);
  assert.equal(await adding.change({ kind: 'set', row: off('o*'), at: undefined }), 'changed');
  assert.deepEqual(adding.story, ['s* strong, o* off closed', 'why not o*', 's* strong, o* off']);
});

test('a row that goes before others is closed where it will stand, one that goes behind where it stood', async () => {
  const before = new Scene([off('o*'), strong('s*')]);
  await before.change({ kind: 'set', row: strong('s*'), at: 1 });
  assert.deepEqual(before.story[0], 's* strong closed, o* off');
  const behind = new Scene([strong('s*'), off('o*')]);
  await behind.change({ kind: 'set', row: strong('s*'), at: 2 });
  assert.deepEqual(behind.story[0], 's* strong closed, o* off');
  const another = new Scene([off('o*')]);
  await another.change({ kind: 'set', row: off('o*', 'redis://b'), at: undefined });
  assert.deepEqual(another.story[0], 'o* off closed', 'another upstream is another side');
});

test('where keys would be lost sight of, the table is as it was', async () => {
  const rows = [strong('s*'), off('o*')];
  const scene = new Scene(rows);
  scene.reason = 'there are keys';
  assert.equal(await scene.change({ kind: 'remove', name: { keys: 'o*' } }), 'there are keys');
  assert.deepEqual(scene.story, ['s* strong, o* off closed', 'why not o*', 's* strong, o* off']);
  assert.deepEqual(scene.meta.namespaces, rows);
});

test('a table that somebody else changed meanwhile is not overwritten', async () => {
  const scene = new Scene([off('o*')]);
  scene.onSettling = () => {
    scene.meta = { ...scene.meta, version: 9, namespaces: [strong('x*')] };
  };
  assert.match(
    await scene.change({ kind: 'remove', name: { keys: 'o*' } }),
    /changed meanwhile; o\* may be closed/,
  );
  assert.deepEqual(scene.meta.namespaces, [strong('x*')]);
});

test('a row that was left closed is opened by the change that is made again', async () => {
  const scene = new Scene([{ ...off('o*'), isClosed: true }]);
  assert.equal(await scene.change({ kind: 'set', row: off('o*'), at: undefined }), 'changed');
  assert.deepEqual(scene.story, ['o* off']);
});
