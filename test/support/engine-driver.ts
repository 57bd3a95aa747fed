/**
 * Drives an engine in tests: lines of words as entries and reads, at times the test chooses.
 */

import type { Engine, EngineCommand, ReadReply, Reply } from '../../src/engine/engine.ts';
import { encode, words } from './commands.ts';

/** A line, for database 0 unless it starts with `[database] `: `[3] GET a`. */
export type Line = string;

export class EngineDriver {
  readonly engine: Engine;
  #index = 0;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** One entry of these commands. */
  apply(timeMs: number, ...lines: readonly Line[]): Promise<readonly Reply[]> {
    this.#index += 1;
    const entry = { index: this.#index, term: 1, timeMs, commands: lines.map(commandOf) };
    return new Promise((resolve) => this.engine.apply(entry, resolve));
  }

  read(timeMs: number, ...lines: readonly Line[]): Promise<readonly ReadReply[]> {
    return new Promise((resolve) =>
      this.engine.read({ timeMs, commands: lines.map(commandOf) }, resolve),
    );
  }
}

export function commandOf(line: Line): EngineCommand {
  const [, database = '0', rest = line] = /^\[(\d+)\] (.*)$/s.exec(line) ?? [];
  return { database: Number(database), bytes: encode(words(rest)) };
}

/** A bulk reply's text, or the reply itself where it is none. */
export function textOf(reply: ReadReply | undefined): string | undefined {
  return /^\$\d+\r\n(.*)\r\n$/s.exec(reply ?? '')?.[1] ?? reply;
}

/** The bulk strings of a flat array reply, sorted. */
export function elementsOf(reply: ReadReply | undefined): readonly string[] {
  const [, ...parts] = (reply ?? '').split(/\$\d+\r\n/);
  return parts.map((part) => part.slice(0, -2)).sort();
}

/** A SCAN reply's cursor and keys, the keys sorted. */
export function walkOf(reply: ReadReply | undefined): { cursor: string; keys: readonly string[] } {
  const [, cursor = '', rest] = /^\*2\r\n\$\d+\r\n(\d+)\r\n(.*)$/s.exec(reply ?? '') ?? [];
  return { cursor, keys: elementsOf(rest) };
}
