/**
 * What is refused although its command is answered: types that the engine does not hold, options that are not built, and, where a
 * Redis is fronted, keys under which it keeps what is ours.
 */

import { keyIndexes } from '../command/keys.ts';
import { memoryEngineRefusal } from '../command/refused.ts';
import { reservedKeyError, reservedPrefix } from '../command/reserved.ts';
import type { CommandSpec } from '../command/table.ts';
import type { RequestDecoder } from '../resp/decoder.ts';

const prefix: Uint8Array = Buffer.from(reservedPrefix, 'latin1');
const firstByte = prefix[0];

/** The error, without its `-`, of a read or write that is refused here; undefined for all others. */
export function refusalOf(
  spec: CommandSpec,
  request: RequestDecoder,
  shards: number,
  frontsRedis: boolean,
): string | undefined {
  if (frontsRedis) {
    if (namesReservedKey(spec, request)) return reservedKeyError;
  } else if (spec.engines === 'redis') return memoryEngineRefusal(spec.name);
  return spec.optionsRefusal?.(request, shards);
}

/** Whether the command names a reserved key. Nearly always the first byte of its only key tells that it does not. */
function namesReservedKey(spec: CommandSpec, request: RequestDecoder): boolean {
  if (spec.movableKeys === undefined && spec.firstKey === 1 && spec.lastKey === 1) {
    return isReserved(request, 1);
  }
  return keyIndexes(spec, request).some((at) => isReserved(request, at));
}

function isReserved(request: RequestDecoder, at: number): boolean {
  const { view } = request;
  const start = request.argStart(at);
  if (view[start] !== firstByte) return false;
  const end = start + prefix.length;
  return end <= request.argEnd(at) && prefix.every((byte, place) => view[start + place] === byte);
}
