/**
 * CONFIG: the parameters of Redis that say something true of this node, and the few that may be changed while it runs.
 *
 * A parameter may always be set to the value it has, which is what many clients do at connect. What an operator
 * configures otherwise is not reached from here.
 */

import { arrayReply, bulkReply, errorReply, okReply, simpleReply } from '../../resp/encoder.ts';
import type { FrontState } from '../front-state.ts';
import { noStatistics } from '../statistics.ts';
import { syntaxErrorReply } from '../error-replies.ts';
import type { ServerCommand, ServerFacts } from './commands.ts';
import { databases } from './connection.ts';
import { matchesGlob } from './values.ts';

/** Connections that may be asked for by CONFIG SET; as many as a process may hold in the kernels we know. */
const maxClientsMax = 1_000_000;

interface Parameter {
  get(): string;
  /** Absent where it cannot be changed; else gives the reason where the value will not do. */
  readonly set?: (value: string) => string | undefined;
}

const constant = (value: string | number): Parameter => ({ get: () => String(value) });

export class ConfigTable {
  readonly #parameters: ReadonlyMap<string, Parameter>;

  constructor(state: FrontState, server: ServerFacts) {
    const limits = state.requestLimits;
    this.#parameters = new Map<string, Parameter>([
      // No file of Redis's is ever written: durability is the Raft log.
      ['appendonly', constant('no')],
      ['bind', constant(server.host)],
      ['client-query-buffer-limit', constant(limits.queryBytesMax)],
      ['cluster-enabled', constant('no')],
      ['databases', constant(databases)],
      ['maxclients', maxClients(state)],
      ['maxmemory', constant(0)],
      ['maxmemory-policy', constant('noeviction')],
      ['notify-keyspace-events', constant('')],
      ['port', { get: () => String(server.port) }],
      ['proto-max-bulk-len', constant(limits.bulkBytesMax)],
      ['requirepass', constant('')],
      ['save', constant('')],
      ['tcp-backlog', constant(511)],
      ['timeout', constant(0)],
    ]);
  }

  /** Names and values, in turn, of the parameters that match one of the patterns. */
  matching(patterns: readonly string[]): string[] {
    const found: string[] = [];
    for (const [name, parameter] of this.#parameters) {
      const pattern = patterns.find((each) => matchesGlob(each, name));
      if (pattern === undefined) continue;
      // Redis gives a name that was asked for in full as the client spelled it.
      found.push(pattern.length === name.length && !/[*?[\\]/u.test(pattern) ? pattern : name);
      found.push(parameter.get());
    }
    return found;
  }

  find(name: string): Parameter | undefined {
    return this.#parameters.get(name.toLowerCase());
  }
}

function maxClients(state: FrontState): Parameter {
  return {
    get: () => String(state.maxClients),
    set(value) {
      const wanted = /^\d{1,7}$/u.test(value) ? Number(value) : 0;
      if (wanted < 1 || wanted > maxClientsMax) {
        return `argument must be between 1 and ${maxClientsMax} inclusive`;
      }
      state.maxClients = wanted;
      return undefined;
    },
  };
}

const failed = (name: string, why: string): string =>
  errorReply(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`);

/** All or nothing: every pair is looked at before the first is set. */
const set: ServerCommand = ({ request, config }) => {
  if (request.argc % 2 === 1) return syntaxErrorReply;
  const changes: (() => string | undefined)[] = [];
  const seen = new Set<string>();
  for (let at = 2; at < request.argc; at += 2) {
    const name = request.argLatin1(at);
    const value = request.argLatin1(at + 1);
    const parameter = config.find(name);
    if (parameter === undefined) {
      return errorReply(`ERR Unknown option or number of arguments for CONFIG SET - '${name}'`);
    }
    const lower = name.toLowerCase();
    if (seen.has(lower)) return failed(name, 'duplicate parameter');
    seen.add(lower);
    if (parameter.get() === value) continue;
    const { set: change } = parameter;
    if (change === undefined) return failed(name, "can't set immutable config");
    changes.push(() => {
      const why = change(value);
      return why === undefined ? undefined : failed(name, why);
    });
  }
  for (const change of changes) {
    const error = change();
    if (error !== undefined) return error;
  }
  return okReply;
};

const helpLines: readonly string[] = [
  'CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'GET <pattern>',
  '    Return parameters matching the glob-like <pattern> and their values.',
  'SET <directive> <value>',
  '    Set the configuration <directive> to <value>.',
  'RESETSTAT',
  '    Reset statistics reported by the INFO command.',
  'HELP',
  '    Print this help.',
];

export const configCommands: Readonly<Record<string, ServerCommand>> = {
  'config|get': ({ request, config }) => {
    const patterns = request.args().slice(2);
    return arrayReply(
      config.matching(patterns.map((pattern) => pattern.toString('latin1'))).map(bulkReply),
    );
  },
  'config|set': set,
  'config|resetstat': ({ state }) => {
    const { connections } = state.statistics;
    Object.assign(state.statistics, noStatistics(), { connections });
    return okReply;
  },
  'config|help': () => arrayReply(helpLines.map(simpleReply)),
};
