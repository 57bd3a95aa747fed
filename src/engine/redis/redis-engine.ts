/**
 * The engine that keeps a shard in the fronted Redis.
 *
 * An entry is one batch on the apply connection (`batch`), many of them under way. What follows an entry's batch was decided before its reply came,
 * so every reply is checked: it leaves only if the batch ran on exactly the data it was meant for. Otherwise the join ends (`redis-server`), and
 * what was under way is fed again from where the data stands.
 *
 * An entry without anything to send to Redis is not written: the marker lags behind it, and its effect, time, is remembered here.
 * Where such a position is forgotten with the process, the log has it.
 *
 * Where several shards share the Redis, a flush must not touch the others' keys: an entry that holds one is cut there. The part before is marked as a part,
 * the shard's keys are removed in slices, then comes the rest. A node that dies in between finds a part, or an entry to do again from its beginning: a flush.
 */

import { assert } from '../../base/assert.ts';
import type { NodeError } from '../../base/errors.ts';
import { bulkOf, isErrorReply } from '../../resp/reply-framer.ts';
import { okReply } from '../../resp/encoder.ts';
import type {
  Applied,
  Engine,
  EngineCommand,
  EngineEntry,
  EngineHost,
  EngineRead,
  EngineStatistics,
  ReadReply,
  Reply,
} from '../engine.ts';
import { Batch } from './batch.ts';
import { markerKey, type Marker } from './bookkeeping.ts';
import type { Connections } from './connections.ts';
import { digestOf } from './digest.ts';
import { resolveCommand } from './effects.ts';
import { keyspaceOf, type Info } from './inspection.ts';
import { Line } from './line.ts';
import { databases, type JoinedEngine, type RedisServer } from './redis-server.ts';
import { request, selectRequest } from './request.ts';
import type {
  First,
  Flush,
  ReadMoment,
  Removal,
  Swap,
  Translated,
  Translation,
} from './translation.ts';
import { shiftMs } from './shift.ts';
import { isUnwellError, shownError, Unwell } from './unwell.ts';
import { walkKeys } from './walk.ts';

/** What a read's reply is where its key's expiry is not in the log yet. */
const due = 'due';
/** Due keys removed by one entry, beside those its commands meet. */
export const reclaimedPerEntry = 128;

type Done = (replies: readonly Reply[]) => void;

/** An entry that has begun. */
interface Flight {
  readonly position: Applied;
  readonly done: () => void;
  hasLanded: boolean;
}

/** Requests in one database. */
interface Look {
  readonly database: number;
  readonly requests: readonly string[];
}

/** A part of an entry, and the flush that follows it. */
interface Part {
  readonly batch: Batch;
  readonly flush: Flush | undefined;
}

export class RedisEngine implements Engine, JoinedEngine {
  readonly shard: number;
  readonly #server: RedisServer;
  readonly #translation: Translation;
  #host: EngineHost | undefined;
  /** While joined. */
  #connections: Connections | undefined;
  #line = new Line();
  /** Entries that were begun and are not done, in order; those without a batch wait for those before them. */
  #flights: Flight[] = [];
  /** The last entry that was given. */
  #given: Applied = { index: 0, term: 0, timeMs: 0 };
  /** The last entry that is done. */
  #applied: Applied = this.#given;
  /** The count of the last batch that was sent, and of the last whose replies came. */
  #sentBatch = 0;
  #answeredBatch = 0;
  #generation = '';
  #markerStart = '';
  #info: Info = new Map();
  /** Looks at our own marker, which Redis counts among its hits. */
  #markersRead = 0;
  readonly #markerRequest: string;

  constructor(options: {
    readonly shard: number;
    readonly server: RedisServer;
    readonly translation: Translation;
  }) {
    this.shard = options.shard;
    this.#server = options.server;
    this.#translation = options.translation;
    this.#markerRequest = request('GET', markerKey(options.shard));
  }

  open(host: EngineHost): void {
    this.#host = host;
    this.#server.open(this);
  }

