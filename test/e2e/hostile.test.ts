/**
 * Goal: bytes that no client or node would send cost an error and a connection, not memory and not other clients' patience;
 * idle connections are kept, up to `maxClients`.
 *
 * Method: every kind of hostile bytes goes to the client and the peer port of one node, on several connections each, while
 * ordinary clients work on all nodes and must see nothing. The resident memory of the process is compared with what it was
 * before, at its highest.
 */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, type TestNode } from '../support/cluster.ts';
import { Load } from '../support/load.ts';
import { residentBytes } from '../support/proc.ts';
import type { RawClient } from '../support/raw-client.ts';
import { until, within } from '../support/until.ts';

const grownBytesMax = 100e6;
const connectionsEach = 8;
/** A silent stranger on the peer port is put out after 5 s. */
const closeDeadlineMs = 15_000;

interface Hostile {
  readonly name: string;
  readonly bytes: Buffer;
  /** The client port says what is wrong before it closes; otherwise what came is the beginning of a request. */
  readonly isError: boolean;
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const hostile: readonly Hostile[] = [
  { name: 'an array of 33,554,432', bytes: latin1('*33554432\r\n'), isError: true },
  { name: 'an array of 2^32', bytes: latin1('*4294967296\r\n'), isError: true },
  { name: 'an array of 10^300', bytes: latin1(`*1${'0'.repeat(300)}\r\n`), isError: true },
  { name: 'an array of -2', bytes: latin1('*-2\r\nGET\r\n$9\r\n'), isError: false },
  { name: 'a bulk of -1', bytes: latin1('*2\r\n$3\r\nGET\r\n$-1\r\n'), isError: true },
  { name: 'a bulk of -5', bytes: latin1('*2\r\n$-5\r\n'), isError: true },
  {
    name: 'a bulk of a terabyte',
    bytes: latin1('*2\r\n$3\r\nGET\r\n$1099511627776\r\n'),
    isError: true,
  },
  {
    name: 'a bulk of 2^53',
    bytes: latin1('*2\r\n$3\r\nGET\r\n$9007199254740993\r\n'),
    isError: true,
  },
  { name: 'a length that is no number', bytes: latin1('*2\r\n$abc\r\n'), isError: true },
  { name: '20,000 nested arrays', bytes: latin1('*1\r\n'.repeat(20_000)), isError: true },
  { name: 'a header without an end', bytes: latin1(`*${'1'.repeat(200_000)}`), isError: true },
  { name: 'a line without an end', bytes: Buffer.alloc(4e6, 'a'), isError: true },
  {
    name: 'half a request',
    bytes: latin1('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nabc'),
    isError: false,
  },
  { name: 'half a header', bytes: latin1('*'), isError: false },
  {
    name: 'half of 500 MB',
    bytes: latin1('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nabc'),
    isError: false,
  },
  {
    name: 'a request of the web',
    bytes: latin1('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    isError: false,
  },
  { name: 'a frame of 4 GB', bytes: Buffer.alloc(64, 0xff), isError: false },
  { name: 'zeros', bytes: Buffer.alloc(100_000), isError: false },
];

/** Sends bytes on a fresh connection; resolves with what came back by the time the other side closed. */
function attack(port: number, bytes: Buffer, mustClose: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const late = setTimeout(
      () => {
        socket.destroy();
        if (mustClose) reject(new Error('the connection was not closed'));
        else resolve(received);
      },
      mustClose ? closeDeadlineMs : 300,
    );
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (received += text));
    // A reset is an end, too; what came before it counts.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(late);
      resolve(received);
    });
    socket.write(bytes);
  });
}

/** Watches a process's memory until it is told to stop; then gives the highest value. */
function watchMemory(node: TestNode): () => number {
  let highest = 0;
  const look = (): void => {
    highest = Math.max(highest, residentBytes(node.pid));
  };
  const timer = setInterval(look, 20);
  return () => {
    clearInterval(timer);
    look();
    return highest;
  };
}

