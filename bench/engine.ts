/**
 * Nanoseconds that the memory engine takes for one command, parsing included: `node bench/engine.ts`.
 *
 * Entries and reads of 50 commands over 100,000 keys with values of 64 bytes; the median of nine rounds.
 */

import { latin1Slice } from '../src/command/latin1.ts';
import { seededRandom } from '../src/base/random.ts';
import type { EngineCommand } from '../src/engine/engine.ts';
import { createMemoryEngine } from '../src/engine/memory/memory-engine.ts';

const keyCount = 100_000;
const batch = 50;
const rounds = 9;

const timers = {
  after: () => ({ cancel: () => undefined }),
  soon: (call: () => void): void => void setImmediate(call),
  endOfTurn: (call: () => void): void => void setImmediate(call),
};
const engine = createMemoryEngine({ random: seededRandom(1), timers, latin1Slice });
const value = 'v'.repeat(64);
let index = 0;

const kinds: Readonly<Record<string, (key: string) => readonly string[]>> = {
  SET: (key) => ['SET', key, value],
  GET: (key) => ['GET', key],
  'SET EX': (key) => ['SET', key, value, 'EX', '1000'],
  INCR: (key) => ['INCR', `counter:${key}`],
};

function batches(kind: (key: string) => readonly string[]): EngineCommand[][] {
  const commands = Array.from({ length: keyCount }, (_, place) => {
    const args = kind(`key:${String((place * 7919) % keyCount).padStart(12, '0')}`);
    const parts = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('');
    return { database: 0, bytes: Buffer.from(`*${args.length}\r\n${parts}`) };
  });
  return Array.from({ length: keyCount / batch }, (_, at) =>
    commands.slice(at * batch, (at + 1) * batch),
  );
}

function measure(name: string, run: () => void): void {
  const times = Array.from({ length: rounds }, () => {
    const start = process.hrtime.bigint();
    run();
    return Number(process.hrtime.bigint() - start) / keyCount;
  }).sort((a, b) => a - b);
  const median = times[Math.floor(rounds / 2)] ?? 0;
  console.log(`${name.padEnd(14)} ${median.toFixed(0)} ns`);
}

for (const [name, kind] of Object.entries(kinds)) {
  const all = batches(kind);
  measure(`${name} (entry)`, () => {
    for (const commands of all) {
      index += 1;
      engine.apply({ index, term: 1, timeMs: 1000 + index, commands }, () => undefined);
    }
  });
  if (name !== 'GET') continue;
  measure(`${name} (read)`, () => {
    for (const commands of all) engine.read({ timeMs: 1000 + index, commands }, () => undefined);
  });
}
