import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { adminRoutes } from '../../sidecar/admin.ts';
import { healthRoutes, type NodeHealth } from '../../sidecar/health.ts';
import { serveHttp, type HttpOptions, type HttpServer } from '../../sidecar/http.ts';
import { UsageError } from '../../sidecar/usage-error.ts';
import { fetchText } from '../support/fetch-text.ts';

const scraped = { contentType: 'text/plain; version=0.0.4', text: 'a 1\n' };
const metrics = { scrape: () => Promise.resolve(scraped) };

async function serve(
  context: TestContext,
  routes: HttpOptions['routes'],
  errors: string[] = [],
): Promise<HttpServer> {
  const server = await serveHttp({
    name: 'health port',
    flag: '--health-port',
    host: '127.0.0.1',
    port: 0,
    routes,
    onError: (path, error) => errors.push(`${path} ${String(error)}`),
  });
  context.after(() => server.close());
  return server;
}

/** What the three probes answer: `/livez /startupz /readyz`. */
const probes: readonly (readonly [
  health: NodeHealth,
  statuses: readonly number[],
  reason: string,
])[] = [
  [
    { phase: 'starting', shardCount: undefined, engineProblem: undefined },
    [200, 503, 503],
    'starting: the log is being read\n',
  ],
  [
    { phase: 'forming', shardCount: undefined, engineProblem: undefined },
    [200, 200, 503],
    "forming: the cluster's other members are awaited\n",
  ],
  [
    { phase: 'joining', shardCount: undefined, engineProblem: undefined },
    [200, 200, 503],
    "joining: the cluster's other members are awaited\n",
  ],
  [{ phase: 'running', shardCount: 4, engineProblem: undefined }, [200, 200, 200], 'ok\n'],
  [
    { phase: 'running', shardCount: 4, engineProblem: 'its Redis is away' },
    [200, 200, 503],
    'running: its Redis is away\n',
  ],
  [
    { phase: 'running', shardCount: undefined, engineProblem: undefined },
    [200, 200, 503],
    'running: the shards are not known yet\n',
  ],
  [
    { phase: 'stopping', shardCount: undefined, engineProblem: undefined },
    [200, 200, 503],
    'stopping\n',
  ],
];

for (const [health, statuses, reason] of probes)
  test(`probes of a node that is ${health.phase} with ${health.shardCount} shards`, async (context) => {
    const { port } = await serve(
      context,
      healthRoutes(() => health, metrics),
    );
    const replies = [];
    for (const path of ['/livez', '/startupz', '/readyz'])
      replies.push(await fetchText(port, path));
    assert.deepEqual(
      replies.map(({ status }) => status),
      statuses,
    );
    assert.equal(replies[2]?.body, reason);
  });

test('metrics come in the type that Prometheus expects, also with a query', async (context) => {
  const health: NodeHealth = { phase: 'running', shardCount: 1, engineProblem: undefined };
  const { port } = await serve(
    context,
    healthRoutes(() => health, metrics),
  );
  const { status, headers, body } = await fetchText(port, '/metrics?name=a');
  assert.deepEqual([status, headers['content-type'], body], [200, scraped.contentType, 'a 1\n']);
});

test('status is JSON of what the node says', async (context) => {
  const { port } = await serve(
    context,
    adminRoutes({ status: () => ({ nodeId: 1, shards: [] }), node: () => undefined }).routes,
  );
  const { headers, body } = await fetchText(port, '/status');
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  assert.deepEqual(JSON.parse(body), { nodeId: 1, shards: [] });
});

test('an unknown page is 404, another method 405 with what is allowed, HEAD has no body', async (context) => {
  const { port } = await serve(
    context,
    adminRoutes({ status: () => ({}), node: () => undefined }).routes,
  );
  assert.equal((await fetchText(port, '/nowhere')).status, 404);
  const post = await fetchText(port, '/status', 'POST');
  assert.deepEqual([post.status, post.headers['allow']], [405, 'GET, HEAD']);
  const head = await fetchText(port, '/status', 'HEAD');
  assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '3']);
});

test('an answer that fails is 500 and reported, and the next one is served', async (context) => {
  const errors: string[] = [];
  const routes = new Map([
    ['/bad', () => Promise.reject(new Error('broken'))],
    ['/good', () => Promise.resolve({ status: 200, body: 'ok\n' })],
  ]);
  const { port } = await serve(context, routes, errors);
  assert.equal((await fetchText(port, '/bad')).status, 500);
  assert.deepEqual(errors, ['/bad Error: broken']);
  assert.equal((await fetchText(port, '/good')).body, 'ok\n');
});

test('closing cuts connections that are kept open', async (context) => {
  const server = await serve(context, new Map());
  const socket = connect(server.port, '127.0.0.1');
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.on('error', () => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n');
  await server.close();
  await ended;
});

test('a port that is taken is one line that says which and what to do', async (context) => {
  const { port } = await serve(context, new Map());
  const again = serveHttp({
    name: 'admin port',
    flag: '--admin-port',
    host: '127.0.0.1',
    port,
    routes: new Map(),
    onError: () => undefined,
  });
  await assert.rejects(
    again,
    new UsageError(
      `admin port ${port} on 127.0.0.1 is in use by another process; stop it, or choose another port with --admin-port`,
    ),
  );
});

test('an address that is not ours is one line that says which and what to do', async () => {
  const elsewhere = serveHttp({
    name: 'admin port',
    flag: '--admin-port',
    host: '192.0.2.1',
    port: 0,
    routes: new Map(),
    onError: () => undefined,
  });
  await assert.rejects(
    elsewhere,
    new UsageError(
      'admin port 0 on 192.0.2.1 cannot be opened (EADDRNOTAVAIL); choose another with --admin-port, or another address with --admin-host',
    ),
  );
});
