/**
 * From which size on is a part of a frame better passed to the kernel as it is than joined with its neighbours?
 *
 * Prints the processor time of a turn's write to a socket of this process, sender and receiver together, joined into one
 * buffer and as a vector. `src/transport/outbox.ts` takes its bound from it. Run with: node bench/socket-parts.ts
 */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

const turns = 3000;
const rounds = 5;
const cases = [
  { partBytes: 20, parts: 40 },
  { partBytes: 200, parts: 40 },
  { partBytes: 1000, parts: 20 },
  { partBytes: 2048, parts: 10 },
  { partBytes: 4096, parts: 10 },
  { partBytes: 16_384, parts: 5 },
];

type Write = (socket: Socket, parts: readonly Buffer[]) => void;

const joined: Write = (socket, parts) => {
  socket.write(Buffer.concat(parts));
};

const vector: Write = (socket, parts) => {
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
};

async function microsecondsATurn(
  socket: Socket,
  parts: readonly Buffer[],
  write: Write,
): Promise<number> {
  const before = process.cpuUsage();
  for (let turn = 0; turn < turns; turn += 1) {
    write(socket, parts);
    do await new Promise(setImmediate);
    while (socket.writableLength > 1_000_000);
  }
  while (socket.writableLength > 0) await new Promise(setImmediate);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / turns;
}

const median = (values: readonly number[]): string =>
  (values.toSorted((first, second) => first - second)[values.length >> 1] ?? 0).toFixed(1);

const server = createServer((socket) => socket.resume());
await once(server.listen(0, '127.0.0.1'), 'listening');
const address = server.address();
if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
const socket = connect({ host: '127.0.0.1', port: address.port, noDelay: true });
await once(socket, 'connect');
for (const { partBytes, parts: count } of cases) {
  const parts = Array.from({ length: count }, () => Buffer.alloc(partBytes, 1));
  const figures: Record<'joined' | 'vector', number[]> = { joined: [], vector: [] };
  for (let round = 0; round < rounds; round += 1) {
    figures.joined.push(await microsecondsATurn(socket, parts, joined));
    figures.vector.push(await microsecondsATurn(socket, parts, vector));
  }
  const result = `joined ${median(figures.joined)} us, vector ${median(figures.vector)} us`;
  console.log(`${count} parts of ${partBytes} bytes: ${result} a turn`);
}
socket.destroy();
server.close();
