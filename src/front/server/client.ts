/**
 * CLIENT: what connections are called, who is connected, and what they want to be told (https://redis.io/commands/client-list).
 */

import {
  arrayReply,
  bulkReply,
  errorReply,
  integerReply,
  nullReply,
  okReply,
  simpleReply,
} from '../../resp/encoder.ts';
import type { Connection } from '../connection.ts';
import { syntaxErrorReply } from '../error-replies.ts';
import type { ServerCall, ServerCommand } from './commands.ts';
import { integerAt, optionAt } from './values.ts';

export const invalidName: string = errorReply(
  'ERR Client names cannot contain spaces, newlines or special characters.',
);

/** Redis allows printable ASCII without blanks, or nothing. */
export const isValidName = (name: string): boolean => /^[!-~]*$/u.test(name);

const noSuchClient = errorReply('ERR No such client');
const badClientId = errorReply('ERR Invalid client ID');

const helpLines: readonly string[] = [
  'CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'GETNAME',
  '    Return the name of the current connection.',
  'ID',
  '    Return the ID of the current connection.',
  'INFO',
  '    Return information about the current client connection.',
  'KILL <ip:port>',
  '    Kill connection made from <ip:port>.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Kill connections. Options are:',
  '    * ADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made from the specified address',
  '    * LADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made to specified local address',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Kill connections by type.',
  '    * USER <username>',
  '      Kill connections authenticated by <username>.',
  '    * SKIPME (YES|NO)',
  '      Skip killing current connection (default: yes).',
  '    * ID <client-id>',
  '      Kill connection by client id.',
  'LIST [options ...]',
  '    Return information about client connections. Options:',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Return clients of specified type.',
  '    * ID <client-id> [<client-id>...]',
  '      Return clients of specified IDs only.',
  'REPLY (ON|OFF|SKIP)',
  '    Control the replies sent to the current connection.',
  'SETNAME <name>',
  '    Assign the name <name> to the current connection.',
  'SETINFO <option> <value>',
  '    Tell the name (LIB-NAME) or version (LIB-VER) of the client library.',
  'NO-EVICT (ON|OFF)',
  '    Accepted; connections are not evicted.',
  'NO-TOUCH (ON|OFF)',
  '    Accepted; access times are not kept.',
  'HELP',
  '    Print this help.',
];

/** Every connection is a normal one. */
const types: ReadonlySet<string> = new Set(['NORMAL', 'MASTER', 'SLAVE', 'REPLICA', 'PUBSUB']);

/** One line of CLIENT LIST, with the fields of Redis 7; those of what we do not keep are 0. */
function describe(connection: Connection, nowMs: number): string {
  const { client, request } = connection;
  const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
  const fields: readonly (readonly [string, string | number])[] = [
    ['id', client.id],
    ['addr', client.address],
    ['laddr', client.localAddress],
    ['fd', -1],
    ['name', client.name],
    ['age', seconds(client.createdMs)],
    ['idle', seconds(client.lastActiveMs)],
    ['flags', 'N'],
    ['db', client.database],
    ['sub', 0],
    ['psub', 0],
    ['ssub', 0],
    ['multi', -1],
    ['qbuf', request.bufferedBytes],
    ['qbuf-free', 0],
    ['argv-mem', 0],
    ['multi-mem', 0],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', connection.unanswered],
    ['omem', connection.outputBytes],
    ['tot-mem', request.bufferedBytes + connection.outputBytes],
    ['events', 'r'],
    ['cmd', client.lastCommand],
    ['user', 'default'],
    ['redir', -1],
    ['resp', client.protocol],
    ['lib-name', client.libraryName],
    ['lib-ver', client.libraryVersion],
  ];
  return `${fields.map(([name, value]) => `${name}=${value}`).join(' ')}\n`;
}

const list: ServerCommand = ({ request, state }) => {
  let chosen = [...state.connections.values()];
  if (request.argc === 4 && optionAt(request, 2) === 'TYPE') {
    const type = optionAt(request, 3);
    if (!types.has(type)) {
      return errorReply(`ERR Unknown client type '${request.argLatin1(3)}'`);
    }
    if (type !== 'NORMAL') chosen = [];
  } else if (request.argc > 3 && optionAt(request, 2) === 'ID') {
    chosen = [];
    for (let at = 3; at < request.argc; at += 1) {
      const id = integerAt(request, at);
      if (id === undefined) return badClientId;
      const found = state.connections.get(id);
      if (found !== undefined) chosen.push(found);
    }
  } else if (request.argc !== 2) {
    return syntaxErrorReply;
  }
  const nowMs = state.clock.monotonicMs();
  return bulkReply(chosen.map((connection) => describe(connection, nowMs)).join(''));
};

