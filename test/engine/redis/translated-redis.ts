/**
 * As little of an engine as shows what translation does: entries as MULTI … EXEC on one connection, many in flight; reads on another, once
 * the entries before them are answered. It knows no marker, no accidents and one shard.
 */

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { seededRandom } from '../../../src/base/random.ts';
import { latin1Slice } from '../../../src/command/latin1.ts';
import type {
  Applied,
  Engine,
  EngineCommand,
  EngineEntry,
  EngineHost,
  EngineRead,
  EngineStatistics,
  Reply,
} from '../../../src/engine/engine.ts';
import { commandText } from '../../../src/engine/redis/command-text.ts';
import { resolveCommand, type RunReads } from '../../../src/engine/redis/effects.ts';
import { shiftMs } from '../../../src/engine/redis/shift.ts';
import { Translator } from '../../../src/engine/redis/translate.ts';
import type { TranslatorOptions } from '../../../src/engine/redis/job.ts';
import type { Translated } from '../../../src/engine/redis/translation.ts';
import { bulkOf, elementsOf, endOfReply } from '../../../src/resp/reply-framer.ts';

/** Tests use no others. */
const databasesUsed = 4;

export const reservedKey = 'outrigger:{0}:test';

/** Sends requests and gives their replies, in order. */
export class Line {
  readonly #socket: Socket;
  #received = '';
  readonly #waiting: ((reply: Reply) => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.#received += chunk;
      let at = 0;
      for (let end = endOfReply(this.#received, 0); end > 0; end = endOfReply(this.#received, at)) {
        this.#waiting.shift()?.(this.#received.slice(at, end));
        at = end;
        if (at === this.#received.length) break;
      }
      this.#received = this.#received.slice(at);
    });
  }

  static async open(port: number): Promise<Line> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Line(socket);
  }

  send(request: string, onReply: (reply: Reply) => void): void {
    this.#waiting.push(onReply);
    this.#socket.write(request, 'latin1');
  }

  /** One request's reply. */
  ask(...args: readonly string[]): Promise<Reply> {
    return new Promise((settle) => this.send(commandText(args), settle));
  }

  close(): void {
    this.#socket.destroy();
  }
}

interface Options extends Partial<TranslatorOptions> {
  /** Due keys that an entry removes beside its commands. */
  readonly reclaimed?: number;
}

interface Part {
  readonly database: number;
  readonly translated: Translated;
}

const ignore = (): void => undefined;

export class TranslatedRedis implements Engine {
  readonly translator: Translator;
  readonly #apply: Line;
  readonly #read: Line;
  readonly #reclaimed: number;
  #applied: Applied = { index: 0, term: 0, timeMs: 0 };

