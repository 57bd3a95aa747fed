/**
 * Commands that concern several shards: split or sent to each, and their replies merged into one.
 *
 * Each part keeps the order of its shard like a command of its own; a fan-out goes out on all its shards or waits for
 * all of them. It is linearizable a shard at a time and not atomic: where one part of a write may have run and another failed,
 * the client is told INDOUBT.
 */

import { assert, AssertionError } from '../base/assert.ts';
import { shardId, type ShardId } from '../base/ids.ts';
import { randomInteger } from '../base/random.ts';
import type { SubmitFailure } from '../cluster/cluster.ts';
import { keyIndexes } from '../command/keys.ts';
import type { CommandSpec } from '../command/table.ts';
import {
  arrayReply,
  encodeCommand,
  integerReply,
  nullReply,
  okReply,
  stringBytesMax,
} from '../resp/encoder.ts';
import { elementsOf, integerOf, isErrorReply } from '../resp/reply-framer.ts';
import type { Route } from '../shard/route.ts';
import { accessOf, byLeader, byLog, weakeningOf, type Access } from './access.ts';
import type { Connection } from './connection.ts';
import { submitDefaultTtls } from './default-ttl.ts';
import { failureReply, replyTooLongReply } from './error-replies.ts';
import type { FrontState } from './front-state.ts';
import type { Slot } from './order-queue.ts';
import type { Shape } from './resp3.ts';
import { submitPart, type PartOwner } from './part.ts';
import { submitScan } from './scan.ts';
import { countFailure } from './submissions.ts';
import { upstreamsIn, walkUpstream } from './upstream/walk.ts';

export interface FanOut {
  readonly spec: CommandSpec;
  /** Not `one` and not `error`. */
  readonly route: Route;
  readonly connection: Connection;
  readonly state: FrontState;
}

interface Part {
  /** Undefined where an upstream answers. */
  readonly shard: ShardId | undefined;
  readonly upstream?: string;
  readonly bytes: Uint8Array;
  /** Which of the command's keys its own are, in order. */
  readonly ordinals: readonly number[];
}

/** Submits the connection's current command to its shards. False: it waits, and the connection holds. */
export function fanOut(command: FanOut): boolean {
  const { route } = command;
  switch (route.kind) {
    case 'split':
      return submitParts(
        command,
        route.parts.map(({ shard, args, ordinals }) => {
          return { shard, bytes: encodeCommand(args), ordinals };
        }),
      );
    case 'all':
    case 'random':
      return submitParts(command, partsForAll(command));
    case 'scan':
      return submitScan(command);
    case 'one':
    case 'error':
      throw new AssertionError('a fan-out concerns several shards');
  }
}

function partsForAll(command: FanOut): Part[] {
  const bytes = command.connection.request.commandBytes();
  const { shards, namespaces } = command.state.cluster;
  const ofShards = Array.from({ length: shards }, (_, shard) => ({
    shard: shardId(shard),
    bytes,
    ordinals: [],
  }));
  const upstreams = upstreamsIn(namespaces, command.connection.client.database);
  const ofUpstreams = upstreams.map((upstream) => {
    return { shard: undefined, upstream, bytes, ordinals: [] };
  });
  return [...ofShards, ...ofUpstreams];
}

function submitParts(command: FanOut, parts: readonly Part[]): boolean {
  const { connection, state, spec } = command;
  const isWrite = spec.kind === 'write';
  const { shardOrder } = connection;
  const mayBegin = ({ shard }: Part): boolean =>
    shard === undefined || shardOrder.mayBegin(shard, isWrite);
  if (!parts.every(mayBegin)) {
    connection.hold('order');
    return false;
  }
  const accessOfPart = accessOfParts(command);
  if (isWrite) state.statistics.commandsWrite += 1;
  else state.statistics.commandsRead += 1;
  connection.client.lastCommand = spec.name;
  const merge = new Merge(command, parts);
  connection.expect(merge);
  const hasTtl = isWrite && state.cluster.namespaces.hasDefaultTtl;
  const keys = hasTtl ? keyIndexes(spec, connection.request) : [];
  for (const [position, { shard, upstream = '', bytes, ordinals }] of parts.entries()) {
    if (shard === undefined) {
      walkUpstream({ spec, upstream, owner: merge, position, connection, state });
      continue;
    }
    submitPart({
      owner: merge,
      position,
      shard,
      bytes,
      access: accessOfPart(shard),
      connection,
      state,
    });
    if (hasTtl) {
      const own = keys.filter((_, ordinal) => ordinals.includes(ordinal));
      submitDefaultTtls(spec, own, { shard, connection, state });
    }
  }
  return true;
}