async function attackClientPort(node: TestNode): Promise<void> {
  for (const { name, bytes, isError } of hostile) {
    const all = Array.from({ length: connectionsEach }, () =>
      attack(node.clientPort, bytes, isError),
    );
    for (const said of await Promise.all(all)) {
      if (isError) assert.match(said, /^-ERR Protocol error: [^\r\n]+\r\n$/, name);
    }
  }
}

/** Whoever does not know the secret of the handshake is put out, at once or after 5 s of silence. */
async function attackPeerPort(node: TestNode): Promise<void> {
  const all = hostile.flatMap(({ bytes }) =>
    Array.from({ length: connectionsEach }, () => attack(node.peerPort, bytes, true)),
  );
  await Promise.all(all);
}

/** Bytes that begin like a request, a frame or nothing, from a generator that a printed seed repeats. */
function randomBytes(seed: number): Buffer {
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const heads = ['', '*', '*2\r\n$', '*1\r\n$4\r\n', '$', '\r\n', '\0\0\0\u0010'];
  const length = next(3_000);
  const body = Buffer.from(Array.from({ length }, () => next(256)));
  return Buffer.concat([latin1(heads[next(heads.length)] ?? ''), body]);
}

test(
  'hostile bytes cost a connection, little memory, and nothing to other clients',
  { timeout: 120_000 },
  async (t) => {
    const seed = randomInt(2 ** 32);
    t.diagnostic(`seed ${seed}`);
    const cluster = await startCluster(t);
    const target = cluster.node(2);
    const load = new Load();
    for (const node of cluster.nodes) await load.join(node);
    await load.progress(cluster.nodes, 30);
    const before = residentBytes(target.pid);
    const highest = watchMemory(target);
    const attacks = [attackClientPort(target), attackPeerPort(target)];
    for (let at = 0; at < 60; at += 1) {
      const bytes = randomBytes(seed + at);
      const both = [target.clientPort, target.peerPort].map((port) => attack(port, bytes, false));
      await Promise.all(both);
      load.check();
    }
    await Promise.all(attacks);
    await load.progress(cluster.nodes, 10);
    const grown = highest() - before;
    await load.stop();
    await load.verify(target);
    t.diagnostic(`resident memory: ${mega(before)} MB, up by ${mega(grown)} MB at its highest`);
    assert(grown < grownBytesMax, `grew by ${mega(grown)} MB`);
    assert(target.isRunning);
  },
);

test(
  '1,000 idle connections are kept, and one beyond maxClients is refused',
  { timeout: 90_000 },
  async (t) => {
    const maxClients = 1_000;
    const cluster = await startCluster(t, {
      nodes: 1,
      environment: { OUTRIGGER_MAX_CLIENTS: String(maxClients) },
    });
    const node = cluster.node(1);
    // The connections on which the test itself asked are gone.
    await until('nobody else is connected', 5_000, async () =>
      /connected_clients:1\r/.test(String(await node.ask('INFO', 'clients'))),
    );
    const before = residentBytes(node.pid);
    const clients: RawClient[] = [];
    while (clients.length < maxClients) {
      const some = Array.from({ length: 100 }, () => node.connect());
      clients.push(...(await Promise.all(some)));
    }
    const pings = async (): Promise<void> => {
      const pongs = await Promise.all(clients.map((client) => client.call('PING')));
      assert(pongs.every((pong) => pong === 'PONG'));
    };
    await pings();
    const refused = await node.connect();
    const [reply] = await within('the refusal', 5_000, refused.pipeline([['PING']]));
    if (reply !== undefined) assert.match(String(reply), /max number of clients/);
    await within('the end of the refused connection', 5_000, refused.closed);
    await sleep(2_000);
    await pings();
    const grown = residentBytes(node.pid) - before;
    t.diagnostic(`${maxClients} connections: ${mega(grown)} MB`);
    clients.pop()?.close();
    await until('another may connect', 5_000, async () => {
      const client = await node.connect();
      const pong = await client.call('PING');
      client.close();
      return pong === 'PONG';
    });
    for (const client of clients) client.close();
    assert(grown < grownBytesMax, `grew by ${mega(grown)} MB`);
  },
);

function mega(bytes: number): number {
  return Math.round(bytes / 1e6);
}
