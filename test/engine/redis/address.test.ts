import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redisAddress } from '../../../src/engine/redis/address.ts';

const address = (url: string, user?: string, password?: string) =>
  redisAddress({ url, user, password });

test('an address is TCP, TLS or a unix socket', () => {
  assert.deepEqual(address('redis://cache.local:7000').endpoint, {
    kind: 'tcp',
    host: 'cache.local',
    port: 7000,
  });
  assert.deepEqual(address('rediss://[::1]').endpoint, { kind: 'tls', host: '::1', port: 6379 });
  for (const url of ['unix:/run/redis.sock', 'unix:///run/redis.sock'])
    assert.deepEqual(address(url).endpoint, { kind: 'unix', path: '/run/redis.sock' });
});

test('user and password come from the URL or stand beside it, and are not shown', () => {
  const inUrl = address('redis://me:p%40ss@host:1/');
  assert.deepEqual([inUrl.user, inUrl.password], ['me', 'p@ss']);
  assert.equal(inUrl.shown, 'redis://host:1');
  const beside = address('redis://me:one@host', 'you', 'two');
  assert.deepEqual([beside.user, beside.password], ['you', 'two']);
});

test('what is no address is refused without being repeated', () => {
  const urls = [
    '',
    'secret',
    'http://secret',
    'redis://host/3?secret',
    'unix:secret',
    'redis://a:%secret@h',
  ];
  for (const url of urls)
    assert.throws(
      () => address(url),
      (error: Error & { code?: string }) => {
        return error.code === 'config-invalid' && !error.message.includes('secret');
      },
    );
});
