/**
 * One client's connection: bytes in, commands taken one after the other, replies out in order.
 *
 * It owns the socket, the decoder, the order of replies and the reasons to wait. It decides nothing about commands: the
 * pipeline takes them. A command that cannot be taken yet stays current in the decoder, and nothing behind it is taken before it.
 *
 * Bounds: what is submitted and unanswered by a window, replies that nobody reads by `outputBytesMax`, requests by the
 * decoder's limits. A connection that waits for anything does not read: at most one more chunk is kept, TCP holds back the rest.
 *
 * The client may end its side early: what it sent is still taken, run and answered; a node that stops does the same with what it
 * has read. When the client is gone, submitted commands run on and their replies are dropped.
 */

import type { Socket } from 'node:net';
import type { Timers } from '../base/clock.ts';
import type { ShardId } from '../base/ids.ts';
import { RequestDecoder } from '../resp/decoder.ts';
import type { Client } from './client.ts';
import { protocolErrorReply } from './error-replies.ts';
import type { FrontState } from './front-state.ts';
import { formed, OrderQueue, type Slot } from './order-queue.ts';
import { ShardOrder, type Path } from './shard-order.ts';
import type { UpstreamLinks } from './upstream/pass.ts';

/**
 * Commands of one connection without a reply: as many as make `unansweredBytes` of replies if they are like those before, within
 * these bounds. The connection goes on at half of it. Thousands of commands fill any entry; large values fill memory, so one of
 * them at a time is enough.
 */
const unansweredMax = 4096;
const unansweredMin = 1;
const unansweredBytes = 4 * 1024 * 1024;

/**
 * What a reply is taken for before there were any (bytes), and how many replies change the estimate. A few round trips find out
 * that replies are small; that they are large should not take a window full of them.
 */
const replyBytesAtFirst = 256 * 1024;
const replyBytesMemory = 16;

/** How long a connection closed by us goes on discarding input, so that the client can read its last replies (ms). */
const lingerMs = 1000;

/**
 * Why the current command waits: the shards are not known, the cluster has too much pending, reads before it are unanswered,
 * too many replies are missing, an upstream does not take more, DEBUG SLEEP.
 */
export type Hold = 'not-ready' | 'full' | 'order' | 'unanswered' | 'upstream' | 'asleep';

/** Takes the connection's current command. False: it waits, and `hold` has been called. */
export type TakeCommand = (connection: Connection) => boolean;

export class Connection {
  readonly client: Client;
  readonly request: RequestDecoder;
  readonly shardOrder: ShardOrder = new ShardOrder();
  /** Where commands pass through to; undefined until one does. */
  upstreams: UpstreamLinks | undefined;
  /** Commands that have come in so far waited long enough for the cluster to form. */
  hasWaitedForShards = false;
  readonly #state: FrontState;
  readonly #socket: Socket;
  readonly #take: TakeCommand;
  readonly #order = new OrderQueue();
  /** A moving average; the bytes of a reply to come. */
  #replyBytes = replyBytesAtFirst;
  #output = '';
  #isFlushDue = false;
  /** The decoder's command has not been taken yet. */
  #hasCurrent = false;
  #hold: Hold | undefined;
  /** The socket has as much output as it takes, until it drains. */
  #isChoked = false;
  /** It had when the last turn of this connection ended, so the client had its chance to read since. */
  #wasChoked = false;
  #isPaused = false;
  #isRunning = false;
  #hasInputEnded = false;
  /** No further command is taken; the connection closes behind the replies that are due. */
  #isClosing = false;
  #isClosed = false;

  constructor(options: {
    readonly client: Client;
    readonly socket: Socket;
    readonly state: FrontState;
    readonly take: TakeCommand;
  }) {
    this.client = options.client;
    this.#socket = options.socket;
    this.#state = options.state;
    this.#take = options.take;
    this.request = new RequestDecoder(options.state.requestLimits);
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#socket.on('drain', () => this.#drained());
    this.#socket.on('end', () => this.#inputEnded());
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#broke(error));
    this.#socket.on('close', () => this.#closed());
  }

  get unanswered(): number {
    return this.#order.length;
  }

