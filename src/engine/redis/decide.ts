/**
 * What to do with the data of a Redis, from what it holds of ours and from what this node remembers. Pure.
 *
 * Data is applied to further only where it is beyond doubt this node's own, whole, and at a place that this node's log holds. Everything else is thrown
 * away and made again from the log, if it was ours to throw away, and otherwise refused.
 */

import type { Applied } from '../engine.ts';
import { parseMarker, parseOwner, type Marker, type Owner } from './bookkeeping.ts';

/** What stands in a Redis; texts as they are, undefined where the key is not there. */
export interface Standing {
  readonly owner: string | undefined;
  /** One a shard. */
  readonly markers: readonly {
    readonly marker: string | undefined;
    readonly batches: string | undefined;
  }[];
  /** Keys that are not ours, in all databases. */
  readonly otherKeys: number;
}

/** What this node knows. */
export interface Knowledge {
  readonly self: Owner;
  /** Of the last data made from this data directory; undefined where none ever was. */
  readonly generation: string | undefined;
  /** Whether this process has applied to this very Redis process before. */
  readonly wasJoined: boolean;
  /** Whether the owner that is named there is connected now. */
  readonly isOwnerConnected: boolean;
  isKnown(shard: number, applied: Applied): boolean;
}

export type Decision =
  | { readonly kind: 'resume'; readonly markers: readonly Marker[] }
  /** It is empty and nobody's. */
  | { readonly kind: 'claim' }
  /** `isAlarm`: somebody or something damaged it. `isRescue`: what it holds is written to a file before. */
  | {
      readonly kind: 'rebuild';
      readonly reason: string;
      readonly isAlarm: boolean;
      readonly isRescue: boolean;
    }
  | { readonly kind: 'refuse'; readonly reason: string };

export function decide(standing: Standing, knowledge: Knowledge): Decision {
  const { self } = knowledge;
  if (standing.owner === undefined) return decideOwnerless(standing, knowledge);
  const owner = parseOwner(standing.owner);
  if (owner?.member === self.member && owner.cluster === self.cluster)
    return decideOurs(standing, knowledge);
  if (knowledge.wasJoined && !knowledge.isOwnerConnected)
    return {
      kind: 'rebuild',
      reason: "its data was replaced by another node's",
      isAlarm: true,
      isRescue: false,
    };
  const whose =
    owner === undefined
      ? 'an unknown version'
      : `member ${owner.member} of cluster ${owner.cluster}`;
  return {
    kind: 'refuse',
    reason: `is the Redis of ${whose}, and a Redis serves one sidecar; give this node its own, or clear this one with --wipe`,
  };
}

function decideOwnerless({ otherKeys }: Standing, { generation }: Knowledge): Decision {
  if (otherKeys === 0) return { kind: 'claim' };
  if (generation === undefined)
    return {
      kind: 'refuse',
      reason: `holds ${otherKeys} keys that this node never wrote; clear it with --wipe, or give this node another one (taking such data over, --adopt, is not possible yet)`,
    };
  const reason = `it holds ${otherKeys} keys but not the mark of this node`;
  return { kind: 'rebuild', reason, isAlarm: true, isRescue: true };
}

function decideOurs(standing: Standing, knowledge: Knowledge): Decision {
  const rebuild = (reason: string, isAlarm: boolean): Decision => ({
    kind: 'rebuild',
    reason,
    isAlarm,
    isRescue: false,
  });
  const markers: Marker[] = [];
  for (const [shard, { marker: text, batches }] of standing.markers.entries()) {
    const marker = text === undefined ? undefined : parseMarker(text);
    if (marker === undefined) return rebuild(`the marker of shard ${shard} is gone`, true);
    if (marker.member !== knowledge.self.member || marker.cluster !== knowledge.self.cluster)
      return rebuild(`the marker of shard ${shard} is another node's`, true);
    if (marker.generation !== knowledge.generation)
      return rebuild('its data is of a generation that was given up', false);
    if (String(marker.batch) !== batches)
      return rebuild(`a batch of shard ${shard} is missing in its data`, true);
    if (marker.isPart) return rebuild(`shard ${shard} stands within an entry`, false);
    if (!knowledge.isKnown(shard, marker.applied))
      return rebuild(`shard ${shard} stands where this node's log does not`, true);
    markers.push(marker);
  }
  return { kind: 'resume', markers };
}
