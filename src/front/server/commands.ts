/**
 * The commands that a node answers itself: which function serves which row of the command table.
 *
 * Each family has a file. A function gets the call and returns the reply, or undefined where it sees to it itself.
 * Checklist: a new `front` row in `command/supported` needs its function here; a test compares the two.
 */

import { assert } from '../../base/assert.ts';
import type { CommandSpec } from '../../command/table.ts';
import type { RequestDecoder } from '../../resp/decoder.ts';
import type { Client } from '../client.ts';
import type { Connection } from '../connection.ts';
import type { FrontState } from '../front-state.ts';
import { clientCommands } from './client.ts';
import { commandCommands } from './command.ts';
import { ConfigTable, configCommands } from './config.ts';
import { connectionCommands } from './connection.ts';
import { infoCommands } from './info.ts';
import { machineCommands } from './machine.ts';

/** What the process is. */
export interface ServerFacts {
  readonly host: string;
  /** The bound client port. */
  port: number;
  /** 40 hex digits, drawn anew at each start. */
  readonly runId: string;
  readonly role: 'member' | 'proxy';
  readonly engineName: () => string;
  readonly version: string;
  readonly processId: number;
  /** Monotonic. */
  readonly startedMs: number;
}

/** One command for this node: its row fits its arity, and its subcommand exists. */
export interface ServerCall {
  readonly request: RequestDecoder;
  readonly connection: Connection;
  readonly client: Client;
  readonly state: FrontState;
  readonly server: ServerFacts;
  readonly config: ConfigTable;
}

/** Answers a call; undefined where the reply comes later or never. */
export type ServerCommand = (call: ServerCall) => string | undefined;

/** By row name: `ping`, `client|setname`. */
const functions: ReadonlyMap<string, ServerCommand> = new Map([
  ...Object.entries(connectionCommands),
  ...Object.entries(clientCommands),
  ...Object.entries(commandCommands),
  ...Object.entries(configCommands),
  ...Object.entries(infoCommands),
  ...Object.entries(machineCommands),
]);

export const servedNames: readonly string[] = [...functions.keys()];

export class ServerCommands {
  readonly #state: FrontState;
  readonly #server: ServerFacts;
  readonly #config: ConfigTable;

  constructor(options: { readonly state: FrontState; readonly server: ServerFacts }) {
    this.#state = options.state;
    this.#server = options.server;
    this.#config = new ConfigTable(options.state, options.server);
  }

  /** The port is known only once it is bound. */
  listensOn(port: number): void {
    this.#server.port = port;
  }

  /** Answers the connection's current command. */
  serve(spec: CommandSpec, connection: Connection): void {
    const answer = functions.get(spec.name);
    assert(answer !== undefined, 'every front row of the command table has its function');
    const reply = answer({
      request: connection.request,
      connection,
      client: connection.client,
      state: this.#state,
      server: this.#server,
      config: this.#config,
    });
    if (reply !== undefined) connection.reply(reply, spec.name);
  }
}
