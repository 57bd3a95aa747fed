/**
 * Parts of strings: APPEND, GETRANGE, SETRANGE, STRLEN.
 */

import type { Reply } from '../engine.ts';
import type { Call, CommandRow } from './call.ts';
import { parseInt64 } from '../int64.ts';
import {
  bulk,
  emptyBulk,
  error,
  integer,
  notAnInteger,
  stringBytesMax,
  stringTooLong,
  wrongType,
  zero,
} from '../replies.ts';

export const stringRangeRows: readonly CommandRow[] = [
  { name: 'strlen', kind: 'read', run: strlen },
  { name: 'getrange', kind: 'read', run: getrange },
  { name: 'substr', kind: 'read', run: getrange },
  { name: 'append', kind: 'write', run: append },
  { name: 'setrange', kind: 'write', run: setrange },
];

const offsetOutOfRange = error('ERR offset is out of range');

function strlen(call: Call, args: readonly string[]): Reply {
  const item = call.use(args[1] ?? '');
  if (item === undefined) return zero;
  return item.kind === 'string' ? integer(item.text.length) : wrongType;
}

function getrange(call: Call, args: readonly string[]): Reply {
  const from = parseInt64(args[2] ?? '');
  const to = parseInt64(args[3] ?? '');
  if (from === undefined || to === undefined) return notAnInteger;
  const item = call.use(args[1] ?? '');
  if (item === undefined) return emptyBulk;
  if (item.kind !== 'string') return wrongType;
  if (from < 0 && to < 0 && from > to) return emptyBulk;
  const { text } = item;
  const start = fromStart(Number(from), text.length);
  const end = Math.min(fromStart(Number(to), text.length), text.length - 1);
  return start > end ? emptyBulk : bulk(text.slice(start, end + 1));
}

/** Negative offsets count from the end. */
function fromStart(offset: number, length: number): number {
  return Math.max(offset < 0 ? length + offset : offset, 0);
}

function append(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  const tail = args[2] ?? '';
  const item = call.find(key);
  if (item === undefined) {
    call.store(key, tail, false);
    return integer(tail.length);
  }
  if (item.kind !== 'string') return wrongType;
  const length = item.text.length + tail.length;
  if (length > stringBytesMax) return stringTooLong;
  call.keyspace.replaceString(item, item.text + tail, 'raw');
  call.touch(item);
  return integer(length);
}

function setrange(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  const given = parseInt64(args[2] ?? '');
  const patch = args[3] ?? '';
  if (given === undefined) return notAnInteger;
  if (given < 0) return offsetOutOfRange;
  const offset = Number(given);
  const item = call.find(key);
  if (item !== undefined && item.kind !== 'string') return wrongType;
  const text = item?.text ?? '';
  if (patch.length === 0) return integer(text.length);
  if (offset + patch.length > stringBytesMax) return stringTooLong;
  const head = offset <= text.length ? text.slice(0, offset) : text.padEnd(offset, '\0');
  const changed = head + patch + text.slice(offset + patch.length);
  const target = item ?? call.store(key, '', false);
  call.keyspace.replaceString(target, changed, 'raw');
  call.touch(target);
  return integer(changed.length);
}
