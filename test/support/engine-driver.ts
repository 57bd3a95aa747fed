/**
 * Drives an engine in tests: lines of words as entries and reads, at times the test chooses.
 */

import assert from 'node:assert/strict';
import type { Applied, Engine, EngineCommand, ReadReply, Reply } from '../../src/engine/engine.ts';
import { encode, words } from './commands.ts';

/** A line, for database 0 unless it starts with `[database] `: `[3] GET a`. */
export type Line = string;

export class EngineDriver {
  readonly engine: Engine;
  #index = 0;

  /** Of an engine that is open and empty. */
  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Opens the engine, which must have no data, and waits until it is well. */
  static async open(engine: Engine): Promise<EngineDriver> {
    const applied = await new Promise<Applied>((onWell, onFailed) => {
      engine.open({
        isKnown: ({ index }) => index === 0,
        onUnwell: (reason) => onFailed(new Error(`the engine is unwell: ${reason}`)),
        onWell,
        onFailed,
      });
    });
    assert.deepEqual(applied, { index: 0, term: 0, timeMs: 0 });
    return new EngineDriver(engine);
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

  /** What has to be logged in place of a command. */
  resolve(timeMs: number, line: Line): Promise<EngineCommand | undefined> {
    return new Promise((settle) => this.engine.resolve(commandOf(line), timeMs, settle));
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
