/**
 * Looks a Redis over before it is applied to: its version, its role, its options; and gets rid of what an earlier life of this member left
 * connected to it.
 *
 * Late bytes of a dead connection still execute. So no marker is read before every predecessor has been seen gone.
 */

import { NodeError } from '../../base/errors.ts';
import { allCommands } from '../../command/table.ts';
import type { Answer } from './control.ts';
import { connectionName, type Connections } from './connections.ts';
import { Unwell } from './unwell.ts';

/**
 * Options on which the data depends: what Redis may evict by itself, and where `MAXLEN ~` cuts. A payload of RESTORE is looked at whole before
 * it is taken: a crafted one would end every Redis that a later entry makes look at it.
 */
const options: Readonly<Record<string, string>> = {
  maxmemory: '0',
  'maxmemory-policy': 'noeviction',
  'stream-node-max-bytes': '4096',
  'stream-node-max-entries': '100',
  'sanitize-dump-payload': 'yes',
};
const databasesMin = 16;
const majorMin = 7;
/** How often a killed predecessor is looked for again. */
const killRoundsMax = 20;

export type Info = ReadonlyMap<string, string>;

/** INFO's text as fields. */
export function parseInfo(text: string): Info {
  const fields = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(
    fields.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1)];
    }),
  );
}

export async function readInfo(connections: Connections): Promise<Info> {
  return parseInfo(String(await connections.command('INFO')));
}

/** Throws where this kind of Redis is never fronted. */
export function requireKind(info: Info, shown: string): void {
  const version = info.get('redis_version') ?? '';
  if (Number(version.split('.')[0]) < majorMin)
    throw refused(shown, `is version ${version}; Redis 7.0 is the oldest that can be fronted`);
  const mode = info.get('redis_mode') ?? 'standalone';
  if (mode !== 'standalone')
    throw refused(shown, `runs in ${mode} mode; a standalone one is needed, of this node alone`);
}

/** Throws `Unwell` while the Redis cannot be applied to. */
export function requireReadiness(info: Info): void {
  const role = info.get('role');
  if (role !== 'master') {
    const master = `${info.get('master_host')}:${info.get('master_port')}`;
    throw new Unwell(`it is a replica of ${master}; make it a master (REPLICAOF NO ONE)`);
  }
  if (info.get('loading') === '1') throw new Unwell('it is loading its data');
}

/** Kills connections that carry this member's name and are not among `ownIds`, and sees them gone. */
export async function killPredecessors(
  connections: Connections,
  member: string,
  ownIds: ReadonlySet<number>,
): Promise<void> {
  for (let round = 0; round < killRoundsMax; round += 1) {
    const left = (await clientsOf(connections, member)).filter((id) => !ownIds.has(id));
    if (left.length === 0) return;
    for (const id of left) await connections.command('CLIENT', 'KILL', 'ID', id);
  }
  throw new Unwell('connections of an earlier life of this node do not end');
}

/** The ids of the connections that carry a member's name. */
export async function clientsOf(connections: Connections, member: string): Promise<number[]> {
  const list = String(await connections.command('CLIENT', 'LIST'));
  const name = `name=${connectionName(member, '')}`;
  return list
    .split('\n')
    .filter((line) => line.split(' ').some((field) => field.startsWith(name)))
    .map((line) => Number(/^id=(\d+) /u.exec(line)?.[1]));
}

/** Makes the options what they must be. Answers what was different, `maxmemory 100mb`. Throws where it may not. */
export async function settleOptions(
  connections: Connections,
  shown: string,
): Promise<readonly string[]> {
  const names = Object.keys(options);
  const found = pairs(await configured(connections, shown, [...names, 'databases']));
  const databases = Number(found.get('databases'));
  if (databases < databasesMin)
    throw refused(shown, `has ${databases} databases; set databases to ${databasesMin}`);
  const changed: string[] = [];
  for (const [name, wanted] of Object.entries(options)) {
    const is = found.get(name);
    if (is === wanted) continue;
    try {
      await connections.control.call('CONFIG', 'SET', name, wanted);
    } catch (cause) {
      throw refused(
        shown,
        `has ${name} ${is}, and CONFIG SET is refused; set it to ${wanted}`,
        cause,
      );
    }
    changed.push(`${name} ${is}`);
  }
  return changed;
}

async function configured(
  connections: Connections,
  shown: string,
  names: readonly string[],
): Promise<Answer> {
  try {
    return await connections.control.call('CONFIG', 'GET', ...names);
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name !== 'ReplyError')
      throw new Unwell(`CONFIG GET: ${String(cause)}`, { cause });
    throw refused(
      shown,
      'refuses CONFIG GET, so its options cannot be seen; allow CONFIG to this user',
      cause,
    );
  }
}

function pairs(answer: Answer): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (!Array.isArray(answer)) return found;
  for (let at = 0; at + 1 < answer.length; at += 2)
    found.set(String(answer[at]), String(answer[at + 1]));
  return found;
}

/** Reads and writes of the command table that this Redis does not know, or knows under another name only. */
export async function lackingCommands(connections: Connections): Promise<ReadonlySet<string>> {
  const list = await connections.command('COMMAND', 'LIST');
  const known = new Set(Array.isArray(list) ? list.map((name) => String(name).toLowerCase()) : []);
  const needed = allCommands().filter(({ kind }) => kind === 'read' || kind === 'write');
  return new Set(needed.map(({ name }) => name).filter((name) => !known.has(name)));
}

/** Keys a database holds and how many of them have a deadline, by INFO. */
export function keyspaceOf(info: Info, database: number): { keys: number; expires: number } {
  const [, keys = '0', expires = '0'] =
    /^keys=(\d+),expires=(\d+)/u.exec(info.get(`db${database}`) ?? '') ?? [];
  return { keys: Number(keys), expires: Number(expires) };
}

export const refused = (shown: string, what: string, cause?: unknown): NodeError =>
  new NodeError('redis-refused', `the fronted Redis ${shown} ${what}`, cause);
