/**
 * Goal: what a client hears of the front itself equals Redis 7, byte for byte.
 * Method: the same bytes go to a real redis-server and to a front, each on a connection of its own that ends with QUIT or a
 * protocol error; all that comes back is compared.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { encodeCommand } from '../../src/resp/encoder.ts';
import { exchange } from '../support/exchange.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startFront, type TestFront } from '../support/test-front.ts';

const command = (...args: readonly string[]): string =>
  encodeCommand(args.map((argument) => Buffer.from(argument, 'latin1'))).toString('latin1');

const lines = (...said: readonly string[]): string => said.map((line) => `${line}\r\n`).join('');

/** Each ends with QUIT, which is added. */
const conversations: Readonly<Record<string, string>> = {
  'PING and ECHO': lines('PING', 'ping hello', 'PING a b', 'ECHO x', 'ECHO', 'ECHO a b'),
  'inline quoting': lines(
    'ECHO "a b\\n\\x41\\"\\t"',
    "ECHO 'it\\'s \\n'",
    '',
    '  ',
    'ECHO ab"c d"',
    '\tPING',
  ),
  'inline lines that end with a line feed alone': 'PING\nECHO a\n\nPING\n',
  'empty arrays': '*0\r\n*-1\r\nPING\r\n*-5\r\n*1\r\n$4\r\nPING\r\n',
  'bytes behind a bulk that are not looked at': '*2\r\n$4\r\nECHO..$1\r\nx--PING\r\n',
  'a request of HTTP': lines('POST / HTTP/1.1', 'Host: x', '', 'PING'),
  'another one': lines('PUT / HTTP/1.1', 'accept: *', 'hOST: x', '', 'PING'),
  'unknown commands': lines(
    'foo',
    'foo a b',
    'FOO "a\\r\\nb"',
    `${'n'.repeat(300)} ${'a'.repeat(300)}`,
  ),
  'unknown commands with many arguments': lines(
    `foo ${Array.from({ length: 60 }, (_, i) => `arg${i}`).join(' ')}`,
  ),
  'unknown commands with binary names': command('f\0oo', 'a\0b', '\xff') + command('', ''),
  'wrong arity': lines(
    'GET',
    'GET a b',
    'SET a',
    'MGET',
    'SELECT',
    'set',
    'DEL',
    'HELLO 2 SETNAME',
    'INCR a b',
  ),
  'wrong arity of subcommands': lines(
    'CLIENT',
    'CLIENT ID x',
    'CLIENT SETNAME',
    'CONFIG',
    'CONFIG GET',
    'CONFIG SET a',
    'COMMAND COUNT x',
    'CLIENT REPLY',
    'CLIENT NO-EVICT',
    'COMMAND GETKEYS',
    'FUNCTION',
  ),
  'unknown subcommands': lines(
    'CLIENT FOO',
    'client foo bar',
    'CONFIG x',
    'COMMAND x y',
    'FUNCTION x',
    `CLIENT ${'s'.repeat(200)}`,
  ),
  SELECT: lines(
    'SELECT 1',
    'SELECT 15',
    'SELECT 16',
    'SELECT -1',
    'SELECT x',
    'SELECT 1.5',
    'SELECT 99999999999',
    'SELECT 01',
  ),
  'AUTH without a password': lines('AUTH x', 'AUTH default x', 'AUTH other x', 'AUTH a b c'),
  'HELLO that fails': lines(
    'HELLO 4',
    'HELLO x',
    'HELLO 1',
    'HELLO 2 FOO',
    'HELLO 2 AUTH other x',
    'HELLO 2 SETNAME "a b"',
    'HELLO 2 AUTH x',
  ),
  'client names': lines(
    'CLIENT GETNAME',
    'CLIENT SETNAME me',
    'CLIENT GETNAME',
    'CLIENT SETNAME "a b"',
    'CLIENT SETNAME ""',
    'CLIENT GETNAME',
    'CLIENT SETNAME "\\x80"',
  ),
  'names set by HELLO and cleared by RESET':
    'CLIENT SETNAME me\r\nSELECT 3\r\nRESET\r\nCLIENT GETNAME\r\n',
  'CLIENT REPLY': lines(
    'PING',
    'CLIENT REPLY OFF',
    'PING',
    'FOO',
    'CLIENT REPLY ON',
    'PING',
    'CLIENT REPLY SKIP',
    'PING',
    'PING',
    'CLIENT REPLY X',
  ),
  'CLIENT REPLY SKIP while off, and twice': lines(
    'CLIENT REPLY OFF',
    'CLIENT REPLY SKIP',
    'PING',
    'CLIENT REPLY ON',
    'CLIENT REPLY SKIP',
    'CLIENT REPLY SKIP',
    'PING',
    'PING',
  ),
  'CLIENT KILL errors': lines(
    'CLIENT KILL 1.2.3.4:5',
    'CLIENT KILL ID x',
    'CLIENT KILL ID 0',
    'CLIENT KILL TYPE x',
    'CLIENT KILL FOO x',
    'CLIENT KILL ID',
    'CLIENT KILL ID 999999',
    'CLIENT KILL USER nobody',
    'CLIENT KILL SKIPME x',
    'CLIENT KILL ID 1 SKIPME',
  ),
  'CLIENT LIST errors': lines(
    'CLIENT LIST TYPE x',
    'CLIENT LIST ID x',
    'CLIENT LIST ID 999999',
    'CLIENT LIST FOO',
    'CLIENT LIST TYPE pubsub',
    'CLIENT LIST TYPE',
  ),
  'CLIENT NO-EVICT': lines('CLIENT NO-EVICT ON', 'CLIENT NO-EVICT off', 'CLIENT NO-EVICT x'),
  'CONFIG GET': lines(
    'CONFIG GET save',
    'CONFIG GET APPENDONLY',
    'CONFIG GET maxmemory',
    'CONFIG GET nothing',
    'CONFIG GET maxmemory-polic?',
    'CONFIG GET data[a-c]ases',
    'CONFIG GET databases',
    'CONFIG GET timeout',
    'CONFIG GET proto-max-bulk-len',
    'CONFIG GET cluster-enabled',
  ),
  'CONFIG SET': lines(
    'CONFIG SET nothing 1',
    'CONFIG SET databases 3',
    'CONFIG SET maxclients 500',
    'CONFIG SET maxclients 500 maxclients 500',
    'CONFIG SET save ""',
    'CONFIG SET appendonly no',
    'CONFIG SET a',
    'CONFIG SET a b c',
  ),
  'CONFIG RESETSTAT': lines('CONFIG RESETSTAT', 'CONFIG RESETSTAT x'),
  'COMMAND GETKEYS': lines(
    'COMMAND GETKEYS GET a',
    'COMMAND GETKEYS mset a 1 b 2',
    'COMMAND GETKEYS FOO a',
    'COMMAND GETKEYS PING x',
    'COMMAND GETKEYS GET a b',
    'COMMAND GETKEYS OBJECT ENCODING k',
    'COMMAND GETKEYS DEL a b c',
  ),
  'COMMAND INFO of what does not exist': lines(
    'COMMAND INFO foo',
    'COMMAND INFO foo bar',
    'COMMAND DOCS foo',
    'COMMAND LIST FOO',
    'COMMAND LIST FILTERBY x y',
    'COMMAND LIST FILTERBY PATTERN xyz*',
    'COMMAND LIST FILTERBY MODULE none',
  ),
  'COMMAND LIST': lines(
    'COMMAND LIST FILTERBY PATTERN mset',
    'COMMAND LIST FILTERBY PATTERN s?lect',
  ),
  'ROLE WAIT': lines('WAIT x 0', 'WAIT 0 x', 'WAIT 0 -1', 'WAIT 0'),
  'DEBUG SLEEP': lines('DEBUG SLEEP 0', 'DEBUG SLEEP 0.001', 'PING'),
  'FUNCTION FLUSH': lines(
    'FUNCTION FLUSH',
    'FUNCTION FLUSH SYNC',
    'FUNCTION FLUSH async',
    'FUNCTION FLUSH x',
  ),
  'TIME with arguments': lines('TIME x', 'ROLE x', 'INFO none', 'RESET x'),
};