function accessOfParts({ spec, connection, state }: FanOut): (shard: ShardId) => Access {
  const { cluster } = state;
  const { shardOrder, request, client } = connection;
  if (spec.kind === 'write') return () => byLog;
  const table = cluster.namespaces;
  if (table.isEmpty && !client.isReadOnly) {
    return (shard) => (shardOrder.followsLog(shard) ? byLog : byLeader);
  }
  const weakening = weakeningOf(table, connection, keyIndexes(spec, request), request);
  return (shard) =>
    shardOrder.followsLog(shard) ? byLog : accessOf(weakening, { cluster, connection, shard });
}

/** Collects the parts' replies, and is the whole command's place in the order of replies. */
class Merge implements Slot, PartOwner {
  reply: string | undefined = undefined;
  next: Slot | undefined = undefined;
  readonly isSilent: boolean;
  readonly resp3Shape: Shape | undefined;
  readonly #command: FanOut;
  readonly #parts: readonly Part[];
  readonly #replies: string[];
  #missing: number;
  #failure: SubmitFailure | undefined;
  #mayHaveRun = false;

  constructor(command: FanOut, parts: readonly Part[]) {
    this.#command = command;
    this.#parts = parts;
    this.#missing = parts.length;
    this.#replies = parts.map(() => '');
    const { client } = command.connection;
    this.isSilent = client.isSilent;
    this.resp3Shape = client.resp3ShapeOf(command.spec.name, command.connection.request);
  }

  partSettled(position: number, reply: string): void {
    this.#replies[position] = reply;
    if (!isErrorReply(reply)) this.#mayHaveRun = true;
    this.#oneLess();
  }

  partFailed(failure: SubmitFailure): void {
    this.#failure ??= failure;
    if (failure === 'in-doubt') this.#mayHaveRun = true;
    this.#oneLess();
  }

  #oneLess(): void {
    this.#missing -= 1;
    if (this.#missing > 0) return;
    this.#command.connection.settled(this, this.#whole());
  }

  #whole(): string {
    const { spec, state } = this.#command;
    const error = this.#replies.find(isErrorReply);
    const isPartial = spec.kind === 'write' && this.#mayHaveRun;
    if (isPartial && (this.#failure !== undefined || error !== undefined)) {
      countFailure(state.statistics, 'in-doubt');
      return failureReply('in-doubt');
    }
    if (this.#failure !== undefined) {
      countFailure(state.statistics, this.#failure);
      return failureReply(this.#failure);
    }
    return error ?? merged(this.#command, this.#replies, this.#parts);
  }
}

/** The whole command's reply from its parts' replies, none of which is an error. */
function merged(command: FanOut, replies: readonly string[], parts: readonly Part[]): string {
  switch (command.spec.spread) {
    case 'sum':
    case 'all-sum':
      return integerReply(replies.reduce((sum, reply) => sum + (integerOf(reply) ?? 0), 0));
    case 'ok':
    case 'all-ok':
      return okReply;
    case 'all-concat':
      return concatenated(replies);
    case 'gather':
      return gathered(replies, parts);
    case 'random':
      return anyKey(replies, randomInteger(command.state.random, 0, replies.length - 1));
    case 'single':
    case 'scan':
    case 'lone':
      throw new AssertionError('only spread commands are merged');
  }
}

/** The first key found, going round from a shard chosen at random; null where all are empty. */
function anyKey(replies: readonly string[], first: number): string {
  const inTurn = [...replies.slice(first), ...replies.slice(0, first)];
  return inTurn.find((reply) => reply !== nullReply) ?? nullReply;
}

function concatenated(replies: readonly string[]): string {
  if (isTooLong(replies)) return replyTooLongReply;
  let count = 0;
  let elements = '';
  for (const reply of replies) {
    const lineEnd = reply.indexOf('\r\n');
    count += Number(reply.slice(1, lineEnd));
    elements += reply.slice(lineEnd + 2);
  }
  return `*${count}\r\n${elements}`;
}

function gathered(replies: readonly string[], parts: readonly Part[]): string {
  if (isTooLong(replies)) return replyTooLongReply;
  const elements: string[] = [];
  for (const [position, { ordinals }] of parts.entries()) {
    const own = elementsOf(replies[position] ?? '') ?? [];
    assert(own.length === ordinals.length, 'a part answers one element a key');
    for (const [place, ordinal] of ordinals.entries()) elements[ordinal] = own[place] ?? '';
  }
  return arrayReply(elements);
}

/** Whether the parts do not fit one string together. */
function isTooLong(replies: readonly string[]): boolean {
  return replies.reduce((sum, reply) => sum + reply.length, 0) > stringBytesMax;
}
