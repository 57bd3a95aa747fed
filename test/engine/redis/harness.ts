/**
 * A fronted Redis, an engine over it and a host that feeds it, for tests of what happens to them.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import type { Timers } from '../../../src/base/clock.ts';
import type { Logger } from '../../../src/base/logger.ts';
import type { EngineCommand } from '../../../src/engine/engine.ts';
import { redisAddress } from '../../../src/engine/redis/address.ts';
import { ownKeys } from '../../../src/engine/redis/bookkeeping.ts';
import { Memo } from '../../../src/engine/redis/memo.ts';
import { RedisEngine } from '../../../src/engine/redis/redis-engine.ts';
import { RedisServer } from '../../../src/engine/redis/redis-server.ts';
import { Translator } from '../../../src/engine/redis/translate.ts';
import { latin1Slice } from '../../../src/command/latin1.ts';
import { machineSystem } from '../../../src/system.ts';
import { commandOf } from '../../support/engine-driver.ts';
import { FeedingHost } from '../../support/feeding-host.ts';

export const cluster = '00112233445566778899aabbccddeeff';
export const member = '0123456789abcdef';

export interface JoinOptions {
  readonly url: string;
  readonly directory: string | undefined;
  readonly member?: string;
  readonly shards?: number;
  readonly mayWipe?: boolean;
  readonly password?: string;
  readonly user?: string;
  readonly replyTimeoutMs?: number;
  /** It waits next to nothing between attempts to join. */
  readonly isHasty?: boolean;
  /** The life of the node before, whose log it still has. */
  readonly after?: Join;
}

/** One life of a node, as far as the engine sees it. */
export interface Join {
  readonly hosts: readonly FeedingHost[];
  readonly host: FeedingHost;
  readonly engines: readonly RedisEngine[];
  readonly server: RedisServer;
  readonly logged: readonly string[];
  close(): void;
}

/** Keys `0…`, `1…` and so on belong to the shard of that number. */
export const shardOf = (key: string): number => Number(/^\d/.exec(key)?.[0] ?? 0);

export async function joinRedis(options: JoinOptions): Promise<Join> {
  const { engines, server, logged } = await createEngines(options);
  const hosts = engines.map((engine, at) => {
    return new FeedingHost(engine, options.after?.hosts[at]?.log);
  });
  const [host] = hosts;
  assert.ok(host);
  return { hosts, host, engines, server, logged, close: () => server.close() };
}

/** Engines that nobody has opened. */
export async function createEngines(
  options: JoinOptions,
): Promise<Pick<Join, 'engines' | 'server' | 'logged'>> {
  const { clock, timers, random, randomBytes } = machineSystem(0);
  const shards = options.shards ?? 1;
  const logged: string[] = [];
  const { url, user, password } = options;
  const server = new RedisServer({
    address: redisAddress({ url, user, password }),
    owner: { cluster, member: options.member ?? member },
    shards,
    memo: await Memo.open(options.directory),
    mayWipe: options.mayWipe ?? false,
    shardOf: shards === 1 ? () => 0 : shardOf,
    clock,
    timers: options.isHasty === true ? hasty(timers) : timers,
    randomBytes,
    logger: recordingLogger(logged),
    ...(options.replyTimeoutMs === undefined ? {} : { replyTimeoutMs: options.replyTimeoutMs }),
  });
  const engines = Array.from({ length: shards }, (_, shard) => {
    const translation = new Translator({
      ownsKey: shards === 1 ? undefined : (key) => shardOf(key) === shard,
      reservedKeys: ownKeys(shards),
      random,
      latin1Slice,
    });
    return new RedisEngine({ shard, server, translation });
  });
  return { engines, server, logged };
}

const hasty = (timers: Timers): Timers => ({
  ...timers,
  after: (delayMs, call) => timers.after(Math.min(delayMs, hastyMs), call),
});
const hastyMs = 2;

function recordingLogger(logged: string[]): Logger {
  const record =
    (level: string) =>
    (fields: object, message: string): void => {
      logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  return {
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
  };
}

export const commandsOf = (...lines: readonly string[]): EngineCommand[] => lines.map(commandOf);

/** Entry `n` of a history whose effects can be counted: each leaves one trace in a list and adds one to a number. */
export const countedEntry = (n: number): EngineCommand[] =>
  commandsOf(`RPUSH list ${n}`, 'INCR number', `[3] SET last ${n}`);

/** Asserts that exactly the entries of the host's log took effect, each once, in order. */
export async function assertCounted(host: FeedingHost): Promise<void> {
  const count = host.log.length;
  // A busy machine may cost the engine another join, which makes a read void.
  let replies: readonly string[] | undefined;
  for (let tries = 0; replies === undefined && tries < 5; tries += 1)
    replies = await host.read(commandsOf('LRANGE list 0 -1', 'GET number', '[3] GET last'));
  assert.ok(replies, 'the engine is well for the time of a read');
  const numbers = Array.from({ length: count }, (_, at) => String(at + 1));
  const list = numbers.map((text) => `$${text.length}\r\n${text}\r\n`).join('');
  assert.equal(replies[0], `*${count}\r\n${list}`);
  const last = `$${String(count).length}\r\n${count}\r\n`;
  assert.deepEqual(replies.slice(1), [last, last]);
}

export async function temporaryDirectory(): Promise<{
  path: string;
  remove: () => Promise<void>;
}> {
  const path = await mkdtemp(join(tmpdir(), 'outrigger-redis-engine-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
