/**
 * Options that turn a command which is answered into one that is not: those that would block, and those that read keys
 * which nobody can name beforehand.
 */

import type { CommandArguments } from './arguments.ts';

/** The error, without its `-`, of a command whose options are refused; undefined for all others. */
export type OptionsRefusal = (command: CommandArguments, shards: number) => string | undefined;

const blocks = (name: string): string =>
  `ERR '${name}' with BLOCK is not supported yet by Outrigger; ask again without it`;

const needsOneShard =
  'ERR BY and GET patterns of SORT name keys of any shard, so they need a cluster with one (shards: 1)';

function refuseBlock(name: string): OptionsRefusal {
  return (command) => {
    let at = 1;
    while (at < command.argc) {
      switch (command.argLatin1(at).toLowerCase()) {
        case 'block':
          return blocks(name);
        case 'count':
          at += 2;
          break;
        case 'group':
          at += 3;
          break;
        case 'streams':
          return undefined;
        default:
          at += 1;
      }
    }
    return undefined;
  };
}

const unevenTies =
  'ERR SORT with BY, ALPHA and STORE is refused: equal weights are left in an order that differs from Redis to Redis';

/** Only patterns with a `*` name keys: BY without one turns sorting off, GET # is the element itself. */
function refusePatterns(command: CommandArguments, shards: number): string | undefined {
  const seen = new Set<string>();
  let at = 2;
  while (at < command.argc) {
    const option = command.argLatin1(at).toLowerCase();
    if ((option === 'by' || option === 'get') && at + 1 < command.argc) {
      if (command.argLatin1(at + 1).includes('*')) {
        if (shards > 1) return needsOneShard;
        seen.add(option);
      }
      at += 2;
    } else {
      seen.add(option);
      at += option === 'limit' ? 3 : option === 'store' ? 2 : 1;
    }
  }
  return seen.has('by') && seen.has('alpha') && seen.has('store') ? unevenTies : undefined;
}

/** By row name. */
export const optionRefusals: ReadonlyMap<string, OptionsRefusal> = new Map([
  ['sort', refusePatterns],
  ['sort_ro', refusePatterns],
  ['xread', refuseBlock('xread')],
  ['xreadgroup', refuseBlock('xreadgroup')],
]);