  private constructor(lines: readonly [Line, Line], options: Options) {
    [this.#apply, this.#read] = lines;
    this.#reclaimed = options.reclaimed ?? 0;
    this.translator = new Translator({
      ownsKey: undefined,
      reservedKeys: [reservedKey],
      random: seededRandom(7),
      ...options,
      latin1Slice,
    });
  }

  /** On an emptied server, which holds one key of ours then. */
  static async create(port: number, options: Options = {}): Promise<TranslatedRedis> {
    const lines = [await Line.open(port), await Line.open(port)] as const;
    await lines[0].ask('FLUSHALL');
    await lines[0].ask('SET', reservedKey, 'x');
    return new TranslatedRedis(lines, options);
  }

  open(host: EngineHost): void {
    host.onWell(this.#applied);
  }

  apply(entry: EngineEntry, done: (replies: readonly Reply[]) => void): void {
    const { timeMs } = entry;
    const parts = entry.commands.map((command) => {
      const translated = this.translator.write(command, { timeMs });
      const isFlush = 'kind' in translated && translated.kind === 'flush';
      const again = isFlush ? [commandText(['SET', reservedKey, 'x'])] : [];
      const commands = [...translated.commands, ...again];
      return { database: command.database, translated: { ...translated, commands } };
    });
    const reclaimed = this.translator
      .reclaim(timeMs, this.#reclaimed)
      .map((translated) => ({ database: 0, translated }));
    this.#batch([...parts, ...reclaimed], (replies) => {
      this.#applied = entry;
      done(replies.slice(0, parts.length));
    });
  }

  read(read: EngineRead, done: (replies: readonly Reply[]) => void): void {
    const replies: Reply[] = [];
    let open = read.commands.length;
    for (const [place, command] of read.commands.entries()) {
      this.#readOne(command, read.timeMs, (reply) => {
        replies[place] = reply;
        open -= 1;
        if (open === 0) done(replies);
      });
    }
  }

  resolve(
    command: EngineCommand,
    timeMs: number,
    done: (logged: EngineCommand | undefined) => void,
  ): void {
    const run: RunReads = (database, commands, whenRead) =>
      this.#readAll(database, commands, whenRead);
    resolveCommand(command, timeMs, run, done);
  }

  nextDeadlineMs(): number | undefined {
    return this.translator.nextDeadlineMs();
  }

  /** Keys, their deadlines and their texts; enough for strings. */
  async digest(): Promise<string> {
    const lines: string[] = [];
    for (const { database, key } of await this.#keys()) {
      const deadline = await this.#ask(database, 'PEXPIRETIME', key);
      lines.push(`${database} ${key} ${deadline} ${await this.#ask(database, 'GET', key)}`);
    }
    return Buffer.from(lines.sort().join('')).toString('hex');
  }

  /** As after a new connection: the translator forgets, and is told what Redis holds. Nothing is in flight. */
  async rebuild(): Promise<void> {
    this.translator.reset();
    for (const { database, key } of await this.#keys()) {
      const reply = await this.#ask(database, 'PEXPIRETIME', key);
      this.translator.add(database, key, Number(reply.slice(1, -2)));
    }
  }

  /** The earliest deadline that is in Redis. */
  async earliestMs(): Promise<number | undefined> {
    let earliest: number | undefined;
    for (const { database, key } of await this.#keys()) {
      const stored = Number((await this.#ask(database, 'PEXPIRETIME', key)).slice(1, -2));
      if (stored >= 0) earliest = Math.min(stored - shiftMs, earliest ?? Infinity);
    }
    return earliest;
  }

  statistics(): EngineStatistics {
    return { databases: [], bytes: 0, hits: 0, misses: 0, expired: this.translator.expired };
  }

  close(): Promise<void> {
    this.#apply.close();
    this.#read.close();
    return Promise.resolve();
  }

  async #keys(): Promise<{ readonly database: number; readonly key: string }[]> {
    const found: { readonly database: number; readonly key: string }[] = [];
    for (let database = 0; database < databasesUsed; database += 1) {
      for (const reply of elementsOf(await this.#ask(database, 'KEYS', '*')) ?? []) {
        const key = bulkOf(reply) ?? '';
        if (key !== reservedKey) found.push({ database, key });
      }
    }
    return found;
  }

  #ask(database: number, ...args: readonly string[]): Promise<Reply> {
    this.#read.send(commandText(['SELECT', String(database)]), ignore);
    return this.#read.ask(...args);
  }

  #readOne(command: EngineCommand, timeMs: number, done: (reply: Reply) => void): void {
    const appliedTimeMs = this.#applied.timeMs;
    const translated = this.translator.read(command, { timeMs, appliedTimeMs });
    if (translated === 'due') done('due');
    else if ('kind' in translated) {
      const parts = translated.removals.map((removal) => ({ database: 0, translated: removal }));
      this.#batch(parts, () => this.#readOne(command, timeMs, done));
    } else {
      this.#readAll(command.database, translated.commands, (replies) =>
        done(translated.reply(replies)),
      );
    }
  }

  #readAll(
    database: number,
    commands: readonly string[],
    done: (replies: readonly Reply[]) => void,
  ): void {
    const replies: Reply[] = [];
    this.#read.send(commandText(['SELECT', String(database)]), ignore);
    if (commands.length === 0) done(replies);
    for (const text of commands) {
      this.#read.send(text, (reply) => {
        if (replies.push(reply) === commands.length) done(replies);
      });
    }
  }

  #batch(parts: readonly Part[], done: (replies: readonly Reply[]) => void): void {
    this.#apply.send(commandText(['MULTI']), ignore);
    for (const { database, translated } of parts) {
      this.#apply.send(commandText(['SELECT', String(database)]), ignore);
      for (const text of translated.commands) this.#apply.send(text, ignore);
    }
    this.#apply.send(commandText(['EXEC']), (reply) => {
      const replies = elementsOf(reply);
      if (replies === undefined) {
        // For a test to fail by, not for an engine to do.
        done(parts.map(() => reply));
        return;
      }
      let at = 0;
      const found = parts.map(({ translated }) => {
        const own = replies.slice(at + 1, at + 1 + translated.commands.length);
        at += 1 + translated.commands.length;
        return translated.reply(own);
      });
      done(found);
    });
  }
}
