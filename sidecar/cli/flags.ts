/**
 * Flags of the command line: `--name value`, `--name=value` and switches. What is not known is refused.
 */

import { nearest, shown, UsageError } from '../usage-error.ts';

export interface KnownFlags {
  /** The command they belong to, for messages. */
  readonly command: string;
  /** With a value, `--port`. */
  readonly valued: readonly string[];
  /** Without one. */
  readonly switches: readonly string[];
}

export interface Flags {
  readonly values: ReadonlyMap<string, string>;
  readonly switches: ReadonlySet<string>;
}

/** Throws UsageError. */
export function parseFlags(words: readonly string[], known: KnownFlags): Flags {
  const values = new Map<string, string>();
  const switches = new Set<string>();
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (known.switches.includes(name)) {
      if (equals >= 0) throw new UsageError(`${name} takes no value`);
      switches.add(name);
      continue;
    }
    if (!known.valued.includes(name)) throw unknown(word, name, known);
    if (values.has(name)) throw new UsageError(`${name} is given twice; give it once`);
    if (equals < 0) at += 1;
    const value = equals < 0 ? words[at] : word.slice(equals + 1);
    if (value === undefined || (equals < 0 && value.startsWith('--')))
      throw new UsageError(`${name} needs a value; see outrigger ${known.command} --help`);
    values.set(name, value);
  }
  return { values, switches };
}

function unknown(word: string, name: string, known: KnownFlags): UsageError {
  const help = `see outrigger ${known.command} --help`;
  if (!word.startsWith('-')) return new UsageError(`unexpected argument ${shown(word)}; ${help}`);
  const like = nearest(name, [...known.valued, ...known.switches]);
  return new UsageError(
    `unknown flag ${name}; ${like === undefined ? help : `did you mean ${like}?`}`,
  );
}
