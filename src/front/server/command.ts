/**
 * COMMAND: the commands this node answers, in the form of Redis 7 (https://redis.io/commands/command).
 *
 * Refused commands are not listed: to a client that asks, they do not exist.
 */

import { keyIndexes } from '../../command/keys.ts';
import { allCommands, fitsArity, lookupCommand, type CommandSpec } from '../../command/table.ts';
import {
  arrayReply,
  bulkReply,
  emptyArrayReply,
  errorReply,
  integerReply,
  nullReply,
  simpleReply,
} from '../../resp/encoder.ts';
import { syntaxErrorReply } from '../error-replies.ts';
import type { ServerCommand } from './commands.ts';
import { matchesGlob, optionAt } from './values.ts';

/** The rows that a node with this engine answers. */
function answeredBy(engineName: string): readonly CommandSpec[] {
  return allCommands().filter((spec) => isAnswered(spec, engineName));
}

function isAnswered(spec: CommandSpec, engineName: string): boolean {
  return spec.kind !== 'refused' && (spec.engines === 'all' || engineName === 'redis');
}

const helpLines: readonly string[] = [
  'COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  '(no subcommand)',
  '    Return details about all commands this node answers.',
  'COUNT',
  '    Return the number of commands this node answers.',
  'LIST [FILTERBY (ACLCAT <category>|PATTERN <pattern>)]',
  '    Return a list of these commands.',
  'INFO [<command-name> ...]',
  '    Return details about multiple commands.',
  '    If no command names are given, details for all commands are returned.',
  'DOCS [<command-name> ...]',
  '    Return documentation details about multiple commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'GETKEYS <full-command>',
  '    Return the keys from a full command.',
  'HELP',
  '    Print this help.',
];

/** The ACL categories that follow from a row's flags. */
function categories(spec: CommandSpec): string[] {
  const has = (flag: string): boolean => spec.flags.includes(flag);
  const found: string[] = [];
  if (has('write')) found.push('@write');
  if (has('readonly')) found.push('@read');
  if (has('admin')) found.push('@admin', '@dangerous');
  if (has('pubsub')) found.push('@pubsub');
  found.push(has('fast') ? '@fast' : '@slow');
  if (has('blocking')) found.push('@blocking');
  return found;
}

/** Where the keys are, as Redis 7 writes it; nothing is said of what happens to them but whether they are written. */
function keySpecifications(spec: CommandSpec): string {
  if (spec.firstKey === 0) return emptyArrayReply;
  const last = spec.lastKey < 0 ? spec.lastKey : spec.lastKey - spec.firstKey;
  const map = (...pairs: readonly (readonly [string, string])[]): string =>
    arrayReply(pairs.flatMap(([name, value]) => [bulkReply(name), value]));
  const keys = map(
    ['flags', arrayReply([simpleReply(spec.flags.includes('write') ? 'RW' : 'RO')])],
    [
      'begin_search',
      map(['type', bulkReply('index')], ['spec', map(['index', integerReply(spec.firstKey)])]),
    ],
    [
      'find_keys',
      map(
        ['type', bulkReply('range')],
        [
          'spec',
          map(
            ['lastkey', integerReply(last)],
            ['keystep', integerReply(spec.keyStep)],
            ['limit', integerReply(0)],
          ),
        ],
      ),
    ],
  );
  return arrayReply([keys]);
}

function describe(spec: CommandSpec): string {
  const subcommands = [...(spec.subcommands?.values() ?? [])].filter(
    (sub) => sub.kind !== 'refused',
  );
  return arrayReply([
    bulkReply(spec.name),
    integerReply(spec.arity),
    arrayReply(spec.flags.map(simpleReply)),
    integerReply(spec.firstKey),
    integerReply(spec.lastKey),
    integerReply(spec.keyStep),
    arrayReply(categories(spec).map(simpleReply)),
    emptyArrayReply,
    keySpecifications(spec),
    arrayReply(subcommands.map(describe)),
  ]);
}

