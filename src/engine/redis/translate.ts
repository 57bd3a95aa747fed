/**
 * Turns the log's commands into what a fronted Redis is sent, so that every replica's Redis does the same: time is the entry's, deadlines are
 * ours, and a key past its deadline is gone before a command meets it. It does no IO and looks at no clock.
 *
 * The usual command passes as its own bytes, and of these only the name and the keys are looked at, keys only where the database has deadlines.
 * All else is a row of one of the tables that are joined here.
 */

import { assert } from '../../base/assert.ts';
import { randomInteger } from '../../base/random.ts';
import { keyIndexes } from '../../command/keys.ts';
import type { Latin1Slice } from '../../command/latin1.ts';
import { allCommands } from '../../command/table.ts';
import type { CommandSpec } from '../../command/table.ts';
import type { EngineCommand, Reply } from '../engine.ts';
import { CommandText } from './command-text.ts';
import { DeadlineIndex } from './deadline-index.ts';
import { allDatabases, Draft } from './draft.ts';
import { effectName } from './effects.ts';
import type { Special, TranslatorOptions } from './job.ts';
import { shiftMs } from './shift.ts';
import { expirySpecials } from './translate-expiry.ts';
import { clearing, keySpecials } from './translate-keys.ts';
import { streamSpecials } from './translate-streams.ts';
import { cursorSpecials, walkSpecials } from './translate-walks.ts';
import type {
  First,
  Flush,
  Moment,
  ReadMoment,
  Removal,
  Swap,
  Translated,
  Translation,
} from './translation.ts';

/** Due keys that go before one command that sees all keys; the rest of them is not due any more when it is asked again. */
const firstKeysMax = 4096;
const runTagMax = 65_535;

interface Row {
  readonly spec: CommandSpec;
  /** Undefined: sent as it is. */
  readonly special: Special | undefined;
  /** Commands with fewer arguments are sent as they are. */
  readonly specialFrom: number;
  readonly isCleared: ((reply: Reply) => boolean) | undefined;
  readonly sees: 'keys' | 'all' | 'all by pattern';
}

const noKeys: readonly string[] = [];

const rows: ReadonlyMap<string, Row> = buildRows();

export class Translator implements Translation {
  readonly #options: TranslatorOptions;
  readonly #latin1Slice: Latin1Slice;
  readonly #command = new CommandText();
  #index = new DeadlineIndex();
  #runTag = 0;
  /** Flushes and swaps that are sent and not answered; the index is ahead of what a read would see. */
  #upheavals = 0;
  #expired = 0;
  readonly #onExpired = (keys: number): void => {
    this.#expired += keys;
  };

  constructor(options: TranslatorOptions & { readonly latin1Slice: Latin1Slice }) {
    this.#options = options;
    this.#latin1Slice = options.latin1Slice;
    this.reset();
  }

  get expired(): number {
    return this.#expired;
  }

  reset(): void {
    this.#index = new DeadlineIndex();
    this.#upheavals = 0;
    this.#runTag = randomInteger(this.#options.random, 1, runTagMax);
  }

  add(database: number, key: string, pexpiretime: number): void {
    if (pexpiretime < 0) return;
    const deadlineMs = pexpiretime - shiftMs;
    this.#index.settle(this.#index.lower(database, key, deadlineMs), deadlineMs);
  }

  nextDeadlineMs(): number | undefined {
    return this.#index.nextDeadlineMs();
  }

  write({ database, bytes }: EngineCommand, { timeMs }: Moment): Translated | Flush | Swap {
    return this.#write(this.#latin1Slice(bytes, 0, bytes.length), database, timeMs);
  }

  read({ database, bytes }: EngineCommand, at: ReadMoment): Translated | First | 'due' {
    if (this.#upheavals > 0) return 'due';
    const command = this.#command;
    command.parse(this.#latin1Slice(bytes, 0, bytes.length));
    const row = rowOf(command);
    if (!this.#index.isEmpty(database)) {
      const before = seesAll(row, command)
        ? this.#allDueForRead(database, at)
        : this.#dueForRead(database, keysOf(row, command), at);
      if (before !== undefined) return before;
    }
    const special = specialOf(row, command);
    if (special === undefined) return asItIs(command.text);
    return this.#special(special, this.#draft(database, at.timeMs));
  }

  reclaim(timeMs: number, max: number): readonly Removal[] {
    const draft = this.#draft(0, timeMs);
    let left = max;
    for (const database of allDatabases) {
      if (left > 0) left -= draft.removeAllDue(database, left);
    }
    return left === max ? [] : [draft.finishWith(() => '')];
  }

  #write(text: string, database: number, timeMs: number): Translated | Flush | Swap {
    const command = this.#command;
    command.parse(text);
    if (command.argLatin1(0) === effectName) return this.#effect(database, timeMs);
    const row = rowOf(command);
    const special = specialOf(row, command);
    const hasDeadlines = !this.#index.isEmpty(database);
    const keys = hasDeadlines ? keysOf(row, command) : noKeys;
    if (special === undefined && row.sees === 'keys' && !this.#hasDeadline(database, keys))
      return asItIs(text);
    const draft = this.#draft(database, timeMs);
    if (seesAll(row, command)) draft.removeAllDue(database, Infinity);
    else draft.removeDue(database, keys);
    if (special !== undefined) return this.#special(special, draft);
    const at = draft.send(text);
    const { isCleared } = row;
    if (isCleared !== undefined) {
      for (const key of keys)
        draft.touch({ database, key, at }, (reply) => (isCleared(reply) ? Infinity : undefined));
    }
    return draft.finish(at);
  }

  /** A resolved command: the leader's reply, and the commands that are its effect. */
  #effect(database: number, timeMs: number): Translated {
    const [, reply = '', ...texts] = this.#command.args();
    const parts = texts.map((text) => this.#write(text, database, timeMs));
    return {
      commands: parts.flatMap(({ commands }) => commands),
      reply: (replies): Reply => {
        let from = 0;
        for (const part of parts) {
          const end = from + part.commands.length;
          part.reply(replies.slice(from, end));
          from = end;
        }
        return reply;
      },
    };
  }

  #special(special: Special, draft: Draft): Translated | Flush | Swap {
    const command = this.#command;
    const options = this.#options;
    const runTag = this.#runTag;
    const translated = special({ command, args: command.args(), draft, options, runTag });
    if (!('kind' in translated)) return translated;
    this.#upheavals += 1;
    const reply = (replies: readonly Reply[]): Reply => {
      this.#upheavals -= 1;
      return translated.reply(replies);
    };
    return { ...translated, reply };
  }

  /** What must happen before a read of these keys. */
  #dueForRead(
    database: number,
    keys: readonly string[],
    at: ReadMoment,
  ): First | 'due' | undefined {
    const isDue = (key: string): boolean => {
      const boundMs = this.#index.boundMs(database, key);
      return boundMs !== undefined && boundMs <= at.timeMs;
    };
    if (!keys.some(isDue)) return undefined;
    const draft = this.#draft(database, at.appliedTimeMs);
    draft.removeDue(database, keys);
    return firstOrDue(draft);
  }

  #allDueForRead(database: number, at: ReadMoment): First | 'due' | undefined {
    const earliestMs = this.#index.earliestMs(database);
    if (earliestMs === undefined || earliestMs > at.timeMs) return undefined;
    const draft = this.#draft(database, at.appliedTimeMs);
    draft.removeAllDue(database, firstKeysMax);
    return firstOrDue(draft);
  }

  #hasDeadline(database: number, keys: readonly string[]): boolean {
    for (const key of keys) if (this.#index.boundMs(database, key) !== undefined) return true;
    return false;
  }

  #draft(database: number, timeMs: number): Draft {
    return new Draft({ database, timeMs, index: this.#index }, this.#onExpired);
  }
}

