/**
 * One node inside this process, without a socket for clients: put, read, expire, delete, and read again after a restart.
 *
 *     node_modules/.bin/node --conditions=outrigger-source examples/01-embedded.ts
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'outrigger';

const dataDirectory = await mkdtemp(join(tmpdir(), 'outrigger-embedded-'));
const options = {
  nodeId: 1,
  members: [{ id: 1, host: '127.0.0.1', port: 0 }],
  dataDirectory,
};
const text = (value: Uint8Array | undefined): string =>
  value === undefined ? 'nothing' : Buffer.from(value).toString();

let cache = await open(options);
await cache.put('greeting', 'hello');
await cache.put('code', '1234', { ttlMs: 60_000 });
console.log('consistent read:', text(await cache.consistentGet('greeting')));
console.log('local read:', text(await cache.get('greeting')));
console.log('deleted:', await cache.delete('greeting'), await cache.delete('greeting'));
await cache.close();

cache = await open(options);
console.log('after a restart:', text(await cache.consistentGet('code')));
await cache.invalidate('code', 'greeting');
console.log('invalidated:', text(await cache.consistentGet('code')));
const [shard] = cache.statistics();
console.log(`shard 0: ${shard?.role}, ${shard?.applied} entries applied`);
await cache.close();
await rm(dataDirectory, { recursive: true });