  get #window(): number {
    const wanted = unansweredBytes / this.#replyBytes;
    return Math.max(unansweredMin, Math.min(unansweredMax, wanted));
  }

  /** Bytes of replies that the client has not taken. */
  get outputBytes(): number {
    return this.#order.heldBytes + this.#output.length + this.#socket.writableLength;
  }

  /** Answers the current command at once; the reply leaves behind those before it. `name` is that of its row, if it has one. */
  reply(reply: string, name = ''): void {
    const { isSilent } = this.client;
    const resp3Shape = this.client.resp3ShapeOf(name, this.request);
    if (this.#order.length === 0) {
      this.#emit(formed({ isSilent, resp3Shape }, reply));
      return;
    }
    const slot: Slot = { reply: undefined, isSilent, resp3Shape, next: undefined };
    this.#order.add(slot);
    this.settled(slot, reply);
  }

  /** The current command has been submitted; its reply comes through `settled`. */
  expect(slot: Slot): void {
    this.#order.add(slot);
  }

  /** The reply of an expected command has come. */
  settled(slot: Slot, reply: string): void {
    if (this.#isClosed) return;
    if (this.#isTooMuch(reply)) {
      this.#overrun();
      return;
    }
    this.#replyBytes += (reply.length - this.#replyBytes) / replyBytesMemory;
    let output = this.#order.settle(slot, reply);
    while (output !== '') {
      this.#emit(output);
      output = this.#order.take();
    }
    this.#flushSoon();
    if (this.#hold === 'unanswered' && this.#order.length <= this.#window / 2) {
      this.resume('unanswered');
    }
  }

  /** A shard has answered one submission of this connection, from no later than the entry at `index`. */
  shardAnswered(shard: ShardId, path: Path, index: number): void {
    if (this.shardOrder.end(shard, path, index)) this.resume('order');
  }

  /** The current command, and all behind it, wait until `resume` is called with the same reason. */
  hold(reason: Hold): void {
    this.#hold = reason;
  }

  resume(reason: Hold): void {
    if (this.#hold !== reason || this.#isClosed) return;
    this.#hold = undefined;
    // Not at once: the cluster may be settling a whole batch, whose replies should leave together.
    this.#flushSoon();
  }

  /** Takes no further command and closes once all replies have left. */
  closeBehindReplies(): void {
    this.#isClosing = true;
  }

  /** Reads nothing more: takes and answers what has been read, then closes. */
  endInput(): void {
    if (this.#isClosed || this.#socket.destroyed) return;
    this.#inputEnded();
  }

  /** Closes now: replies that have not left are dropped, and nothing more is taken. */
  destroy(): void {
    this.#isClosing = true;
    this.#output = '';
    this.#socket.destroy();
  }

  /** Called once a turn for connections that asked for it: writes what came together, takes what waited. */
  turnEnded(): void {
    this.#isFlushDue = false;
    if (this.#isClosed) return;
    this.#run();
    this.#flush();
    this.#wasChoked = this.#isChoked;
  }

  #received(chunk: Buffer): void {
    this.#state.statistics.bytesIn += chunk.length;
    this.client.lastActiveMs = this.#state.clock.monotonicMs();
    if (this.#isClosing || this.#hasInputEnded) return;
    this.hasWaitedForShards = false;
    this.request.push(chunk);
    if (this.#isBlocked) {
      this.#isPaused = true;
      this.#socket.pause();
      return;
    }
    this.#run();
  }

  get #isBlocked(): boolean {
    return this.#hold !== undefined || this.#isChoked;
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#takeCommands();
    this.#isRunning = false;
    if (this.#order.length === 0) this.#flush();
    else if (this.#output !== '') this.#flushSoon();
    if (this.#isPaused && !this.#isBlocked) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    if (this.#hasInputEnded && !this.#isBlocked) this.#isClosing = true;
    if (this.#isClosing && this.#order.length === 0) this.#end();
  }

  #takeCommands(): void {
    while (!this.#isBlocked && !this.#isClosing) {
      if (!this.#hasCurrent && !this.request.next()) break;
      this.#hasCurrent = true;
      if (this.#order.length >= this.#window) {
        this.hold('unanswered');
        return;
      }
      if (!this.#take(this)) return;
      this.#hasCurrent = false;
      this.client.commandTaken();
    }
    if (this.request.error !== undefined && !this.#isClosing) {
      this.#state.statistics.protocolErrors += 1;
      this.reply(protocolErrorReply(this.request.error));
      this.closeBehindReplies();
    }
  }

  /** Output leaves at the end of the turn, or when much has come together: it must not pile up, and no string holds all of it. */
  #emit(output: string): void {
    const { writeBytesMax } = this.#state;
    if (this.#output.length + output.length > writeBytesMax) this.#flush();
    this.#output += output;
    if (this.#output.length > writeBytesMax) this.#flush();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#state.turn.add(this);
  }

  #flush(): void {
    if (this.#output === '' || this.#isClosed) return;
    const output = this.#output;
    this.#output = '';
    this.#state.statistics.bytesOut += output.length;
    if (!this.#socket.write(output, 'latin1')) this.#isChoked = true;
  }

  #drained(): void {
    this.#isChoked = false;
    this.#wasChoked = false;
    this.#run();
  }

  #inputEnded(): void {
    this.#hasInputEnded = true;
    this.#run();
  }

  /**
   * Whether replies take more memory than a client may have. What comes at once, more than the socket takes, is no fault of the client: it
   * counts from the next turn on. One reply of any size may pass where no other waits.
   */
  #isTooMuch(reply: string): boolean {
    const { outputBytesMax } = this.#state;
    const { heldBytes } = this.#order;
    if (heldBytes > 0 && heldBytes + reply.length > outputBytesMax) return true;
    const waitingBytes = this.outputBytes;
    return this.#wasChoked && waitingBytes > 0 && waitingBytes + reply.length > outputBytesMax;
  }

  #overrun(): void {
    this.#state.statistics.outputOverruns += 1;
    const { id, address } = this.client;
    const outputBytesMax = this.#state.outputBytesMax;
    this.#state.logger.warn(
      { id, address, outputBytesMax },
      'closed a client: too many bytes of replies wait for it',
    );
    this.destroy();
  }

  /** Sends what is left and closes; input is discarded meanwhile, as unread input would make TCP drop the last replies. */
  #end(): void {
    if (this.#socket.writableEnded) return;
    this.#flush();
    this.#socket.resume();
    this.#socket.end();
    const timers: Timers = this.#state.timers;
    timers.after(lingerMs, () => this.#socket.destroy());
  }

  #broke(error: NodeJS.ErrnoException): void {
    this.#state.logger.debug({ id: this.client.id, code: error.code }, 'a client connection broke');
  }

  #closed(): void {
    this.#isClosed = true;
    this.#output = '';
    this.upstreams?.close();
    this.#state.forget(this);
  }
}
