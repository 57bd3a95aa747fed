/**
 * Commands that look at how a value is kept: OBJECT and MEMORY USAGE.
 *
 * OBJECT tells of Redis's encodings, which clients ask for, not of ours. IDLETIME counts from the last logged command that used the
 * key: a read at the leader leaves no trace in the replicas. MEMORY USAGE is this engine's own estimate.
 */

import type { Reply } from '../engine.ts';
import { option } from '../option.ts';
import type { Call, CommandRow } from './call.ts';
import { parseInt64 } from '../int64.ts';
import type { Int64 } from '../int64.ts';
import { deadlineOverheadBytes, itemOverheadBytes } from './keyspace.ts';
import type { Item } from './keyspace.ts';
import { array, bulk, error, integer, notAnInteger, nullBulk, syntaxError } from '../replies.ts';

export const objectRows: readonly CommandRow[] = [
  { name: 'object', kind: 'read', run: object },
  { name: 'memory', kind: 'read', run: memory },
];

/** Redis keeps strings up to this length in one piece with their header (`embstr`). */
const embeddedBytesMax = 44;
/** Redis shares the integers below this, and shows their reference count as the largest int. */
const sharedIntegers = 10_000;
const sharedReferences = 2 ** 31 - 1;

const noFrequencies = error(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. ' +
    'Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

const helpReply = array(
  [
    'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
    'ENCODING <key>',
    '    Return the kind of internal representation used in order to store the value',
    '    associated with a <key>.',
    'FREQ <key>',
    '    Return the access frequency index of the <key>. The returned integer is',
    '    proportional to the logarithm of the recent access frequency of the key.',
    'IDLETIME <key>',
    '    Return the idle time of the <key>, that is the approximated number of',
    '    seconds elapsed since the last access to the key.',
    'REFCOUNT <key>',
    '    Return the number of references of the value associated with the specified',
    '    <key>.',
    'HELP',
    '    Prints this help.',
  ].map((line) => `+${line}\r\n`),
);

function object(call: Call, args: readonly string[]): Reply {
  const what = option(args[1] ?? '');
  if (what === 'help') return helpReply;
  const item = call.find(args[2] ?? '');
  if (item === undefined) return nullBulk;
  switch (what) {
    case 'encoding':
      return bulk(encodingOf(item));
    case 'refcount':
      return integer(isShared(item) ? sharedReferences : 1);
    case 'idletime':
      return integer(Math.max(Math.floor(call.timeMs / 1000) - item.touchedS, 0));
    case 'freq':
      return noFrequencies;
    default:
      return syntaxError;
  }
}

function integerOf(item: Item): Int64 | undefined {
  return item.encoding === 'natural' || item.encoding === 'copied'
    ? parseInt64(item.text)
    : undefined;
}

function encodingOf(item: Item): string {
  if (item.encoding === 'raw') return 'raw';
  if (integerOf(item) !== undefined) return 'int';
  return item.text.length <= embeddedBytesMax ? 'embstr' : 'raw';
}

function isShared(item: Item): boolean {
  const value = integerOf(item);
  return item.encoding === 'natural' && value !== undefined && value >= 0 && value < sharedIntegers;
}

/** The one subcommand that comes here is USAGE; the command table refuses the others. */
function memory(call: Call, args: readonly string[]): Reply {
  for (let at = 3; at < args.length; at += 2) {
    const samples = args[at + 1];
    if (option(args[at] ?? '') !== 'samples' || samples === undefined) return syntaxError;
    const given = parseInt64(samples);
    if (given === undefined) return notAnInteger;
    if (given < 0) return syntaxError;
  }
  const item = call.find(args[2] ?? '');
  if (item === undefined) return nullBulk;
  const deadlineBytes = item.deadline === undefined ? 0 : deadlineOverheadBytes;
  return integer(item.key.length + item.text.length + itemOverheadBytes + deadlineBytes);
}