  apply(entry: EngineEntry, done: Done): void {
    assert(this.#connections !== undefined, 'an engine applies while it is well');
    assert(entry.index === this.#given.index + 1, 'indexes of applied entries rise by one');
    assert(entry.timeMs >= this.#given.timeMs, 'time does not go back from entry to entry');
    const { index, term, timeMs } = entry;
    this.#given = { index, term, timeMs };
    this.#line.enter(() => this.#begin(entry, done));
  }

  read(read: EngineRead, done: (replies: readonly ReadReply[]) => void): void {
    assert(this.#connections !== undefined, 'an engine reads while it is well');
    this.#line.enter(() => this.#read(read, done));
  }

  resolve(
    command: EngineCommand,
    timeMs: number,
    done: (logged: EngineCommand | undefined) => void,
  ): void {
    assert(this.#connections !== undefined, 'an engine resolves while it is well');
    resolveCommand(
      command,
      timeMs,
      (database, requests, read) => {
        this.#lookAt([{ database, requests }], ([replies]) => read(replies));
      },
      done,
    );
  }

  nextDeadlineMs(): number | undefined {
    return this.#translation.nextDeadlineMs();
  }

  /** Nothing is applied or read while it walks over the shard. */
  digest(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#line.enterAlone((leave) => {
        const connections = this.#connections;
        assert(connections !== undefined, 'an engine has a digest while it is well');
        const { timeMs } = this.#applied;
        const isOwn = (key: string): boolean => this.#server.shardOf(key) === this.shard;
        digestOf(connections, { timeMs, shiftMs, isOwn })
          .then(resolve, reject)
          .finally(leave)
          .catch((error: unknown) => this.#server.fail(error));
      });
    });
  }

  /** At most a second old. Redis counts for all shards together: only where there is one, keys are told. */
  statistics(): EngineStatistics {
    const info = this.#info;
    const rows = this.#server.isOnlyShard
      ? Array.from({ length: databases }, (_, database) => ({
          database,
          ...keyspaceOf(info, database),
        }))
      : [];
    const counted = rows.map((row) => (row.database === 0 ? { ...row, keys: row.keys - 3 } : row));
    const bytes = Number(info.get('used_memory') ?? 0);
    return {
      databases: counted.filter(({ keys }) => keys > 0),
      bytes: Math.round(bytes / this.#server.shards),
      hits: Math.max(0, Number(info.get('keyspace_hits') ?? 0) - this.#markersRead),
      misses: Number(info.get('keyspace_misses') ?? 0),
      expired: this.#translation.expired,
    };
  }

  close(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }

  isKnown(applied: Applied): boolean {
    return this.#host?.isKnown(applied) ?? false;
  }

  joining(marker: Marker): void {
    this.#translation.reset();
    this.#markerStart = this.#server.markerStart;
    // Entries without a batch stand behind the marker, and count where nothing else happened.
    const isSame = marker.generation === this.#generation && marker.batch === this.#answeredBatch;
    if (!isSame) this.#applied = marker.applied;
    this.#given = this.#applied;
    this.#generation = marker.generation;
    this.#sentBatch = marker.batch;
    this.#answeredBatch = marker.batch;
  }

  addDeadline(database: number, key: string, pexpiretime: number): void {
    this.#translation.add(database, key, pexpiretime);
  }

  joined(connections: Connections): void {
    this.#connections = connections;
    this.#host?.onWell(this.#applied);
  }

  lost(reason: string): void {
    this.#connections = undefined;
    this.#line = new Line();
    this.#flights = [];
    this.#host?.onUnwell(reason);
  }

  failed(error: NodeError): void {
    this.#host?.onFailed(error);
  }

  observed(info: Info): void {
    this.#info = info;
  }

  #begin(entry: EngineEntry, done: Done): void {
    const parts = this.#compose(entry);
    const [only] = parts;
    assert(only !== undefined, 'an entry has a part');
    if (parts.length > 1) {
      this.#line.enterAlone((leave) => {
        this.#runParts(entry, parts, done)
          .then(leave)
          .catch((error: unknown) => {
            // Where the join has ended, whoever ended it has said so.
            if (!(error instanceof Unwell)) this.#server.fail(error);
          });
      });
    } else if (only.batch.isEmpty) {
      this.#land(this.#takeOff(entry, () => done(only.batch.repliesOfEmpty())));
    } else {
      let replies: readonly Reply[] = [];
      const flight = this.#takeOff(entry, () => done(replies));
      this.#send(only.batch, false, (own) => {
        replies = own;
        this.#land(flight);
      });
    }
  }

  /** The entry as batches; more than one where it holds flushes that must leave other shards' keys alone. */
  #compose(entry: EngineEntry): Part[] {
    const { index, term, timeMs, commands } = entry;
    const applied = { index, term, timeMs };
    const parts: Part[] = [];
    let batch = this.#newBatch(applied);
    for (const command of commands) {
      const translated = this.#translate(command, timeMs);
      if (!('kind' in translated)) batch.add(command.database, translated);
      else if (translated.kind === 'swap') batch.addSwap(command.database, translated);
      else if (this.#server.isOnlyShard) batch.addFlush(command.database, translated);
      else {
        parts.push({ batch, flush: translated });
        if (!batch.isEmpty) this.#sentBatch += 1;
        batch = this.#newBatch(applied);
      }
    }
    for (const removal of this.#translation.reclaim(timeMs, reclaimedPerEntry))
      batch.addSilent(removal);
    parts.push({ batch, flush: undefined });
    if (!batch.isEmpty || parts.length > 1) this.#sentBatch += 1;
    return parts;
  }

  #newBatch(applied: Applied): Batch {
    return new Batch({
      shard: this.shard,
      owner: this.#server.ownerText,
      markerStart: this.#markerStart,
      applied,
      batch: this.#sentBatch + 1,
    });
  }

  /** What this Redis does not know cannot be sent: it would end the whole batch. */
  #translate(command: EngineCommand, timeMs: number): Translated | Flush | Swap {
    const lacking = this.#server.lackingReply(command);
    if (lacking !== undefined) return { commands: [], reply: () => lacking };
    return this.#translation.write(command, { timeMs });
  }

  /** `onReplies` is called where the batch ran as it should. */
  #send(batch: Batch, isPart: boolean, onReplies: Done): void {
    const connections = this.#connections;
    if (connections === undefined) return;
    const { text, count } = batch.requests(isPart);
    this.#note(batch);
    connections.apply.send(text, count, (replies) => {
      const outcome = batch.outcome(replies);
      switch (outcome.kind) {
        case 'replies':
          this.#answeredBatch += 1;
          onReplies(outcome.replies);
          break;
        case 'refused':
          this.#server.lose(outcome.reason);
          break;
        case 'broken':
          this.#server.giveUp(outcome.reason);
          break;
      }
    });
  }

  /** Redis tells of what a batch flushes and of what its scripts change; it is ours. */
  #note(batch: Batch): void {
    const { owned } = this.#server;
    for (let flush = 0; flush < batch.flushes; flush += 1) owned.willFlush();
    owned.willRun(batch.commands);
  }

  #takeOff({ index, term, timeMs }: EngineEntry, done: () => void): Flight {
    const flight = { position: { index, term, timeMs }, done, hasLanded: false };
    this.#flights.push(flight);
    this.#line.entered();
    return flight;
  }

  /** Its turn to be done has come when those before it are. */
  #land(flight: Flight): void {
    flight.hasLanded = true;
    for (let first = this.#flights[0]; first?.hasLanded === true; first = this.#flights[0]) {
      this.#flights.shift();
      this.#applied = first.position;
      this.#line.left();
      first.done();
    }
  }

  async #runParts(
    { index, term, timeMs }: EngineEntry,
    parts: readonly Part[],
    done: Done,
  ): Promise<void> {
    const replies = await this.#replies(parts);
    this.#applied = { index, term, timeMs };
    done(replies);
  }

  /** Nothing else of this shard is under way. Rejects with `Unwell` where the join ends. */
  async #replies(parts: readonly Part[]): Promise<readonly Reply[]> {
    const all: Reply[] = [];
    for (const [at, { batch, flush }] of parts.entries()) {
      const isLast = at === parts.length - 1;
      const own = await new Promise<readonly Reply[]>((resolve) => {
        if (isLast || !batch.isEmpty) this.#send(batch, !isLast, resolve);
        else resolve(batch.repliesOfEmpty());
      });
      all.push(...own);
      if (flush === undefined) continue;
      await this.#removeOwnKeys(flush);
      all.push(flush.reply([okReply]));
    }
    return all;
  }

  /** All keys of this shard in the flushed databases, in slices that leave room for other shards. */
  async #removeOwnKeys({ database: flushed }: Flush): Promise<void> {
    const connections = this.#connections;
    if (connections === undefined) throw new Unwell('the join has ended');
    for (let database = 0; database < databases; database += 1) {
      if (flushed !== undefined && flushed !== database) continue;
      for await (const { keys } of walkKeys(connections, database)) {
        const own = keys.filter((key) => this.#server.shardOf(key) === this.shard);
        if (own.length === 0) continue;
        const text = selectRequest(database) + request('UNLINK', ...own) + selectRequest(0);
        const replies = await connections.askAll(connections.apply, text, 3);
        const error = replies.find(isErrorReply);
        if (error === undefined) continue;
        this.#server.lose(shownError(error));
        throw new Unwell(shownError(error));
      }
    }
  }

  #read(read: EngineRead, done: Done): void {
    this.#line.entered();
    this.#tryRead(read, (replies) => {
      this.#line.left();
      done(replies);
    });
  }

  #tryRead(read: EngineRead, done: Done): void {
    const { commands, timeMs } = read;
    // A read in a time before the last entry's, which may be under way, is one of this replica's own past.
    const appliedTimeMs = Math.min(this.#given.timeMs, timeMs);
    const reads: (Translated | 'due')[] = [];
    const removals: Removal[] = [];
    for (const command of commands) {
      const translated = this.#translateRead(command, { timeMs, appliedTimeMs });
      if (typeof translated !== 'string' && 'kind' in translated)
        removals.push(...translated.removals);
      else reads.push(translated);
    }
    if (removals.length === 0) this.#sendReads(commands, reads, done);
    else this.#remove(removals, () => this.#tryRead(read, done));
  }

  #translateRead(command: EngineCommand, at: ReadMoment): Translated | First | 'due' {
    const lacking = this.#server.lackingReply(command);
    if (lacking !== undefined) return { commands: [], reply: () => lacking };
    return this.#translation.read(command, at);
  }

  /** Removes keys that are due for everybody already; behind everything that was sent before. */
  #remove(removals: readonly Removal[], onRemoved: () => void): void {
    const text = removals.map(({ commands }) => commands.join('')).join('');
    const count = removals.reduce((sum, { commands }) => sum + commands.length, 0);
    for (const removal of removals) this.#server.owned.willRun(removal.commands);
    this.#connections?.apply.send(text, count, (replies) => {
      const error = replies.find(isErrorReply);
      if (error !== undefined) {
        this.#server.lose(shownError(error));
        return;
      }
      let at = 0;
      for (const { commands, reply } of removals) {
        reply(replies.slice(at, at + commands.length));
        at += commands.length;
      }
      onRemoved();
    });
  }

  #sendReads(
    commands: readonly EngineCommand[],
    reads: readonly (Translated | 'due')[],
    done: Done,
  ): void {
    const looks = reads.map((read, at) => ({
      database: commands[at]?.database ?? 0,
      requests: read === due ? [] : read.commands,
    }));
    this.#lookAt(looks, (replies) => {
      done(reads.map((read, at) => (read === due ? due : read.reply(replies[at] ?? []))));
    });
  }

  /** Sends requests on the read connection; `done` gets the replies to each look, where they are those of our data. */
  #lookAt(looks: readonly Look[], done: (replies: readonly (readonly Reply[])[]) => void): void {
    let text = '';
    let count = 1;
    let database = 0;
    const select = (wanted: number): void => {
      if (wanted === database) return;
      text += selectRequest(wanted);
      count += 1;
      database = wanted;
    };
    const firsts = looks.map(({ database: wanted, requests }) => {
      if (requests.length > 0) select(wanted);
      const first = count - 1;
      text += requests.join('');
      count += requests.length;
      return first;
    });
    select(0);
    this.#markersRead += 1;
    this.#connections?.read.send(text + this.#markerRequest, count, (replies) => {
      if (!this.#isSound(replies)) return;
      done(
        looks.map(({ requests }, at) => {
          const first = firsts[at] ?? 0;
          return replies.slice(first, first + requests.length);
        }),
      );
    });
  }

  /** Whether the replies of reads are those of our data in a well Redis; otherwise the join ends. */
  #isSound(replies: readonly Reply[]): boolean {
    const unwell = replies.find((reply) => isErrorReply(reply) && isUnwellError(reply));
    if (unwell !== undefined) {
      this.#server.lose(shownError(unwell));
      return false;
    }
    const isOurs = bulkOf(replies.at(-1) ?? '')?.startsWith(this.#markerStart) === true;
    if (!isOurs) this.#server.giveUp('its marker is gone');
    return isOurs;
  }
}