/** Each ends the connection by itself. */
const protocolErrors: Readonly<Record<string, string>> = {
  'a count that is no number': '*a\r\nPING\r\n',
  'a count beyond 64 bits': '*99999999999999999999\r\n',
  'a count with a leading zero': '*01\r\n',
  'a count with a sign': '*+1\r\n',
  'an empty count': '*\r\n',
  'a count beyond 32 bits': '*4294967296\r\n',
  'a negative bulk length': '*1\r\n$-1\r\n',
  'a bulk length that is no number': '*1\r\n$x\r\n',
  'a bulk of a terabyte': '*1\r\n$1099511627776\r\n',
  'a bulk above the limit by one': '*1\r\n$536870913\r\n',
  'no bulk': '*1\r\n:1\r\n',
  'a nested array': '*1\r\n*1\r\n$4\r\nPING\r\n',
  'a line end for a bulk': '*1\r\n\r\n',
  'a line feed for a bulk': '*1\r\n\nabc\r\n',
  'quotes that do not close': 'PING "a\r\n',
  'quotes that close inside a word': 'PING "a"b\r\n',
  'single quotes that do not close': "PING 'a\r\n",
  'an endless inline line': 'x'.repeat(70_000),
  'an endless count': `*${'1'.repeat(70_000)}`,
  'an endless bulk length': `*1\r\n$${'1'.repeat(70_000)}`,
  'errors behind replies': 'PING\r\nFOO\r\n*1\r\n!\r\nPING\r\n',
  'QUIT, and what is behind it': 'PING\r\nQUIT\r\nPING\r\n',
};

describe('the front answers as Redis 7 does:', () => {
  let redis: RedisServer;
  let front: TestFront;
  before(async () => {
    redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
    front = await startFront(new FakeCluster());
  });
  after(async () => {
    await front[Symbol.asyncDispose]();
    await redis.stop();
  });
  for (const [what, said] of Object.entries(conversations)) {
    test(what, async () => {
      const bytes = `${said}QUIT\r\n`;
      assert.equal(await exchange(front.port, bytes), await exchange(redis.port, bytes));
    });
  }
  for (const [what, bytes] of Object.entries(protocolErrors)) {
    test(`protocol: ${what}`, async () => {
      assert.equal(await exchange(front.port, bytes), await exchange(redis.port, bytes));
    });
  }
});
