/**
 * What a fronted Redis holds that is ours: its keys and their texts. Nothing here talks to it.
 *
 * All in database 0, under the reserved prefix:
 * - `outrigger:owner`: cluster id and member id of the one sidecar that applies here.
 * - `outrigger:{s}:marker`, one a shard: where the shard's data stands. Written with every batch, atomically.
 * - `outrigger:{s}:batches`, one a shard: counts the batches that were executed.
 *
 * Why a count beside the marker: batches are pipelined. Redis can throw one batch away whole (no room, a failed save) and execute the next one; or
 * somebody else can flush it in between. The marker of the batch behind says all the same that everything before it is there. The count, which goes up by
 * one with each batch that runs, then lags behind what the marker names, for ever. So the gap is seen by whoever looks next, even if the
 * sidecar died before it read the answer.
 */

import type { Applied } from '../engine.ts';
import { reservedPrefix } from '../../command/reserved.ts';

/** Who applies to a Redis. */
export interface Owner {
  readonly cluster: string;
  readonly member: string;
}

export interface Marker extends Owner {
  /** Drawn anew at each rebuild; what carries another one is data that was given up. */
  readonly generation: string;
  /** The value of the shard's count that belongs to it. */
  readonly batch: number;
  /** The last entry that is part of the data, or of which a part is. */
  readonly applied: Applied;
  /** Whether only the beginning of that entry is part of the data. */
  readonly isPart: boolean;
}

const version = '1';

export const ownerKey: string = `${reservedPrefix}owner`;
export const markerKey = (shard: number): string => `${reservedPrefix}{${shard}}:marker`;
export const batchesKey = (shard: number): string => `${reservedPrefix}{${shard}}:batches`;
/** All of them. */
export const ownKeys = (shards: number): string[] => [
  ownerKey,
  ...Array.from({ length: shards }, (_, shard) => [markerKey(shard), batchesKey(shard)]).flat(),
];

export const ownerText = ({ cluster, member }: Owner): string => `${version} ${cluster} ${member}`;

/** Undefined where the text is none of ours. */
export function parseOwner(text: string): Owner | undefined {
  const [, cluster, member] = /^1 ([0-9a-f]+) ([0-9a-f]+)$/u.exec(text) ?? [];
  return cluster === undefined || member === undefined ? undefined : { cluster, member };
}

/** What all markers of a generation begin with; the end of a read compares it. */
export const markerStart = (owner: Owner, generation: string): string =>
  `${ownerText(owner)} ${generation} `;

/** The rest of a marker behind `markerStart`. */
export const markerEnd = (batch: number, applied: Applied, isPart: boolean): string =>
  `${batch} ${applied.index} ${applied.term} ${applied.timeMs}${isPart ? ' part' : ''}`;

/** Undefined where the text is no marker. */
export function parseMarker(text: string): Marker | undefined {
  const match =
    /^1 ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) (\d{1,16}) (\d{1,16}) (\d{1,16}) (\d{1,16})( part)?$/u.exec(
      text,
    );
  if (match === null) return undefined;
  const [, cluster = '', member = '', generation = '', ...rest] = match;
  const [batch, index, term, timeMs] = rest.slice(0, 4).map(Number);
  if (batch === undefined || index === undefined || term === undefined || timeMs === undefined)
    return undefined;
  const isPart = rest[4] !== undefined;
  return { cluster, member, generation, batch, applied: { index, term, timeMs }, isPart };
}
