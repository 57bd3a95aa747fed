/**
 * Keys that stand where other arguments say: behind a count, behind a word, or as the target of an option.
 *
 * The rules are those by which Redis runs the command, not those by which its COMMAND GETKEYS guesses (`sortCommandGeneric`,
 * `georadiusGeneric`, `xreadCommand`, `genericGetKeys`); where the arguments are well-formed both agree, which `test/command/keys.test.ts`
 * asks a real Redis. Arguments that Redis would refuse may have no keys: their command goes to the first shard, for the error.
 */

import type { CommandArguments } from './arguments.ts';

/** Positions of a command's keys, ascending but for a target, which may stand behind. */
export type KeysFinder = (command: CommandArguments) => readonly number[];

const none: readonly number[] = [];
const source = 1;

/** A count at `at` and as many keys behind it; with `target`, position 1 is a key too. */
function counted(at: number, target?: 'target'): KeysFinder {
  return (command) => {
    const word = command.argLatin1(at);
    const count = /^[1-9]\d{0,8}$/u.test(word) ? Number(word) : 0;
    if (count === 0 || count > command.argc - at - 1) return none;
    const keys = target === undefined ? [] : [source];
    for (let key = 1; key <= count; key += 1) keys.push(at + key);
    return keys;
  };
}

/** XREAD and XREADGROUP: the first half of what follows STREAMS. */
function streams(command: CommandArguments): readonly number[] {
  const first = streamsAt(command);
  const count = (command.argc - first) / 2;
  if (first === 0 || !Number.isInteger(count)) return none;
  return Array.from({ length: count }, (_, key) => first + key);
}

/** The position behind STREAMS; 0 where it is missing. Options of newer servers are stepped over word by word. */
function streamsAt(command: CommandArguments): number {
  let at = source;
  while (at < command.argc - 1) {
    switch (command.argLatin1(at).toLowerCase()) {
      case 'streams':
        return at + 1;
      case 'block':
      case 'count':
        at += 2;
        break;
      case 'group':
        at += 3;
        break;
      default:
        at += 1;
    }
  }
  return 0;
}

/** SORT: its key, and the last target of STORE. */
function sorted(command: CommandArguments): readonly number[] {
  let target = 0;
  let at = source + 1;
  while (at < command.argc) {
    switch (command.argLatin1(at).toLowerCase()) {
      case 'store':
        if (at + 1 < command.argc) target = at + 1;
        at += 2;
        break;
      case 'by':
      case 'get':
        at += 2;
        break;
      case 'limit':
        at += 3;
        break;
      default:
        at += 1;
    }
  }
  return target === 0 ? [source] : [source, target];
}

/** GEORADIUS and GEORADIUSBYMEMBER: their key, and the last target of STORE or STOREDIST. */
function within(command: CommandArguments): readonly number[] {
  let target = 0;
  // Options stand behind at least three arguments; a unit or a radius is no such word.
  for (let at = 5; at + 1 < command.argc; at += 1) {
    const word = command.argLatin1(at).toLowerCase();
    if (word !== 'store' && word !== 'storedist') continue;
    at += 1;
    target = at;
  }
  return target === 0 ? [source] : [source, target];
}

/** By row name; commands that are refused have none. */
export const movableKeys: ReadonlyMap<string, KeysFinder> = new Map([
  ['georadius', within],
  ['georadiusbymember', within],
  ['lmpop', counted(1)],
  ['sintercard', counted(1)],
  ['sort', sorted],
  ['xread', streams],
  ['xreadgroup', streams],
  ['zdiff', counted(1)],
  ['zdiffstore', counted(2, 'target')],
  ['zinter', counted(1)],
  ['zintercard', counted(1)],
  ['zinterstore', counted(2, 'target')],
  ['zmpop', counted(1)],
  ['zunion', counted(1)],
  ['zunionstore', counted(2, 'target')],
]);
