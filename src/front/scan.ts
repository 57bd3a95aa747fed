/**
 * SCAN over several shards: one after the other, the cursor tells where. Upstreams of namespaces that are off follow the shards.
 *
 * A client's cursor is shard * 2^47 + the shard's own cursor, which the engine keeps below 2^47; with 64 shards it fits 2^53, so
 * that clients that read it as a double get along. 0 starts, and 0 ends.
 */

import { shardId } from '../base/ids.ts';
import type { SubmitFailure } from '../cluster/cluster.ts';
import { arrayReply, bulkReply, encodeCommand } from '../resp/encoder.ts';
import { bulkOf, elementsOf } from '../resp/reply-framer.ts';
import { byLeader, byLog } from './access.ts';
import type { Connection } from './connection.ts';
import { failureReply, invalidCursorReply } from './error-replies.ts';
import type { FanOut } from './fan-out.ts';
import type { Slot } from './order-queue.ts';
import type { Shape } from './resp3.ts';
import { submitPart, type PartOwner } from './part.ts';
import { countFailure } from './submissions.ts';
import { upstreamsOf } from './upstream/pass.ts';
import { ownKeys, parseScan, upstreamsIn } from './upstream/walk.ts';

/** One past the largest cursor of a shard. */
const shardCursors = 2 ** 47;

/** With more, cursors would not fit 2^53. */
const placesMax = 64;

/** Submits the connection's current SCAN to the shard its cursor names. False: it waits. */
export function submitScan(command: FanOut): boolean {
  const { connection, state, spec } = command;
  const { cluster } = state;
  const upstreams = upstreamsIn(cluster.namespaces, connection.client.database);
  const places = cluster.shards + upstreams.length;
  const text = connection.request.argLatin1(1);
  const cursor = /^\d{1,16}$/u.test(text) ? Number(text) : Number.NaN;
  const shard = Math.floor(cursor / shardCursors);
  if (!Number.isSafeInteger(cursor) || shard >= places || places > placesMax) {
    connection.reply(invalidCursorReply);
    return true;
  }
  const upstream = upstreams[shard - cluster.shards];
  if (upstream !== undefined) {
    return scanUpstream(command, { upstream, place: shard, places, cursor: cursor % shardCursors });
  }
  const access = connection.shardOrder.followsLog(shardId(shard)) ? byLog : byLeader;
  state.statistics.commandsRead += 1;
  connection.client.lastCommand = spec.name;
  const args: Uint8Array[] = connection.request.args();
  args[1] = Buffer.from(String(cursor % shardCursors), 'latin1');
  const slot = new ScanSlot(command, shard, places);
  connection.expect(slot);
  const bytes = encodeCommand(args);
  submitPart({ owner: slot, position: 0, shard: shardId(shard), bytes, access, connection, state });
  return true;
}

/** Asks an upstream; of its keys only those that pass through to it count. */
function scanUpstream(
  command: FanOut,
  at: {
    readonly upstream: string;
    readonly place: number;
    readonly places: number;
    readonly cursor: number;
  },
): boolean {
  const { connection, state } = command;
  const { upstream, place, places } = at;
  const { database, protocol } = connection.client;
  const args: Uint8Array[] = connection.request.args();
  args[1] = Buffer.from(String(at.cursor), 'latin1');
  const slot = new ScanSlot(command, place, places);
  state.statistics.commandsRead += 1;
  connection.client.lastCommand = command.spec.name;
  connection.expect(slot);
  upstreamsOf(connection, state)
    .to(upstream)
    .pass({
      bytes: encodeCommand(args),
      database,
      protocol,
      isWrite: false,
      settle: (reply) => {
        const answer = parseScan(reply);
        if (answer === undefined) {
          slot.partSettled(0, reply);
          return;
        }
        const keys = ownKeys(state.cluster.namespaces, { upstream, database }, answer.keys);
        slot.partSettled(
          0,
          arrayReply([bulkReply(answer.cursor), arrayReply(keys.map(bulkReply))]),
        );
      },
      fail: () => slot.partFailed('cluster-down'),
    });
  return true;
}

class ScanSlot implements Slot, PartOwner {
  reply: string | undefined = undefined;
  next: Slot | undefined = undefined;
  readonly isSilent: boolean;
  readonly resp3Shape: Shape | undefined;
  readonly #command: FanOut;
  readonly #connection: Connection;
  readonly #shard: number;
  readonly #places: number;

  constructor(command: FanOut, shard: number, places: number) {
    this.#command = command;
    this.#connection = command.connection;
    this.#shard = shard;
    this.#places = places;
    const { client } = command.connection;
    this.isSilent = client.isSilent;
    this.resp3Shape = client.resp3ShapeOf(command.spec.name, command.connection.request);
  }

  partSettled(_position: number, reply: string): void {
    const [cursor, keys] = elementsOf(reply) ?? [];
    const shardCursor = cursor === undefined ? undefined : bulkOf(cursor);
    if (shardCursor === undefined || keys === undefined) {
      this.#connection.settled(this, reply);
      return;
    }
    const next = this.#nextCursor(Number(shardCursor));
    this.#connection.settled(this, arrayReply([bulkReply(String(next)), keys]));
  }

  partFailed(failure: SubmitFailure): void {
    countFailure(this.#command.state.statistics, failure);
    this.#connection.settled(this, failureReply(failure));
  }

  #nextCursor(shardCursor: number): number {
    if (shardCursor !== 0) return this.#shard * shardCursors + shardCursor;
    const isLast = this.#shard + 1 === this.#places;
    return isLast ? 0 : (this.#shard + 1) * shardCursors;
  }
}
