/**
 * Commands on whole databases: DBSIZE, FLUSHALL, FLUSHDB, SWAPDB.
 */

import type { Reply } from '../engine.ts';
import { option } from '../option.ts';
import { databaseCount } from './call.ts';
import type { Call, CommandRow } from './call.ts';
import { parseDatabase } from '../database-number.ts';
import { Keyspace } from './keyspace.ts';
import { error, integer, noSuchDatabase, ok, syntaxError } from '../replies.ts';

export const databaseRows: readonly CommandRow[] = [
  { name: 'dbsize', kind: 'read', run: (call) => integer(call.countLive(call.keyspace)) },
  { name: 'flushall', kind: 'write', run: (call, args) => flush(call, args, call.databases) },
  { name: 'flushdb', kind: 'write', run: (call, args) => flush(call, args, [call.keyspace]) },
  { name: 'swapdb', kind: 'write', run: swapdb },
];

const invalidFirst = error('ERR invalid first DB index');
const invalidSecond = error('ERR invalid second DB index');

/** SYNC and ASYNC make no difference: dropping a keyspace takes no time, and the collector does the rest. */
function flush(call: Call, args: readonly string[], flushed: readonly Keyspace[]): Reply {
  const how = args[1] === undefined ? 'sync' : option(args[1]);
  if (args.length > 2 || (how !== 'sync' && how !== 'async')) return syntaxError;
  for (const keyspace of flushed) {
    if (keyspace.size > 0) call.databases[call.databases.indexOf(keyspace)] = new Keyspace();
  }
  return ok;
}

function swapdb(call: Call, args: readonly string[]): Reply {
  const first = parseDatabase(args[1] ?? '');
  if (typeof first === 'string') return invalidFirst;
  const second = parseDatabase(args[2] ?? '');
  if (typeof second === 'string') return invalidSecond;
  if (Math.min(first, second) < 0 || Math.max(first, second) >= databaseCount) {
    return noSuchDatabase;
  }
  const swapped = call.database(first);
  call.databases[first] = call.database(second);
  call.databases[second] = swapped;
  return ok;
}
