import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchOptions } from '../../bench/options.ts';

const names = ['commands', 'follower', 'latency'];
const options = (line: string): ReturnType<typeof benchOptions> =>
  benchOptions(line === '' ? [] : line.split(' '), names);

test('without flags everything is measured, in five rounds', () => {
  const { only, rounds, isQuick } = options('');
  assert.deepEqual({ only, rounds, isQuick }, { only: undefined, rounds: 5, isQuick: false });
  assert.equal(options('--quick').rounds, 2);
  assert.equal(options('--quick --rounds 7').rounds, 7);
});

test('sections may be given in one word or in several', () => {
  const both = ['commands', 'latency'];
  assert.deepEqual(options('--only commands latency --quick').only, both);
  assert.deepEqual(options('--only commands,latency').only, both);
  assert.deepEqual(options('--only=commands latency --rounds 1').only, both);
  assert.deepEqual(options('--quick --only commands latency').only, both);
});

test('what is not known is refused and named', () => {
  assert.throws(() => options('--only commands speed'), /--only: "speed" is not one of commands, /);
  assert.throws(() => options('--only'), /--only needs a value/);
  assert.throws(() => options('--rounds 0'), /--rounds: "0" is not/);
  assert.throws(() => options('--rounds 1.5'), /--rounds: "1.5" is not/);
  assert.throws(() => options('--fast'), /unknown flag --fast/);
  assert.throws(() => options('--rounds 1 2'), /unexpected argument "2"/);
});
