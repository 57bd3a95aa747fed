/**
 * Three nodes in one process, and two unchanged Redis clients, each at another node: what one writes the other reads.
 *
 *     node_modules/.bin/node --conditions=outrigger-source examples/02-three-nodes.ts
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { nodeDefaults, openNode } from 'outrigger';
import { createClient } from 'redis';

/** A port that nobody listens on just now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const directory = await mkdtemp(join(tmpdir(), 'outrigger-three-'));
const members = await Promise.all(
  [1, 2, 3].map(async (id) => ({ id, host: '127.0.0.1', port: await freePort() })),
);
const nodes = await Promise.all(
  members.map(({ id, port }) =>
    openNode({
      ...nodeDefaults,
      nodeId: id,
      members,
      peerPort: port,
      clientPort: 0,
      dataDirectory: join(directory, `node-${id}`),
    }),
  ),
);
const ports = nodes.map((node) => node.clientPort ?? 0);

const ioredis = new Redis({ port: ports[0] ?? 0 });
console.log('ioredis at node 1 sets:', await ioredis.set('greeting', 'hello'));

const nodeRedis = await createClient({ url: `redis://127.0.0.1:${ports[1]}` }).connect();
console.log('node-redis at node 2 gets:', await nodeRedis.get('greeting'));
console.log('node-redis counts:', await nodeRedis.incr('visits'));
console.log('ioredis counts:', await ioredis.incr('visits'));

await ioredis.quit();
await nodeRedis.close();
await Promise.all(nodes.map((node) => node.stop()));
await rm(directory, { recursive: true });
console.log('done');
