/**
 * The one place where failures become reply text.
 *
 * Texts of Redis are Redis 7's, byte for byte, as clients match on them. Ours say what happened and what to do; their code
 * says whether the command may have run: `-INDOUBT` alone means that it may.
 */

import type { SubmitFailure } from '../cluster/cluster.ts';
import { errorReply } from '../resp/encoder.ts';

const textOf: Readonly<Record<SubmitFailure, string>> = {
  'cluster-down':
    'CLUSTERDOWN no leader answered for this shard in time; the command did not run, try again',
  'in-doubt':
    'INDOUBT the command may or may not have run; read what it changes before sending it again',
  busy: 'TRYAGAIN too many commands are pending on this node; the command did not run, try again',
  closing: 'CLUSTERDOWN this node is stopping; the command did not run, connect to another node',
};

const failureReplies: ReadonlyMap<SubmitFailure, string> = new Map(
  Object.entries(textOf).map(([failure, text]) => [failure as SubmitFailure, errorReply(text)]),
);

/** The reply to a command that its shard did not answer. */
export function failureReply(failure: SubmitFailure): string {
  return failureReplies.get(failure) ?? errorReply(textOf['in-doubt']);
}

export const notReadyReply: string = errorReply(
  'CLUSTERDOWN the cluster has not formed yet; the command did not run, try again',
);

export const maxClientsReply: string = errorReply('ERR max number of clients reached');

export const invalidCursorReply: string = errorReply('ERR invalid cursor');

export const syntaxErrorReply: string = errorReply('ERR syntax error');

export const notIntegerReply: string = errorReply('ERR value is not an integer or out of range');

export const stringTooLongReply: string = errorReply(
  'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
);

/** What one shard answers to the same; Redis has no such limit. */
export const replyTooLongReply: string = errorReply('ERR reply exceeds 512 MB');

export const protocolErrorReply = (text: string): string => errorReply(`ERR ${text}`);

/** @param name - as in the row: `client|setname` for a subcommand */
export const wrongArityReply = (name: string): string =>
  errorReply(`ERR wrong number of arguments for '${name}' command`);

/** Redis prints names and arguments as C strings: up to the first NUL. */
const asCString = (latin1: string): string => {
  const nul = latin1.indexOf('\0');
  return nul < 0 ? latin1 : latin1.slice(0, nul);
};

/** As much of a client's words as Redis repeats in an error. */
const repeatedBytesMax = 128;

/** @param args - the command as latin1, its name first */
export function unknownCommandReply(args: readonly string[]): string {
  const [name = '', ...rest] = args;
  let repeated = '';
  for (const argument of rest) {
    if (repeated.length >= repeatedBytesMax) break;
    repeated += `'${asCString(argument).slice(0, repeatedBytesMax - repeated.length)}' `;
  }
  const shortName = asCString(name).slice(0, repeatedBytesMax);
  return errorReply(`ERR unknown command '${shortName}', with args beginning with: ${repeated}`);
}

/** @param container - the container's row name */
export function unknownSubcommandReply(container: string, subcommand: string): string {
  const shortName = asCString(subcommand).slice(0, repeatedBytesMax);
  const help = `Try ${container.toUpperCase()} HELP.`;
  return errorReply(`ERR unknown subcommand '${shortName}'. ${help}`);
}