const summaryOf: Readonly<Record<CommandSpec['kind'], string>> = {
  front: 'Answered by the node the client is connected to.',
  read: "Answered by the leader of the keys' shard.",
  write: "Goes through the Raft log of the keys' shard.",
  refused: 'Not answered.',
};

/** What Outrigger adds; how commands are used is told by Redis's own documentation. */
function document(spec: CommandSpec): string {
  const fields = ['summary', summaryOf[spec.kind], 'group', 'generic'];
  return arrayReply(fields.map(bulkReply));
}

/** The row of a name, `container|subcommand` included, if it is answered. */
function find(name: string, engineName: string): CommandSpec | undefined {
  const [container = '', subcommand] = name.toLowerCase().split('|');
  const spec = lookupCommand(container);
  const found = subcommand === undefined ? spec : spec?.subcommands?.get(subcommand);
  return found !== undefined && isAnswered(found, engineName) ? found : undefined;
}

const all: ServerCommand = ({ server }) => {
  return arrayReply(answeredBy(server.engineName()).map(describe));
};

const count: ServerCommand = ({ server }) => integerReply(answeredBy(server.engineName()).length);

const info: ServerCommand = (call) => {
  const { request, server } = call;
  if (request.argc === 2) return all(call);
  const names = request.args().slice(2).map(String);
  return arrayReply(
    names.map((name) => {
      const spec = find(name, server.engineName());
      return spec === undefined ? nullReply : describe(spec);
    }),
  );
};

const docs: ServerCommand = ({ request, server }) => {
  const engineName = server.engineName();
  const named = request
    .args()
    .slice(2)
    .map((name) => find(name.toString('latin1'), engineName));
  const specs =
    request.argc === 2 ? answeredBy(engineName) : named.filter((spec) => spec !== undefined);
  return arrayReply(specs.flatMap((spec) => [bulkReply(spec.name), document(spec)]));
};

const list: ServerCommand = ({ request, server }) => {
  let chosen = answeredBy(server.engineName());
  if (request.argc > 2) {
    if (request.argc !== 5 || optionAt(request, 2) !== 'FILTERBY') return syntaxErrorReply;
    const value = request.argLatin1(4);
    switch (optionAt(request, 3)) {
      case 'MODULE':
        chosen = [];
        break;
      case 'ACLCAT':
        chosen = chosen.filter((spec) => categories(spec).includes(`@${value.toLowerCase()}`));
        break;
      case 'PATTERN':
        chosen = chosen.filter((spec) => matchesGlob(value, spec.name));
        break;
      default:
        return syntaxErrorReply;
    }
  }
  return arrayReply(chosen.map((spec) => bulkReply(spec.name)));
};

const getKeys: ServerCommand = ({ request }) => {
  const container = lookupCommand(request.argLatin1(2));
  const argc = request.argc - 2;
  const subcommand = argc > 1 ? request.argLatin1(3).toLowerCase() : undefined;
  const spec =
    container?.subcommands === undefined || subcommand === undefined
      ? container
      : container.subcommands.get(subcommand);
  if (spec === undefined) return errorReply('ERR Invalid command specified');
  if (spec.firstKey === 0 && spec.movableKeys === undefined) {
    return errorReply('ERR The command has no key arguments');
  }
  if (!fitsArity(spec, argc)) {
    return errorReply('ERR Invalid number of arguments specified for command');
  }
  const argLatin1 = (position: number): string => request.argLatin1(position + 2);
  const keys = keyIndexes(spec, { argc, argLatin1 });
  if (keys.length === 0) return errorReply('ERR Invalid arguments specified for command');
  return arrayReply(keys.map((at) => bulkReply(argLatin1(at))));
};

export const commandCommands: Readonly<Record<string, ServerCommand>> = {
  command: all,
  'command|count': count,
  'command|docs': docs,
  'command|getkeys': getKeys,
  'command|help': () => arrayReply(helpLines.map(simpleReply)),
  'command|info': info,
  'command|list': list,
};