/** With nothing to send, because removals are on their way or because the log does not know the time yet, the read goes behind them by the log. */
function firstOrDue(draft: Draft): First | 'due' {
  const removal = draft.finishWith(() => '');
  return removal.commands.length === 0 ? 'due' : { kind: 'first', removals: [removal] };
}

const asItIs = (text: string): Translated => ({ commands: [text], reply: firstReply });

const firstReply = (replies: readonly Reply[]): Reply => replies[0] ?? '';

function rowOf(command: CommandText): Row {
  const name = command.argLatin1(0);
  const row = rows.get(name) ?? rows.get(name.toLowerCase());
  assert(row !== undefined, 'a logged command is known');
  return row;
}

function specialOf(row: Row, command: CommandText): Special | undefined {
  return command.argc < row.specialFrom ? undefined : row.special;
}

function keysOf({ spec }: Row, command: CommandText): readonly string[] {
  const { subcommands } = spec;
  const own =
    subcommands === undefined || command.argc < 2
      ? spec
      : (subcommands.get(command.argLatin1(1).toLowerCase()) ?? spec);
  return keyIndexes(own, command).map((position) => command.argLatin1(position));
}

function seesAll({ sees }: Row, command: CommandText): boolean {
  return sees === 'all' || (sees === 'all by pattern' && hasPattern(command));
}

/** SORT's BY and GET; `GET #` names no key, but is too rare to be told apart. */
function hasPattern(command: CommandText): boolean {
  for (let at = 2; at < command.argc; at += 1) {
    const word = command.argLatin1(at).toLowerCase();
    if (word === 'by' || word === 'get') return true;
  }
  return false;
}

function buildRows(): Map<string, Row> {
  const built = new Map<string, Row>();
  for (const spec of allCommands()) {
    if (spec.kind !== 'read' && spec.kind !== 'write') continue;
    const row = rowFor(spec);
    built.set(spec.name, row);
    built.set(spec.name.toUpperCase(), row);
  }
  return built;
}

function rowFor(spec: CommandSpec): Row {
  const { name } = spec;
  const expiry = expirySpecials.get(name);
  const walk = walkSpecials.get(name);
  const byPattern = name === 'sort' || name === 'sort_ro';
  return {
    spec,
    special:
      expiry?.special ??
      walk ??
      cursorSpecials.get(name) ??
      keySpecials.get(name) ??
      streamSpecials.get(name),
    specialFrom: expiry?.from ?? 0,
    isCleared: clearing.get(name),
    sees: walk !== undefined ? 'all' : byPattern ? 'all by pattern' : 'keys',
  };
}
