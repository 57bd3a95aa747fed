/**
 * Goal: an operator reads and changes the table through the admin port, and nobody else changes it.
 * Method: the routes and the command over a real port, with a node that keeps a table in a list.
 */

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test, type TestContext } from 'node:test';
import { adminRoutes, type AdminNode } from '../../sidecar/admin.ts';
import { namespace } from '../../sidecar/cli/namespace.ts';
import { namespaceHelp } from '../../sidecar/cli/help.ts';
import { serveHttp } from '../../sidecar/http.ts';
import { UsageError } from '../../sidecar/usage-error.ts';
import { NodeError, type NamespaceChange, type ChangeOutcome } from '../../src/index.ts';

const token = 'a-long-token';

class FakeNode implements AdminNode {
  readonly changes: NamespaceChange[] = [];
  outcome: () => Promise<ChangeOutcome> = () => Promise.resolve({ kind: 'changed' });

  namespaces(): ReturnType<AdminNode['namespaces']> {
    return [
      { keys: 'lock:*', level: 'strong' },
      { keys: 'cart:*', database: 3, level: 'bounded', boundMs: 50, defaultTtlMs: 1_000 },
      { keys: 'old:*', level: 'off', upstream: 'redis://h:1', isClosed: true },
    ];
  }

  changeNamespaces(change: NamespaceChange): Promise<ChangeOutcome> {
    this.changes.push(change);
    return this.outcome();
  }

  members = (): undefined => undefined;
  changeMembers = (): never => assert.fail('nobody asks for other members');
  transferLeadership = (): never => assert.fail('nobody asks for another leader');
}

interface Scene {
  readonly node: FakeNode;
  readonly port: number;
  /** Runs the command with `words`; what it printed. */
  readonly run: (...words: readonly string[]) => Promise<string>;
  /** The line with which it ends. */
  readonly refusal: (...words: readonly string[]) => Promise<string>;
}

async function scene(
  t: TestContext,
  options: { readonly configured?: string | undefined; readonly isStarting?: boolean } = {},
): Promise<Scene> {
  const { configured = token, isStarting = false } = options;
  const node = new FakeNode();
  const server = await serveHttp({
    name: 'admin port',
    flag: '--admin-port',
    host: '127.0.0.1',
    port: 0,
    ...adminRoutes({ status: () => ({}), node: () => (isStarting ? undefined : node) }),
    token: 'configured' in options ? options.configured : configured,
    onError: (path, error) => assert.fail(`${path}: ${String(error)}`),
  });
  t.after(() => server.close());
  const run = async (...words: readonly string[]): Promise<string> => {
    let printed = '';
    await namespace([...words, `--admin=127.0.0.1:${server.port}`], {
      environment: { OUTRIGGER_ADMIN_TOKEN: token },
      out: (text) => (printed += text),
    });
    return printed;
  };
  const refusal = async (...words: readonly string[]): Promise<string> => {
    try {
      await run(...words);
    } catch (error) {
      assert.ok(error instanceof UsageError, String(error));
      return error.message;
    }
    return assert.fail('it was not refused');
  };
  return { node, port: server.port, run, refusal };
}

test('list shows the rows in the order in which they count, and with --json as they are', async (t) => {
  const { node, run } = await scene(t);
  assert.equal(
    await run('list'),
    [
      'place  keys    database  level            default TTL  upstream',
      '1      lock:*  any       strong           -            -',
      '2      cart:*  3         bounded (50 ms)  1000 ms      -',
      '3      old:*   any       off, closed      -            redis://h:1',
      'other keys are strong',
      '',
    ].join('\n'),
  );
  assert.deepEqual(JSON.parse(await run('list', '--json')), node.namespaces());
});

test('set and rm tell the node which row, and print nothing', async (t) => {
  const { node, run } = await scene(t);
  assert.equal(await run('set', 'a*', '--level', 'strong', '--database=2', '--at', '1'), '');
  assert.equal(await run('set', 'b*', '--level', 'strong'), '');
  assert.equal(await run('rm', 'a*', '--database', '2'), '');
  assert.deepEqual(node.changes, [
    { kind: 'set', row: { keys: 'a*', database: 2, level: 'strong' }, at: 1 },
    { kind: 'set', row: { keys: 'b*', level: 'strong' }, at: undefined },
    { kind: 'remove', name: { keys: 'a*', database: 2 } },
  ]);
});

test('a refusal, a failure and a wrong row are each said in one line', async (t) => {
  const { node, refusal } = await scene(t);
  node.outcome = () => Promise.resolve({ kind: 'refused', reason: 'there is no namespace a*' });
  assert.equal(await refusal('rm', 'a*'), 'there is no namespace a*');
  node.outcome = () => Promise.reject(new NodeError('cluster-down', 'no leader'));
  assert.equal(await refusal('rm', 'a*'), 'no leader');
  assert.match(await refusal('set', 'a*', '--level', 'stronger'), /^level must be one of/);
  assert.match(await refusal('set', 'a*'), /^level must be one of/);
  assert.match(await refusal('set', 'a*', '--at', 'x'), /--at must be a whole number/);
  assert.match(await refusal('set'), /namespace set needs a pattern/);
  assert.match(await refusal('add', 'a*'), /unexpected argument|knows list, set and rm/);
  assert.equal(node.changes.length, 2);
});

test('only the token changes anything; without a configured one nothing does', async (t) => {
  const right = await scene(t);
  assert.match(await right.refusal('rm', 'a*', '--token', 'another'), /not this node's adminToken/);
  assert.equal(right.node.changes.length, 0);
  const none = await scene(t, { configured: undefined });
  assert.match(await none.refusal('rm', 'a*'), /has no adminToken/);
  assert.equal(none.node.changes.length, 0);
  assert.match(await none.run('list'), /cart/);
  const starting = await scene(t, { isStarting: true });
  assert.match(await starting.refusal('rm', 'a*'), /starting/);
});

/** The status of a POST with these bytes. */
function post(port: number, body: string, path = '/namespaces'): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const sent = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false });
    sent.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('a body that is no change is refused and changes nothing', async (t) => {
  const { node, port } = await scene(t);
  for (const body of [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"set":1}',
    '{"remove":{}}',
    '{"set":{"keys":"a","level":"strong"},"remove":{"keys":"a"}}',
    '{"set":{"keys":"a","level":"strong"},"at":"1"}',
  ])
    assert.equal(await post(port, body), 400, body);
  assert.equal(await post(port, ' '.repeat(70_000)), 413);
  assert.equal(await post(port, '{}', '/status'), 405);
  assert.equal(node.changes.length, 0);
});

test('a node that does not answer is named, and help needs none', async () => {
  let printed = '';
  const out = (text: string): void => void (printed += text);
  for (const words of [[], ['--help'], ['set', '--help'], ['list', '-h']])
    await namespace(words, { environment: {}, out });
  assert.equal(printed, namespaceHelp.repeat(4));
  await assert.rejects(namespace(['list', '--admin', '127.0.0.1:1'], { environment: {}, out }), {
    name: 'UsageError',
    message: /no answer from the admin port 127\.0\.0\.1:1 \(ECONNREFUSED\)/,
  });
  await assert.rejects(namespace(['list', '--admin', 'nowhere'], { environment: {}, out }), {
    message: /not of the form host:port/,
  });
  await assert.rejects(namespace(['rm', 'a*'], { environment: {}, out }), {
    message: /set OUTRIGGER_ADMIN_TOKEN/,
  });
});
