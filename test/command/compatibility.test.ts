/**
 * That every command of the servers which may stand behind a node is classified, and that the page on it says the same.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import redisData from '@ioredis/commands/built/commands.json' with { type: 'json' };
import { moduleRefusal } from '../../src/command/refused.ts';
import { lookupCommand } from '../../src/command/table.ts';
import { bulkOf, elementsOf } from '../../src/resp/reply-framer.ts';
import { connectTarget } from '../differential/target.ts';
import { words } from '../support/commands.ts';
import { startRedis } from '../support/redis-server.ts';
import { compatibilityPage, unlisted } from './compatibility-page.ts';
import { added, droppedIn7, newIn7, redis7 } from './versions.ts';

const ofRedis7 = Object.values(redis7).flat();

test('docs/compatibility.md is what the table gives', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/compatibility.md'), 'utf8');
  assert.equal(page, compatibilityPage());
});

/** A subcommand is, too, where its container is refused as a whole. */
function isClassified(name: string): boolean {
  const [container = '', sub] = name.split('|');
  const spec = lookupCommand(container);
  if (spec === undefined) return moduleRefusal(container) !== undefined;
  return sub === undefined || spec.kind === 'refused' || spec.subcommands?.has(sub) === true;
}

test('every command of the installed Redis is classified, and Redis 7.0 has those of its list', async () => {
  const redis = await startRedis();
  const target = await connectTarget(redis.port);
  try {
    const reply = async (line: string): Promise<string> =>
      (await target.execute(words(line))).toString('latin1');
    const listed = (elementsOf(await reply('COMMAND LIST')) ?? []).map(
      (each) => bulkOf(each) ?? '',
    );
    assert.deepEqual(
      listed.filter((name) => !isClassified(name)),
      [],
    );
    const names = listed.filter((name) => !name.includes('|'));
    assert.ok(names.length >= 240);
    if (!(await reply('INFO server')).includes('redis_version:7.0.')) return;
    assert.deepEqual(names.sort(), [...ofRedis7].sort());
  } finally {
    await target.close();
    await redis.stop();
  }
});

test('every command of every listed server is classified, and nothing else is', () => {
  const names = [...ofRedis7, ...droppedIn7, ...added.flatMap((each) => each.names)];
  assert.deepEqual(
    names.filter((name) => lookupCommand(name) === undefined),
    [],
  );
  assert.deepEqual(unlisted(droppedIn7), []);
  assert.deepEqual(
    newIn7.filter((name) => !ofRedis7.includes(name)),
    [],
  );
});

test('the lists of Redis are those of the package that carries its newest', () => {
  const ofRedis = added.filter(({ server }) => server.startsWith('Redis'));
  const names = [...ofRedis7, ...ofRedis.flatMap((each) => each.names)];
  assert.deepEqual(names.sort(), Object.keys(redisData).sort());
});

test('commands of modules are refused by their prefix', () => {
  for (const name of ['JSON.SET', 'ft.search', 'bf.add', 'TS.ADD', '_FT.CONFIG']) {
    assert.match(moduleRefusal(name) ?? '', /is refused by Outrigger: .* modules/);
  }
  for (const name of ['json', 'get', 'foo.bar', '']) assert.equal(moduleRefusal(name), undefined);
});
