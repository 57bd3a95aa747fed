/**
 * INCR, DECR and relatives: strings that read as numbers.
 */

import type { Reply } from '../engine.ts';
import type { Call, CommandRow } from './call.ts';
import { addInt64, int64Min, multiplyInt64, parseInt64 } from '../int64.ts';
import type { Int64 } from '../int64.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from './long-double.ts';
import { bulk, error, integer, notAFloat, notAnInteger, wrongType } from '../replies.ts';

export const counterRows: readonly CommandRow[] = [
  { name: 'incr', kind: 'write', run: (call, args) => add(call, args[1] ?? '', 1) },
  { name: 'decr', kind: 'write', run: (call, args) => add(call, args[1] ?? '', -1) },
  { name: 'incrby', kind: 'write', run: incrby },
  { name: 'decrby', kind: 'write', run: decrby },
  { name: 'incrbyfloat', kind: 'write', run: incrbyfloat },
];

const overflow = error('ERR increment or decrement would overflow');
const decrementOverflow = error('ERR decrement would overflow');
const notFinite = error('ERR increment would produce NaN or Infinity');

function incrby(call: Call, args: readonly string[]): Reply {
  const by = parseInt64(args[2] ?? '');
  return by === undefined ? notAnInteger : add(call, args[1] ?? '', by);
}

function decrby(call: Call, args: readonly string[]): Reply {
  const by = parseInt64(args[2] ?? '');
  if (by === undefined) return notAnInteger;
  const negated = by === int64Min ? undefined : multiplyInt64(by, -1);
  return negated === undefined ? decrementOverflow : add(call, args[1] ?? '', negated);
}

function add(call: Call, key: string, by: Int64): Reply {
  const item = call.find(key);
  if (item !== undefined && item.kind !== 'string') return wrongType;
  const before = item === undefined ? 0 : parseInt64(item.text);
  if (before === undefined) return notAnInteger;
  const after = addInt64(before, by);
  if (after === undefined) return overflow;
  call.storeOver(item, key, String(after), true);
  return integer(after);
}

function incrbyfloat(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  const item = call.find(key);
  if (item !== undefined && item.kind !== 'string') return wrongType;
  const before = parseLongDouble(item === undefined ? '0' : item.text);
  const by = before && parseLongDouble(args[2] ?? '');
  if (before === undefined || by === undefined) return notAFloat;
  const after = addLongDouble(before, by);
  if (after === undefined) return notFinite;
  const text = formatLongDouble(after);
  const target = call.storeOver(item, key, text, true);
  call.keyspace.replaceString(target, text, 'text');
  return bulk(text);
}