type Condition = (connection: Connection) => boolean;

/** The conditions of a KILL with options, or the error reply. */
function killConditions({ request, client }: ServerCall): Condition[] | string {
  const conditions: Condition[] = [];
  let skipsMe = true;
  for (let at = 2; at < request.argc; at += 2) {
    if (at + 1 >= request.argc) return syntaxErrorReply;
    const value = request.argLatin1(at + 1);
    switch (optionAt(request, at)) {
      case 'ID': {
        const id = integerAt(request, at + 1);
        if (id === undefined || id < 1) {
          return errorReply('ERR client-id should be greater than 0');
        }
        conditions.push((each) => each.client.id === id);
        break;
      }
      case 'TYPE': {
        const type = value.toUpperCase();
        if (!types.has(type)) return errorReply(`ERR Unknown client type '${value}'`);
        conditions.push(() => type === 'NORMAL');
        break;
      }
      case 'ADDR':
        conditions.push((each) => each.client.address === value);
        break;
      case 'LADDR':
        conditions.push((each) => each.client.localAddress === value);
        break;
      case 'USER':
        if (value !== 'default') return errorReply(`ERR No such user '${value}'`);
        break;
      case 'SKIPME': {
        const answer = value.toUpperCase();
        if (answer !== 'YES' && answer !== 'NO') return syntaxErrorReply;
        skipsMe = answer === 'YES';
        break;
      }
      default:
        return syntaxErrorReply;
    }
  }
  if (skipsMe) conditions.push((each) => each.client !== client);
  return conditions;
}

const kill: ServerCommand = (call) => {
  const { request, state } = call;
  if (request.argc === 3) {
    const address = request.argLatin1(2);
    const killed = killThose(call, [(each) => each.client.address === address]);
    return killed === 0 ? noSuchClient : okReply;
  }
  const conditions = killConditions(call);
  if (typeof conditions === 'string') return conditions;
  const killed = killThose(call, conditions);
  state.logger.info({ killed }, 'a client closed connections by CLIENT KILL');
  return integerReply(killed);
};

/** Closes the connections that meet all conditions; the caller's own only behind its reply. */
function killThose(call: ServerCall, conditions: readonly Condition[]): number {
  let killed = 0;
  for (const each of call.state.connections.values()) {
    if (!conditions.every((isMet) => isMet(each))) continue;
    killed += 1;
    if (each === call.connection) each.closeBehindReplies();
    else each.destroy();
  }
  return killed;
}

const reply: ServerCommand = ({ request, client }) => {
  switch (optionAt(request, 2)) {
    case 'ON':
      client.replyMode = 'on';
      return okReply;
    case 'OFF':
      client.replyMode = 'off';
      return undefined;
    case 'SKIP':
      if (client.replyMode !== 'off') client.replyMode = 'skip-next';
      return undefined;
    default:
      return syntaxErrorReply;
  }
};

const setInfo: ServerCommand = ({ request, client }) => {
  const option = request.argLatin1(2);
  const value = request.argLatin1(3);
  const lower = option.toLowerCase();
  if (lower !== 'lib-name' && lower !== 'lib-ver') {
    return errorReply(`ERR Unrecognized option '${option}'`);
  }
  if (!isValidName(value)) {
    return errorReply(`ERR ${lower} cannot contain spaces, newlines or special characters.`);
  }
  if (lower === 'lib-name') client.libraryName = value;
  else client.libraryVersion = value;
  return okReply;
};

const setName: ServerCommand = ({ request, client }) => {
  const name = request.argLatin1(2);
  if (!isValidName(name)) return invalidName;
  client.name = name;
  return okReply;
};

/** For switches without effect here: nothing is evicted, and no access times are kept. */
const onOrOff: ServerCommand = ({ request }) => {
  const answer = optionAt(request, 2);
  return answer === 'ON' || answer === 'OFF' ? okReply : syntaxErrorReply;
};

export const clientCommands: Readonly<Record<string, ServerCommand>> = {
  'client|getname': ({ client }) => (client.name === '' ? nullReply : bulkReply(client.name)),
  'client|help': () => arrayReply(helpLines.map(simpleReply)),
  'client|id': ({ client }) => integerReply(client.id),
  'client|info': ({ connection, state }) =>
    bulkReply(describe(connection, state.clock.monotonicMs())),
  'client|kill': kill,
  'client|list': list,
  'client|no-evict': onOrOff,
  'client|no-touch': onOrOff,
  'client|reply': reply,
  'client|setinfo': setInfo,
  'client|setname': setName,
};
