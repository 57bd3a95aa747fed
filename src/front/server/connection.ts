/**
 * The commands with which a client sets up and ends its connection: PING ECHO QUIT RESET SELECT READONLY READWRITE AUTH HELLO.
 *
 * There are no users yet: the default user needs no password, as in a Redis without `requirepass`.
 */

import {
  arrayReply,
  bulkReply,
  errorReply,
  integerReply,
  okReply,
  pongReply,
} from '../../resp/encoder.ts';
import { emptyArrayReply, simpleReply } from '../../resp/encoder.ts';
import { notIntegerReply, syntaxErrorReply, wrongArityReply } from '../error-replies.ts';
import { invalidName, isValidName } from './client.ts';
import type { ServerCall, ServerCommand } from './commands.ts';
import { integerAt, optionAt } from './values.ts';

/** As in Redis by default; the database's number is part of every key. */
export const databases = 16;

/**
 * The Redis version we say we are: the one whose replies the tests compare with ours, byte for byte. Clients choose features
 * by it. What newer clients send whatever the version (CLIENT SETINFO) is answered as well.
 */
export const redisVersion = '7.0.15';

const wrongPassReply = errorReply('WRONGPASS invalid username-password pair or user is disabled.');

const noPasswordReply = errorReply(
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
);

const notThatRangeReply = errorReply(
  'ERR value is out of range, value must between -2147483648 and 2147483647',
);

const ping: ServerCommand = ({ request }) => {
  if (request.argc > 2) return wrongArityReply('ping');
  return request.argc === 1 ? pongReply : bulkReply(request.argLatin1(1));
};

const select: ServerCommand = ({ request, client }) => {
  const database = integerAt(request, 1);
  if (database === undefined) return notIntegerReply;
  if (database < -(2 ** 31) || database >= 2 ** 31) {
    return notThatRangeReply;
  }
  if (database < 0 || database >= databases) return errorReply('ERR DB index is out of range');
  client.database = database;
  return okReply;
};

const auth: ServerCommand = ({ request }) => {
  if (request.argc > 3) return syntaxErrorReply;
  if (request.argc === 2) return noPasswordReply;
  return isDefaultUser(request.argLatin1(1)) ? okReply : wrongPassReply;
};

/** https://redis.io/commands/hello */
const hello: ServerCommand = (call) => {
  const { request, client } = call;
  let chosen = client.protocol;
  if (request.argc > 1) {
    const protocol = integerAt(request, 1);
    if (protocol === undefined) {
      return errorReply('ERR Protocol version is not an integer or out of range');
    }
    if (protocol !== 2 && protocol !== 3) {
      return errorReply('NOPROTO unsupported protocol version');
    }
    chosen = protocol;
  }
  for (let at = 2; at < request.argc;) {
    const option = optionAt(request, at);
    const isLast = at === request.argc - 1;
    if (option === 'AUTH' && at + 2 < request.argc) {
      if (!isDefaultUser(request.argLatin1(at + 1))) return wrongPassReply;
      at += 3;
    } else if (option === 'SETNAME' && !isLast) {
      const name = request.argLatin1(at + 1);
      if (!isValidName(name)) return invalidName;
      client.name = name;
      at += 2;
    } else {
      return errorReply(`ERR Syntax error in HELLO option '${request.argLatin1(at)}'`);
    }
  }
  client.protocol = chosen;
  return greeting(call);
};

function greeting({ client }: ServerCall): string {
  return arrayReply([
    bulkReply('server'),
    bulkReply('redis'),
    bulkReply('version'),
    bulkReply(redisVersion),
    bulkReply('proto'),
    integerReply(client.protocol),
    bulkReply('id'),
    integerReply(client.id),
    bulkReply('mode'),
    bulkReply('standalone'),
    bulkReply('role'),
    bulkReply('master'),
    bulkReply('modules'),
    emptyArrayReply,
  ]);
}

/**
 * The lines with which a request of HTTP gives itself away. Its body may hold commands, which a page in somebody's browser chose; so nothing
 * behind the line is taken, and nothing is answered.
 */
const http: ServerCommand = ({ connection, client, state }) => {
  const { id, address } = client;
  state.logger.warn({ id, address }, 'closed a client: it speaks HTTP');
  connection.destroy();
  return undefined;
};

const isDefaultUser = (name: string): boolean => name === 'default';

export const connectionCommands: Readonly<Record<string, ServerCommand>> = {
  'host:': http,
  post: http,
  ping,
  echo: ({ request }) => bulkReply(request.argLatin1(1)),
  quit: ({ connection }) => {
    connection.closeBehindReplies();
    return okReply;
  },
  reset: ({ client }) => {
    client.reset();
    return simpleReply('RESET');
  },
  select,
  readonly: ({ client }) => {
    client.isReadOnly = true;
    return okReply;
  },
  readwrite: ({ client }) => {
    client.isReadOnly = false;
    return okReply;
  },
  auth,
  hello,
};
