/**
 * Finds ports for programs that cannot be told to take any free one.
 *
 * Below the range from which the system takes ports for outgoing connections, so that those of other tests are not in the way.
 */

import { createServer } from 'node:net';

const lowest = 10_000;
const highest = 28_000;
const attemptsMax = 200;

/** A port P such that P + each of `offsets` is free on 127.0.0.1 now. */
export async function freePortBlock(offsets: readonly number[]): Promise<number> {
  let port = lowest + ((process.pid * 97) % (highest - lowest));
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const checks = await Promise.all(offsets.map((offset) => isFree(port + offset)));
    if (checks.every((free) => free)) return port;
    port = port + 131 > highest ? lowest : port + 131;
  }
  throw new Error(`no free ports between ${lowest} and ${highest}`);
}

/** Offsets of the ports that `outrigger dev` takes for so many nodes, those of redis-servers included. */
export function devPortOffsets(nodes: number): readonly number[] {
  const ids = Array.from({ length: nodes }, (_, at) => at);
  return [0, 1_000, 2_000, 3_000, 4_000].flatMap((offset) => ids.map((at) => offset + at));
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
