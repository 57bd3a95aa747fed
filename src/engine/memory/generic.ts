/**
 * Commands on keys of any type: DEL, EXISTS, RENAME, COPY and relatives.
 */

import type { Reply } from '../engine.ts';
import { option } from '../option.ts';
import { databaseCount } from './call.ts';
import type { Call, CommandRow } from './call.ts';
import { parseDatabase } from '../database-number.ts';
import type { Item, Keyspace } from './keyspace.ts';
import {
  integer,
  noSuchDatabase,
  noSuchKey,
  ok,
  one,
  sameObject,
  syntaxError,
  zero,
} from '../replies.ts';

export const genericRows: readonly CommandRow[] = [
  { name: 'exists', kind: 'read', run: (call, args) => count(args, (key) => call.look(key)) },
  { name: 'touch', kind: 'read', run: (call, args) => count(args, (key) => call.use(key)) },
  { name: 'type', kind: 'read', run: type },
  { name: 'del', kind: 'write', run: (call, args) => count(args, (key) => remove(call, key)) },
  { name: 'unlink', kind: 'write', run: (call, args) => count(args, (key) => remove(call, key)) },
  { name: 'rename', kind: 'write', run: (call, args) => rename(call, args, false) },
  { name: 'renamenx', kind: 'write', run: (call, args) => rename(call, args, true) },
  { name: 'copy', kind: 'write', run: copy },
  { name: 'move', kind: 'write', run: move },
];

/** How many of the keys are found; a key named twice counts twice. */
function count(args: readonly string[], find: (key: string) => Item | undefined): Reply {
  let found = 0;
  for (let at = 1; at < args.length; at += 1) {
    if (find(args[at] ?? '') !== undefined) found += 1;
  }
  return integer(found);
}

function remove(call: Call, key: string): Item | undefined {
  const item = call.find(key);
  if (item !== undefined) call.keyspace.remove(item);
  return item;
}

function type(call: Call, args: readonly string[]): Reply {
  const item = call.look(args[1] ?? '');
  return `+${item?.kind ?? 'none'}\r\n`;
}

function rename(call: Call, args: readonly string[], onlyIfAbsent: boolean): Reply {
  const from = args[1] ?? '';
  const to = args[2] ?? '';
  const source = call.find(from);
  if (source === undefined) return noSuchKey;
  if (from === to) return onlyIfAbsent ? zero : ok;
  if (onlyIfAbsent && call.find(to) !== undefined) return zero;
  place(call, source, { keyspace: call.keyspace, key: to });
  call.keyspace.remove(source);
  return onlyIfAbsent ? one : ok;
}

/** Puts an item's value and deadline under another key or into another database, over what is there. */
function place(call: Call, source: Item, target: { keyspace: Keyspace; key: string }): Item {
  const { keyspace, key } = target;
  const item = call.find(key, keyspace) ?? keyspace.insertString(key, '');
  keyspace.replaceString(item, source.text, source.encoding);
  item.touchedS = source.touchedS;
  if (source.deadline === undefined) keyspace.clearDeadline(item);
  else keyspace.setDeadline(item, source.deadline.atMs);
  return item;
}

function copy(call: Call, args: readonly string[]): Reply {
  const from = args[1] ?? '';
  const to = args[2] ?? '';
  let keyspace = call.keyspace;
  let isReplace = false;
  for (let at = 3; at < args.length; at += 1) {
    const name = option(args[at] ?? '');
    const next = args[at + 1];
    if (name === 'replace') {
      isReplace = true;
    } else if (name === 'db' && next !== undefined) {
      const number = parseDatabase(next);
      if (typeof number === 'string') return number;
      if (number < 0 || number >= databaseCount) return noSuchDatabase;
      keyspace = call.database(number);
      at += 1;
    } else {
      return syntaxError;
    }
  }
  if (keyspace === call.keyspace && from === to) return sameObject;
  const source = call.use(from);
  if (source === undefined) return zero;
  if (!isReplace && call.find(to, keyspace) !== undefined) return zero;
  const made = place(call, source, { keyspace, key: to });
  if (made.encoding === 'natural') made.encoding = 'copied';
  return one;
}

function move(call: Call, args: readonly string[]): Reply {
  const key = args[1] ?? '';
  const number = parseDatabase(args[2] ?? '');
  if (typeof number === 'string') return number;
  if (number < 0 || number >= databaseCount) return noSuchDatabase;
  const keyspace = call.database(number);
  if (keyspace === call.keyspace) return sameObject;
  const source = call.find(key);
  if (source === undefined || call.find(key, keyspace) !== undefined) return zero;
  place(call, source, { keyspace, key });
  call.keyspace.remove(source);
  return one;
}
