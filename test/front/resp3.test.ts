import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toResp3 } from '../../src/front/resp3.ts';
import { exchange } from '../support/exchange.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { startRedis } from '../support/redis-server.ts';
import { startFront } from '../support/test-front.ts';

describe('a reply in RESP3', () => {
  test('has one form of null, also inside arrays', () => {
    assert.equal(toResp3('get', '$-1\r\n'), '_\r\n');
    assert.equal(toResp3('randomkey', '*-1\r\n'), '_\r\n');
    assert.equal(toResp3('mget', '*2\r\n$-1\r\n$1\r\na\r\n'), '*2\r\n_\r\n$1\r\na\r\n');
  });

  test('leaves values that look like nulls alone', () => {
    assert.equal(toResp3('get', '$5\r\n$-1\r\n\r\n'), '$5\r\n$-1\r\n\r\n');
    const values = '*2\r\n$5\r\n$-1\r\n\r\n$-1\r\n';
    assert.equal(toResp3('mget', values), '*2\r\n$5\r\n$-1\r\n\r\n_\r\n');
  });

  test('is a map where names and values alternate', () => {
    const pairs = '*2\r\n$4\r\nsave\r\n$0\r\n\r\n';
    assert.equal(toResp3('config|get', pairs), '%1\r\n$4\r\nsave\r\n$0\r\n\r\n');
    assert.equal(toResp3('lcs', '*2\r\n$3\r\nlen\r\n:0\r\n'), '%1\r\n$3\r\nlen\r\n:0\r\n');
    assert.equal(toResp3('lcs', '$2\r\nab\r\n'), '$2\r\nab\r\n');
  });

  test('is a verbatim string where the text is for people', () => {
    assert.equal(toResp3('info', '$4\r\n# Ab\r\n'), '=8\r\ntxt:# Ab\r\n');
  });

  test('leaves errors as they are', () => {
    assert.equal(toResp3('info', '-ERR no\r\n'), '-ERR no\r\n');
    assert.equal(toResp3('config|get', '-ERR no\r\n'), '-ERR no\r\n');
  });
});

/** Values that differ from server to server, and what COMMAND tells of a command beside its table row. */
const withoutOwnValues = (text: string): string =>
  text
    .replaceAll(/(\$2\r\nid\r\n):\d+/g, '$1:ID')
    .replaceAll(/=\d+\r\ntxt:[^\r]*(?:\r\n[^\r]+)*\r\n/g, '=TEXT');

test('types are those of a real Redis, from HELLO 3 to RESET', async () => {
  const redis = await startRedis();
  await using front = await startFront(new FakeCluster());
  const said = [
    'HELLO 3',
    'GET none',
    'MGET none none',
    'CONFIG GET maxmemory-policy',
    'CLIENT GETNAME',
    'CLIENT INFO',
    'CLIENT LIST',
    'COMMAND INFO nosuch',
    'COMMAND DOCS nosuch',
    'HELLO',
    'HELLO 2',
    'GET none',
    'HELLO 3',
    'RESET',
    'GET none',
    'QUIT',
  ];
  const bytes = Buffer.from(said.map((line) => `${line}\r\n`).join(''));
  try {
    const [theirs, ours] = await Promise.all([
      exchange(redis.port, bytes),
      exchange(front.port, bytes),
    ]);
    assert.equal(withoutOwnValues(ours), withoutOwnValues(theirs));
  } finally {
    await redis.stop();
  }
});

test('COMMAND INFO has sets and maps where a real Redis has them', async () => {
  await using front = await startFront(new FakeCluster());
  const bytes = Buffer.from('HELLO 3\r\nCOMMAND INFO get\r\nQUIT\r\n');
  const reply = await exchange(front.port, bytes);
  const [, info = ''] = reply.split('modules\r\n*0\r\n');
  assert.match(
    info,
    /^\*1\r\n\*10\r\n\$3\r\nget\r\n:2\r\n~2\r\n\+readonly\r\n\+fast\r\n:1\r\n:1\r\n:1\r\n~/,
  );
  assert.match(info, /~1\r\n%3\r\n\$5\r\nflags\r\n~1\r\n\+RO\r\n\$12\r\nbegin_search\r\n%2\r\n/);
});
