/**
 * Goal: what leaves for an upstream leaves once, under the right database and protocol, and it is said right what became of it.
 * Method: an upstream on a socket, whose every byte the test gives.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { Timer, Timers } from '../../../src/base/clock.ts';
import { UpstreamLink, type Passed } from '../../../src/front/upstream/link.ts';
import { encode, words } from '../../support/commands.ts';
import { until } from '../../support/until.ts';

class Scene {
  readonly link: UpstreamLink;
  readonly outcomes: string[] = [];
  /** Connections that the upstream has accepted. */
  readonly sockets: Socket[] = [];
  /** What it has got. */
  received = '';
  drained = 0;
  readonly due: (() => void)[] = [];

  constructor(port: number, user?: string, password?: string) {
    const timers: Timers = {
      after: (_delayMs, call): Timer => {
        this.due.push(call);
        return { cancel: () => void this.due.splice(this.due.indexOf(call), 1) };
      },
      soon: (call) => void setImmediate(call),
      endOfTurn: (call) => void setImmediate(call),
    };
    this.link = new UpstreamLink({
      upstream: { host: '127.0.0.1', port, user, password },
      timers,
      replyTimeoutMs: 5_000,
      onDrained: () => {
        this.drained += 1;
      },
    });
  }

  static async make(t: TestContext, user?: string, password?: string): Promise<Scene> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const scene = new Scene((server.address() as AddressInfo).port, user, password);
    server.on('connection', (socket) => {
      scene.sockets.push(socket);
      socket.setEncoding('latin1').on('data', (text: string) => (scene.received += text));
      socket.on('error', () => socket.destroy());
    });
    t.after(() => {
      scene.link.close();
      for (const socket of scene.sockets) socket.destroy();
      server.close();
    });
    return scene;
  }

  pass(line: string, options: Partial<Passed> = {}): void {
    this.link.pass({
      bytes: encode(words(line)),
      database: 0,
      protocol: 2,
      isWrite: true,
      settle: (reply) => this.outcomes.push(`${line}: ${reply.trimEnd()}`),
      fail: (failure) => this.outcomes.push(`${line}: ${failure}`),
      ...options,
    });
  }

  /** Waits for the upstream to get this next, and nothing else. */
  async gets(...lines: readonly string[]): Promise<void> {
    const expected = lines.map((line) => encode(words(line)).toString('latin1')).join('');
    while (this.received.length < expected.length) await tick();
    assert.equal(this.received, expected);
    this.received = '';
  }

  says(reply: string): void {
    this.sockets.at(-1)?.write(reply, 'latin1');
  }

  async hears(...outcomes: readonly string[]): Promise<void> {
    while (this.outcomes.length < outcomes.length) await tick();
    assert.deepEqual(this.outcomes.splice(0), outcomes);
  }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('commands pass as they are, together, and replies come back in order', async (t) => {
  const scene = await Scene.make(t);
  scene.pass('SET a 1');
  scene.pass('get "\\u0000\\u00ff"');
  await scene.gets('SET a 1', 'get "\\u0000\\u00ff"');
  scene.says('+OK\r\n$3\r\n');
  await scene.hears('SET a 1: +OK');
  scene.says('\x00\xff\n\r\n');
  await scene.hears('get "\\u0000\\u00ff": $3\r\n\x00\xff');
  scene.pass('DEL a');
  await scene.gets('DEL a');
  scene.says(':1\r\n');
  await scene.hears('DEL a: :1');
  assert.equal(scene.sockets.length, 1);
});

test('user, protocol and database are confirmed before a command that needs them leaves', async (t) => {
  const scene = await Scene.make(t, 'u', 'p');
  scene.pass('GET a', { database: 3, protocol: 3 });
  scene.pass('GET b', { database: 3, protocol: 3 });
  scene.pass('GET c', { database: 0, protocol: 3 });
  await scene.gets('AUTH u p');
  scene.says('+OK\r\n');
  await scene.gets('HELLO 3');
  scene.says('%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n');
  await scene.gets('SELECT 3');
  scene.says('+OK\r\n');
  await scene.gets('GET a', 'GET b', 'SELECT 0');
  scene.says('>2\r\n+message\r\n+x\r\n_\r\n$1\r\nb\r\n+OK\r\n');
  await scene.gets('GET c');
  scene.says('_\r\n');
  await scene.hears('GET a: _', 'GET b: $1\r\nb', 'GET c: _');
});

test('what comes while the upstream has not confirmed yet waits for that', async (t) => {
  const scene = await Scene.make(t);
  scene.pass('SET a 1', { database: 3 });
  await scene.gets('SELECT 3');
  scene.pass('SET b 1');
  for (let turn = 0; turn < 20; turn += 1) await tick();
  assert.equal(scene.received, '');
  scene.says('+OK\r\n');
  await scene.gets('SET a 1', 'SELECT 0');
});

