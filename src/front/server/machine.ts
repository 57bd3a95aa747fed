/**
 * TIME ROLE WAIT DEBUG FUNCTION FLUSH: what a client may ask of a server that holds no data itself.
 */

import {
  arrayReply,
  bulkReply,
  emptyArrayReply,
  errorReply,
  integerReply,
  okReply,
} from '../../resp/encoder.ts';
import { notIntegerReply, syntaxErrorReply } from '../error-replies.ts';
import type { ServerCommand } from './commands.ts';
import { integerAt, optionAt } from './values.ts';

/** The longest that DEBUG SLEEP may take: what a timer can hold (ms). */
const sleepMaxMs = 2 ** 31 - 1;

const time: ServerCommand = ({ state }) => {
  const nowMs = state.clock.wallMs();
  const seconds = Math.floor(nowMs / 1000);
  const micros = Math.floor((nowMs - seconds * 1000) * 1000);
  return arrayReply([bulkReply(String(seconds)), bulkReply(String(micros))]);
};

/** Whoever the client is connected to takes its writes, so each node is a master, and has no replicas in Redis's sense. */
const role: ServerCommand = () =>
  arrayReply([bulkReply('master'), integerReply(0), emptyArrayReply]);

/**
 * https://redis.io/commands/wait. A write is acknowledged only once a majority of its shard's voters hold it, so there is nothing to wait for:
 * the reply says how many nodes besides the leader are sure to have it, in the shard with the fewest voters.
 */
const wait: ServerCommand = ({ request, state }) => {
  const replicas = integerAt(request, 1);
  if (replicas === undefined) return notIntegerReply;
  const timeout = integerAt(request, 2);
  if (timeout === undefined) return errorReply('ERR timeout is not an integer or out of range');
  if (timeout < 0) return errorReply('ERR timeout is negative');
  const voters = state.cluster.status().map((shard) => shard.voters.length);
  return integerReply(voters.length === 0 ? 0 : Math.floor(Math.min(...voters) / 2));
};

/** SLEEP delays this connection alone, and LOG writes a line to the log; what else there is belongs to Redis's inside. */
const debug: ServerCommand = ({ request, connection, state }) => {
  const subcommand = optionAt(request, 1);
  if (subcommand === 'SLEEP' && request.argc === 3) {
    const text = request.argLatin1(2);
    const delayMs = /^\d+(?:\.\d*)?$|^\.\d+$/u.test(text) ? Number(text) * 1000 : Number.NaN;
    if (!(delayMs <= sleepMaxMs)) return errorReply('ERR value is not a valid float');
    const slot = {
      reply: undefined,
      isSilent: connection.client.isSilent,
      resp3Shape: undefined,
      next: undefined,
    };
    connection.expect(slot);
    connection.hold('asleep');
    state.timers.after(delayMs, () => {
      connection.settled(slot, okReply);
      connection.resume('asleep');
    });
    return undefined;
  }
  if (subcommand === 'LOG' && request.argc === 3) {
    state.logger.info({ id: connection.client.id, text: request.argLatin1(2) }, 'DEBUG LOG');
    return okReply;
  }
  return errorReply(
    `ERR DEBUG ${request.argLatin1(1)} is not supported by Outrigger; DEBUG SLEEP <seconds> and DEBUG LOG <message> are`,
  );
};

/** There are no functions, so there is nothing to flush. */
const functionFlush: ServerCommand = ({ request }) => {
  if (request.argc === 2) return okReply;
  if (request.argc > 3) return syntaxErrorReply;
  const mode = optionAt(request, 2);
  return mode === 'SYNC' || mode === 'ASYNC'
    ? okReply
    : errorReply('ERR FUNCTION FLUSH only supports SYNC|ASYNC option');
};

export const machineCommands: Readonly<Record<string, ServerCommand>> = {
  time,
  role,
  wait,
  debug,
  'function|flush': functionFlush,
};
