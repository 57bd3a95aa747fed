/**
 * Changes of configuration as the data of entries.
 *
 * Format 1: version byte, transition byte, count of steps (4 bytes), a step as type byte and node (7 bytes), then the
 * application's context to the end. No bytes at all leave a joint configuration, so that this is never too big for a log.
 */

import { nodeId } from '../base/ids.ts';
import {
  leaveJointChange,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeType,
  type ConfChangeV2,
  type Transition,
} from './membership.ts';
import type { Entry } from './message.ts';
import { WireReader, WireWriter } from './wire.ts';

const formatVersion = 1;
const stepBytes = 8;

/** Bytes on disk and between nodes: positions are part of the format, append only. */
const types: readonly ConfChangeType[] = ['add-node', 'add-learner', 'remove-node', 'update-node'];
const transitions: readonly Transition[] = ['auto', 'implicit', 'explicit'];

/** The entry that carries a change, without term and index. */
export function encodeConfChange(change: ConfChange | ConfChangeV2): Pick<Entry, 'type' | 'data'> {
  const isFirst = change.kind === 'v1';
  const changes = isFirst ? [change.change] : change.changes;
  const transition = isFirst ? 'auto' : change.transition;
  const type = isFirst ? 'conf-change' : 'conf-change-v2';
  if (changes.length === 0 && transition === 'auto' && change.context.length === 0) {
    return { type, data: new Uint8Array(0) };
  }
  const writer = new WireWriter(6 + changes.length * stepBytes + change.context.length);
  writer.byte(formatVersion);
  writer.byte(transitions.indexOf(transition));
  writer.count(changes.length);
  for (const step of changes) {
    writer.byte(types.indexOf(step.type));
    writer.number(step.nodeId);
  }
  writer.raw(change.context);
  return { type, data: writer.done() };
}

/** The change in an entry, in its second form; undefined where there is none or its bytes are not one. */
export function decodeConfChange(entry: Pick<Entry, 'type' | 'data'>): ConfChangeV2 | undefined {
  if (entry.type === 'normal') return undefined;
  const isFirst = entry.type === 'conf-change';
  if (entry.data.length === 0) return isFirst ? undefined : leaveJointChange;
  const reader = new WireReader(entry.data);
  if (reader.byte() !== formatVersion) return undefined;
  const transition = transitions[reader.byte()];
  const count = reader.count();
  if (transition === undefined || count * stepBytes > reader.remaining) return undefined;
  const changes: ConfChangeSingle[] = [];
  for (let place = 0; place < count; place += 1) {
    const type = types[reader.byte()];
    if (type === undefined) return undefined;
    changes.push({ type, nodeId: nodeId(reader.number()) });
  }
  const context = reader.raw(reader.remaining);
  if (reader.isBroken || (isFirst && (count !== 1 || transition !== 'auto'))) return undefined;
  return { kind: 'v2', transition, changes, context };
}
