/**
 * What `outrigger dev` prints, as text.
 */

import { columns } from './columns.ts';
import type { DevEnd } from './dev-node.ts';
import { devHost, type DevPlace } from './dev-options.ts';

export interface DevRow {
  readonly place: DevPlace;
  readonly pid: number | undefined;
  readonly shardsLed: readonly number[];
}

const headings = [
  'node',
  'role',
  'client',
  'peer',
  'admin',
  'health',
  'pid',
  'shards led',
] as const;

/** A line a node, columns aligned. */
export function table(rows: readonly DevRow[]): string {
  const cells = rows.map(({ place, pid, shardsLed }) => [
    `${place.id}`,
    place.role,
    `${place.clientPort}`,
    `${place.peerPort ?? '-'}`,
    `${place.adminPort}`,
    `${place.healthPort}`,
    `${pid ?? '-'}`,
    shardsLed.length === 0 ? '-' : shardsLed.join(','),
  ]);
  return columns([headings, ...cells]);
}

/** The line that starts with `ready`, commands to try, and the token that changes need. */
export function readyText(places: readonly DevPlace[], shards: number, token: string): string {
  const first = places[0]?.clientPort ?? 0;
  const second = places[1]?.clientPort ?? first;
  const count = (number: number, noun: string): string =>
    `${number} ${noun}${number === 1 ? '' : 's'}`;
  const members = places.filter(({ role }) => role === 'member').length;
  const proxies = places.length - members;
  const others = proxies === 0 ? '' : `${proxies} prox${proxies === 1 ? 'y' : 'ies'}, `;
  return `ready: ${count(members, 'node')}, ${others}${count(shards, 'shard')}, each with a leader; try

  redis-cli -p ${first} set a 1
  redis-cli -p ${second} get a
  export OUTRIGGER_ADMIN_TOKEN=${token}
  npm run outrigger -- namespace set 'cart:*' --level session --admin ${devHost}:${places[0]?.adminPort ?? 0}

`;
}

export function endText(id: number, end: DevEnd, staysDead: string | undefined): string {
  const how = end.signal === null ? `exited with code ${end.code}` : `was ended by ${end.signal}`;
  const why = end.complaint === undefined ? '' : `: ${end.complaint}`;
  const next = staysDead === undefined ? 'starting it again' : `it stays dead (${staysDead})`;
  return `node ${id} (pid ${end.pid}) ${how}${why}; ${next}\n`;
}

/** Said once where the cluster takes long to become ready. */
export function lateText(
  places: readonly DevPlace[],
  phases: readonly (string | undefined)[],
): string {
  const states = places.map(({ id }, at) => `node ${id} ${phases[at] ?? 'does not answer'}`);
  const directory = places[0]?.directory ?? '';
  return `not ready yet: ${states.join(', ')}; logs are in ${directory}/outrigger.log and beside it\n`;
}