test('a command whose database the upstream refuses gets that refusal, and does not run elsewhere', async (t) => {
  const scene = await Scene.make(t);
  scene.pass('SET a 1', { database: 3 });
  scene.pass('SET b 1');
  await scene.gets('SELECT 3');
  scene.says('-ERR DB index is out of range\r\n');
  await scene.gets('SET b 1');
  scene.says('+OK\r\n');
  await scene.hears('SET a 1: -ERR DB index is out of range', 'SET b 1: +OK');
});

test('what had left when the connection broke is in doubt if it writes; the rest did not run', async (t) => {
  const scene = await Scene.make(t);
  scene.pass('SET a 1');
  scene.pass('GET a', { isWrite: false });
  await scene.gets('SET a 1', 'GET a');
  scene.pass('SET b 1', { database: 4 });
  await scene.gets('SELECT 4');
  scene.sockets[0]?.destroy();
  await scene.hears('SET a 1: in-doubt', 'GET a: upstream-down', 'SET b 1: upstream-down');
  scene.pass('SET c 1');
  await scene.gets('SET c 1');
  assert.equal(scene.sockets.length, 2, 'the next command gets a connection of its own');
});

test('an upstream that is not there, or says what is no RESP, is down', async (t) => {
  const away = new Scene(1);
  t.after(() => away.link.close());
  away.pass('SET a 1');
  await away.hears('SET a 1: upstream-down');
  const odd = await Scene.make(t);
  odd.pass('GET a', { isWrite: false });
  await odd.gets('GET a');
  odd.says('HTTP/1.1 400 Bad Request\r\n');
  await odd.hears('GET a: upstream-down');
  odd.pass('GET b', { isWrite: false });
  await odd.gets('GET b');
  odd.says('$1\r\nb\r\n$1\r\nb\r\n');
  await odd.hears('GET b: $1\r\nb');
  while (odd.sockets[1]?.closed !== true) await tick();
});

test('an upstream that is silent for too long is given up, one that goes on answering is not', async (t) => {
  const scene = await Scene.make(t);
  const expire = (): void => scene.due.shift()?.();
  for (const key of ['a', 'b', 'c']) scene.pass(`SET ${key} 1`);
  await scene.gets('SET a 1', 'SET b 1', 'SET c 1');
  scene.says('+OK\r\n');
  await scene.hears('SET a 1: +OK');
  expire();
  scene.says('+OK\r\n');
  await scene.hears('SET b 1: +OK');
  expire();
  assert.deepEqual(scene.outcomes, []);
  expire();
  await scene.hears('SET c 1: in-doubt');
  assert.equal(scene.due.length, 0, 'nothing waits where nothing is asked');
});

test('a link that has too much to send says so until it has sent it', async (t) => {
  const scene = await Scene.make(t);
  scene.pass('GET a');
  await scene.gets('GET a');
  scene.sockets[0]?.pause();
  const big = 'x'.repeat(1 << 20);
  for (let sent = 0; !scene.link.isFull; sent += 1) {
    assert.ok(sent < 1_000);
    scene.pass(`SET a ${big}`);
    await tick();
  }
  scene.drained = 0;
  assert.equal(scene.link.isFull, true);
  scene.sockets[0]?.resume();
  while (scene.drained === 0) await tick();
  assert.equal(scene.link.isFull, false);
});

test('after its client is gone a link says nothing more', async (t) => {
  const scene = await Scene.make(t);
  scene.pass('GET a');
  await scene.gets('GET a');
  scene.pass('GET b');
  scene.link.close();
  while (scene.sockets[0]?.closed !== true) await tick();
  assert.deepEqual(scene.outcomes, []);
  assert.equal(scene.due.length, 0);
});

test('a reply that no string can hold is answered as an error in its place', async (t) => {
  const scene = await Scene.make(t);
  scene.pass('LRANGE l 0 -1', { isWrite: false });
  scene.pass('INCR n');
  await scene.gets('LRANGE l 0 -1', 'INCR n');
  const [socket] = scene.sockets;
  const value = Buffer.alloc(1 << 20, 'x');
  socket?.write(`$${512 * value.length}\r\n`);
  for (let n = 0; n < 512; n += 1) socket?.write(value);
  socket?.write('\r\n:1\r\n');
  await until('both are answered', 20_000, () => scene.outcomes.length === 2);
  assert.deepEqual(scene.outcomes, ['LRANGE l 0 -1: -ERR reply exceeds 512 MB', 'INCR n: :1']);
});
