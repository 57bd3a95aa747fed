/**
 * The Redis that a node fronts, shared by the engines of its shards: joins with it, watches it, lets go of it and joins anew.
 *
 * One join is: connect; look it over (`inspection`); kill what an earlier life left connected; from then on be told of every change that is
 * not ours; only then read what it holds and decide (`decide`): go on from there, claim it, or make its data anew. Whatever
 * goes wrong afterwards ends the join as a whole: all connections are closed, what was under way gets no answer any more, and the next join
 * finds out from the data what of it took place.
 *
 * Nothing here knows an entry or a client's command.
 */

import { assert } from '../../base/assert.ts';
import type { Clock, Timers } from '../../base/clock.ts';
import { NodeError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { bulkOf, elementsOf, integerOf, isErrorReply } from '../../resp/reply-framer.ts';
import type { Applied, EngineCommand, Reply } from '../engine.ts';
import type { RedisAddress } from './address.ts';
import {
  batchesKey,
  markerEnd,
  markerKey,
  markerStart,
  ownerKey,
  ownerText,
  parseOwner,
  type Marker,
  type Owner,
} from './bookkeeping.ts';
import { Connections } from './connections.ts';
import { decide, type Decision, type Standing } from './decide.ts';
import {
  clientsOf,
  keyspaceOf,
  killPredecessors,
  readInfo,
  lackingCommands,
  refused,
  requireKind,
  requireReadiness,
  settleOptions,
  type Info,
} from './inspection.ts';
import type { Memo } from './memo.ts';
import { Owned } from './owned.ts';
import { rescue } from './rescue.ts';
import { execRequest, multiRequest, request } from './request.ts';
import { shownError, Unwell } from './unwell.ts';
import { askOfKeys, walkKeys } from './walk.ts';
import { errorReply } from '../../resp/encoder.ts';
import { latin1Slice } from '../../command/latin1.ts';

/** A Redis that answers nothing for so long, although something is awaited, is taken for hung. */
const defaultReplyTimeoutMs = 1_000;
/** Between attempts to join, the second twice the first and so on. */
const backoffFirstMs = 50;
const backoffMaxMs = 1_000;
/** Silence is looked for this often within the reply timeout; the health of Redis once every timeout. */
const looksPerTimeout = 4;
export const databases = 16;

/** An engine of one shard, as the server sees it. */
export interface JoinedEngine {
  readonly shard: number;
  isKnown(applied: Applied): boolean;
  /** A deadline that stands in Redis; comes between `joining` and `joined`. */
  addDeadline(database: number, key: string, pexpiretime: number): void;
  /** The data stands at `marker`; nothing is known yet of its deadlines. */
  joining(marker: Marker): void;
  joined(connections: Connections): void;
  /** Everything under way is void. Also where it was not joined. */
  lost(reason: string): void;
  failed(error: NodeError): void;
  observed(info: Info): void;
}

export interface RedisServerOptions {
  readonly address: RedisAddress;
  readonly owner: Owner;
  readonly shards: number;
  readonly memo: Memo;
  /** A Redis that is not ours is cleared, once. */
  readonly mayWipe: boolean;
  /** The shard of a key, latin1. */
  readonly shardOf: (key: string) => number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly logger: Logger;
  readonly replyTimeoutMs?: number;
}

export class RedisServer {
  readonly #options: RedisServerOptions;
  readonly #replyTimeoutMs: number;
  readonly #engines: JoinedEngine[] = [];
  /** Of the join that is made or stands. */
  #connections: Connections | undefined;
  #owned = new Owned();
  #isWell = false;
  #isClosed = false;
  #mayWipe: boolean;
  #backoffMs = backoffFirstMs;
  /** INFO's `run_id` of the Redis process that this process last was joined with. */
  #joinedRun: string | undefined;
  /** Commands of the table that this Redis lacks, lower case. */
  #lacking: ReadonlySet<string> = new Set();
  /** A generation that is being written down. */
  #saving: Promise<void> = Promise.resolve();
  #looks = 0;
  #lastReason = '';

  constructor(options: RedisServerOptions) {
    this.#options = options;
    this.#mayWipe = options.mayWipe;
    this.#replyTimeoutMs = options.replyTimeoutMs ?? defaultReplyTimeoutMs;
  }

  get shards(): number {
    return this.#options.shards;
  }

  get isOnlyShard(): boolean {
    return this.#options.shards === 1;
  }

  get logger(): Logger {
    return this.#options.logger;
  }

  /** What all markers of the data as it stands begin with. */
  get markerStart(): string {
    const { memo, owner } = this.#options;
    assert(memo.generation !== undefined, 'data that is joined with has a generation');
    return markerStart(owner, memo.generation);
  }

  get ownerText(): string {
    return ownerText(this.#options.owner);
  }

  /** What changes of ours the tracking connection may tell of all the same. */
  get owned(): Owned {
    return this.#owned;
  }

  /** The reply to a command that this Redis does not know; undefined where it does, which costs nothing where it knows all. */
  lackingReply(command: EngineCommand): Reply | undefined {
    if (this.#lacking.size === 0) return undefined;
    const name = nameOf(command.bytes);
    return this.#lacking.has(name)
      ? errorReply(`ERR the fronted Redis does not know the command '${name}'`)
      : undefined;
  }

  shardOf(key: string): number {
    return this.#options.shardOf(key);
  }

  /** The first join is made when the engines of all shards are there. */
  open(engine: JoinedEngine): void {
    this.#engines.push(engine);
    assert(this.#engines.length <= this.#options.shards, 'a shard has one engine');
    if (this.#engines.length === this.#options.shards) this.#join();
  }

  close(): void {
    this.#isClosed = true;
    this.#connections?.close();
    this.#connections = undefined;
  }

  /** Ends the join, and makes another. */
  lose(reason: string): void {
    if (this.#connections !== undefined) this.#lose(this.#connections, reason);
  }

  /** The data is not what the log says: it is given up, durably, and made anew. */
  giveUp(reason: string): void {
    const { logger, memo } = this.#options;
    if (this.#connections === undefined) return;
    logger.error({ reason }, 'the data in the fronted Redis cannot be trusted; it is made anew');
    // Where no data was made yet, there is none to give up.
    if (memo.generation !== undefined)
      this.#saving = memo.save(this.#newGeneration()).catch((error: unknown) => this.#fail(error));
    this.lose(reason);
  }

  /** Something that this node must not go on with; also a bug. */
  fail(error: unknown): void {
    this.#fail(error);
  }

  #join(): void {
    if (this.#isClosed) return;
    const { address, owner, clock, timers } = this.#options;
    this.#owned = new Owned();
    const connections: Connections = new Connections({
      address,
      member: owner.member,
      replyTimeoutMs: this.#replyTimeoutMs,
      clock,
      timers,
      onBroken: (reason) => this.#lose(connections, reason),
      onChanged: (keys) => this.#changed(connections, keys),
    });
    this.#connections = connections;
    this.#watch(connections);
    this.#attempt(connections).catch((error: unknown) => this.#ended(connections, error));
  }

  async #attempt(connections: Connections): Promise<void> {
    const { address, owner } = this.#options;
    await this.#saving;
    const ids = await connections.start();
    const info = await readInfo(connections);
    requireKind(info, address.shown);
    await killPredecessors(connections, owner.member, ids);
    requireReadiness(info);
    await this.#settle(connections);
    this.#lacking = await lackingCommands(connections);
    await connections.startTracking();
    const markers = await this.#makeReady(connections, info);
    for (const [at, engine] of this.#engines.entries()) {
      const marker = markers[at];
      assert(marker !== undefined, 'every shard has a marker');
      engine.joining(marker);
    }
    await this.#findDeadlines(connections);
    const now = await readInfo(connections);
    if (this.#connections !== connections) return;
    this.#becomeWell(connections, now);
  }

  #becomeWell(connections: Connections, info: Info): void {
    this.#isWell = true;
    this.#joinedRun = info.get('run_id');
    this.#lastReason = '';
    this.#observe(info);
    this.#options.logger.info(
      { redis: this.#options.address.shown },
      'joined with the fronted Redis',
    );
    for (const engine of this.#engines) {
      // Whoever is told first may already have ended the join.
      if (this.#connections === connections) engine.joined(connections);
    }
  }

  /** Decides about the data and does it. The engines' markers, in their order. */
  async #makeReady(connections: Connections, info: Info): Promise<readonly Marker[]> {
    const standing = await this.#look(connections);
    const { owner } = standing;
    const decision = await this.#decide(connections, standing, info);
    switch (decision.kind) {
      case 'resume':
        return decision.markers;
      case 'claim':
        return await this.#install(connections, owner, false);
      case 'rebuild': {
        const { reason, isAlarm, isRescue } = decision;
        const level = isAlarm ? 'error' : 'info';
        this.#options.logger[level]({ reason }, 'the data in the fronted Redis is made anew');
        if (isRescue) await rescue(connections, this.#options.memo, this.#options.logger);
        return await this.#install(connections, owner, true);
      }
      case 'refuse': {
        if (!this.#mayWipe) throw refused(this.#options.address.shown, decision.reason);
        this.#mayWipe = false;
        this.#options.logger.warn({}, 'the fronted Redis is cleared, as --wipe says');
        return await this.#install(connections, owner, true);
      }
    }
  }

  async #decide(connections: Connections, standing: Standing, info: Info): Promise<Decision> {
    const { owner: self, memo } = this.#options;
    const owner = parseOwner(standing.owner ?? '');
    const clients = owner === undefined ? [] : await clientsOf(connections, owner.member);
    return decide(standing, {
      self,
      generation: memo.generation,
      wasJoined: this.#joinedRun !== undefined && this.#joinedRun === info.get('run_id'),
      isOwnerConnected: clients.length > 0,
      isKnown: (shard, applied) => this.#engines[shard]?.isKnown(applied) ?? false,
    });
  }

  async #look(connections: Connections): Promise<Standing> {
    const shards = this.#engines.map(({ shard }) => shard);
    const names = shards.flatMap((shard) => [markerKey(shard), batchesKey(shard)]);
    const reply = await connections.demand(connections.apply, request('MGET', ownerKey, ...names));
    const [owner, ...rest] = (elementsOf(reply) ?? []).map(bulkOf);
    const markers = shards.map((_, at) => ({ marker: rest[2 * at], batches: rest[2 * at + 1] }));
    const ours = [owner, ...rest].filter((text) => text !== undefined).length;
    const info = await readInfo(connections);
    let keys = 0;
    for (let database = 0; database < databases; database += 1)
      keys += keyspaceOf(info, database).keys;
    return { owner, markers, otherKeys: keys - ours };
  }

  /** Makes the Redis this node's, standing before the first entry. `isClearing`: whatever it holds goes, in the same moment. */
  async #install(
    connections: Connections,
    ownerWas: string | undefined,
    isClearing: boolean,
  ): Promise<readonly Marker[]> {
    const { memo, owner } = this.#options;
    const generation = this.#newGeneration();
    // What is given up must not look right to a later life, even if this one ends here.
    if (memo.generation !== undefined) await memo.save(generation);
    const start = markerStart(owner, generation);
    const applied = { index: 0, term: 0, timeMs: 0 };
    // A count that begins anywhere is not mistaken for another generation's.
    const batch = Buffer.from(this.#options.randomBytes(4)).readUInt32BE();
    const marker = start + markerEnd(batch, applied, false);
    const pairs = this.#engines.flatMap(({ shard }) => {
      const count = [batchesKey(shard), String(batch)];
      return [markerKey(shard), marker, ...count];
    });
    if (isClearing) this.#owned.willFlush();
    await this.#take(connections, ownerWas, [
      ...(isClearing ? [request('FLUSHALL', 'ASYNC')] : []),
      request('MSET', ownerKey, this.ownerText, ...pairs),
    ]);
    // Only now this directory has applied to a Redis: were it written before, somebody's data that came between would be taken for ours.
    if (memo.generation === undefined) await memo.save(generation);
    return this.#engines.map(() => ({ ...owner, generation, batch, applied, isPart: false }));
  }

  /** Runs the requests together, provided that the owner is still the one that was decided about. */
  async #take(
    connections: Connections,
    ownerWas: string | undefined,
    requests: readonly string[],
  ): Promise<void> {
    const { apply } = connections;
    await connections.demand(apply, request('WATCH', ownerKey));
    const owner = bulkOf(await connections.demand(apply, request('GET', ownerKey)));
    if (owner !== ownerWas) throw new Unwell('it was claimed by somebody else in this moment');
    const text = multiRequest + requests.join('') + execRequest;
    const replies = await connections.askAll(apply, text, requests.length + 2);
    if (elementsOf(replies.at(-1) ?? '') !== undefined) return;
    const error =
      replies.find(isErrorReply) ?? '-it was claimed by somebody else in this moment\r\n';
    throw new Unwell(shownError(error));
  }

  async #findDeadlines(connections: Connections): Promise<void> {
    const info = await readInfo(connections);
    for (let database = 0; database < databases; database += 1) {
      if (keyspaceOf(info, database).expires === 0) continue;
      for await (const found of walkKeys(connections, database)) {
        const replies = await askOfKeys(connections, found, (key) => request('PEXPIRETIME', key));
        for (const [at, key] of found.keys.entries()) {
          const deadline = integerOf(replies[at] ?? '') ?? -1;
          if (deadline >= 0) this.#engines[this.shardOf(key)]?.addDeadline(database, key, deadline);
        }
      }
    }
  }

  async #settle(connections: Connections): Promise<void> {
    const { address, logger } = this.#options;
    const changed = await settleOptions(connections, address.shown);
    if (changed.length === 0) return;
    const options = changed.join(', ');
    logger.warn({ options }, 'options of the fronted Redis were set to what they must be');
  }

  /** Looks again and again, as long as these connections stand. */
  #watch(connections: Connections): void {
    this.#options.timers.after(this.#replyTimeoutMs / looksPerTimeout, () => {
      if (this.#connections !== connections) return;
      connections.checkSilence();
      this.#looks += 1;
      if (this.#isWell && this.#looks % looksPerTimeout === 0) {
        this.#owned.settle(connections);
        this.#checkHealth(connections).catch((error: unknown) => this.#ended(connections, error));
      }
      this.#watch(connections);
    });
  }

  async #checkHealth(connections: Connections): Promise<void> {
    const info = await readInfo(connections);
    requireReadiness(info);
    await this.#settle(connections);
    if (this.#connections !== connections) return;
    this.#observe(info);
    // Not before: data that is spoilt again and again is not made anew ever faster.
    this.#backoffMs = backoffFirstMs;
  }

  #observe(info: Info): void {
    for (const engine of this.#engines) engine.observed(info);
  }

  #changed(connections: Connections, keys: readonly string[] | undefined): void {
    if (this.#connections !== connections || !this.#owned.isForeign(keys)) return;
    if (keys === undefined) this.giveUp('somebody else flushed it');
    else this.giveUp('somebody else changed keys in it, or it evicted some');
  }

  /** What an attempt or a look ended with. */
  #ended(connections: Connections, error: unknown): void {
    if (error instanceof Unwell) this.#lose(connections, error.message);
    else if (this.#connections === connections) this.#fail(error);
  }

  #lose(connections: Connections, reason: string): void {
    connections.close();
    if (this.#connections !== connections) return;
    const { logger, timers } = this.#options;
    this.#connections = undefined;
    this.#isWell = false;
    // The same reason again and again, while a Redis is away, is said once.
    if (reason !== this.#lastReason) logger.warn({ reason }, 'the fronted Redis is unwell');
    this.#lastReason = reason;
    timers.after(this.#backoffMs, () => this.#join());
    this.#backoffMs = Math.min(2 * this.#backoffMs, backoffMaxMs);
    for (const engine of this.#engines) engine.lost(reason);
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.close();
    const failure =
      error instanceof NodeError
        ? error
        : new NodeError('assertion-failed', `the redis engine broke: ${String(error)}`, error);
    this.#engines[0]?.failed(failure);
  }

  #newGeneration(): string {
    return Buffer.from(this.#options.randomBytes(8)).toString('hex');
  }
}

/** The first word of a request, in lower case. */
function nameOf(bytes: Uint8Array): string {
  const text = latin1Slice(bytes, 0, Math.min(bytes.length, nameBytesMax));
  const start = text.indexOf('\r\n', text.indexOf('$')) + 2;
  return text.slice(start, text.indexOf('\r\n', start)).toLowerCase();
}
/** Within so many bytes the longest name of a command ends. */
const nameBytesMax = 128;
