/**
 * What one client has said of itself and chosen, as the commands of the connection family see and change it.
 */

import type { CommandArguments } from '../command/arguments.ts';
import { shapeOf } from './resp3-shapes.ts';
import type { Shape } from './resp3.ts';

/** `skip` counts for the command behind `CLIENT REPLY SKIP` only. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip';

export class Client {
  /** Never reused while the process lives. */
  readonly id: number;
  /** `host:port` of both ends. */
  readonly address: string;
  readonly localAddress: string;
  readonly createdMs: number;
  /** Monotonic; of the last chunk that came in. */
  lastActiveMs: number;
  /** 0…15. */
  database = 0;
  name = '';
  libraryName = '';
  libraryVersion = '';
  replyMode: ReplyMode = 'on';
  /** The version of RESP in which it reads replies; 2 until HELLO says otherwise. */
  protocol: 2 | 3 = 2;
  /** Reads of strong keys may be answered as in level session (READONLY). */
  isReadOnly = false;
  /** The row name of the last command. */
  lastCommand = 'NULL';

  constructor(options: {
    readonly id: number;
    readonly address: string;
    readonly localAddress: string;
    readonly nowMs: number;
  }) {
    this.id = options.id;
    this.address = options.address;
    this.localAddress = options.localAddress;
    this.createdMs = options.nowMs;
    this.lastActiveMs = options.nowMs;
  }

  /** Whether the reply of the command being taken is unwanted. */
  get isSilent(): boolean {
    return this.replyMode === 'off' || this.replyMode === 'skip';
  }

  /** For a slot: the types of a command's reply where the client reads RESP3. `name` is its row's. */
  resp3ShapeOf(name: string, command: CommandArguments): Shape | undefined {
    return this.protocol === 3 ? shapeOf(name, command) : undefined;
  }

  /** A command has been taken: `SKIP` moves on from the command that said it to the next, and ends behind that. */
  commandTaken(): void {
    if (this.replyMode === 'skip') this.replyMode = 'on';
    else if (this.replyMode === 'skip-next') this.replyMode = 'skip';
  }

  /** Back to what a fresh connection has; identity and library stay. */
  reset(): void {
    this.database = 0;
    this.name = '';
    this.replyMode = 'on';
    this.protocol = 2;
    this.isReadOnly = false;
  }
}
