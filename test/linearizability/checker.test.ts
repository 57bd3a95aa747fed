/**
 * Goal: the checker accepts exactly the linearizable histories. Method: histories made by hand, good and bad, and generated ones
 * against a twin that tries every order.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomInteger, seededRandom, type Random } from '../../src/base/random.ts';
import { findViolation, type Operation } from './checker.ts';
import { effectOf, type State } from './model.ts';

/** `SET k a | 1 4 | +OK`; a return of `?` is in doubt. */
function history(...lines: readonly string[]): readonly Operation[] {
  return lines.map((line) => {
    const [words = '', times = '', reply = ''] = line.split('|').map((part) => part.trim());
    const [calledAt, returnedAt] = times.split(' ');
    const isInDoubt = returnedAt === '?';
    return {
      words: words.split(' '),
      calledAt: Number(calledAt),
      returnedAt: isInDoubt ? undefined : Number(returnedAt),
      reply: isInDoubt ? undefined : reply.replace('_', '\r\n'),
    };
  });
}

const good: Readonly<Record<string, readonly Operation[]>> = {
  'reads that overlap a write see it or not': history(
    'SET k a | 1 10 | +OK',
    'GET k | 2 5 | $-1',
    'GET k | 6 9 | $1_a',
  ),
  'a write in doubt that happened': history('SET k a | 1 ? |', 'GET k | 5 6 | $1_a'),
  'a write in doubt that never happened': history('SET k a | 1 ? |', 'GET k | 5 6 | $-1'),
  'a write in doubt that happened after a read': history(
    'SET k a | 1 ? |',
    'GET k | 5 6 | $-1',
    'GET k | 7 8 | $1_a',
  ),
  'counting through one in doubt': history(
    'INCR k | 1 2 | :1',
    'INCR k | 3 ? |',
    'INCR k | 4 5 | :3',
  ),
  'one lock for two who ask at once': history(
    'SET k a NX | 1 5 | $-1',
    'SET k b NX | 2 6 | +OK',
    'GET k | 7 8 | $1_b',
  ),
  'taking what was put': history(
    'SET k a | 1 2 | +OK',
    'GETDEL k | 3 6 | $1_a',
    'GETDEL k | 4 7 | $-1',
  ),
  'keys do not order each other': history(
    'SET k a | 1 2 | +OK',
    'SET l a | 3 4 | +OK',
    'GET l | 5 6 | $1_a',
    'GET k | 5 6 | $1_a',
  ),
  'appends in either order': history(
    'APPEND k a | 1 5 | :2',
    'APPEND k b | 1 5 | :1',
    'GET k | 6 7 | $2_ba',
  ),
};

const bad: Readonly<Record<string, readonly Operation[]>> = {
  'a read behind an acknowledged write': history('SET k a | 1 2 | +OK', 'GET k | 3 4 | $-1'),
  'a read that goes back': history(
    'SET k a | 1 10 | +OK',
    'GET k | 2 5 | $1_a',
    'GET k | 6 9 | $-1',
  ),
  'what nobody wrote': history('SET k a | 1 2 | +OK', 'GET k | 1 4 | $1_b'),
  'a write in doubt that is seen and then unseen': history(
    'SET k a | 1 ? |',
    'GET k | 5 6 | $1_a',
    'GET k | 7 8 | $-1',
  ),
  'a write seen before it is called': history('GET k | 1 2 | $1_a', 'SET k a | 3 ? |'),
  'an increment applied twice': history('INCR k | 1 2 | :1', 'INCR k | 3 4 | :3'),
  'an increment in doubt applied twice': history(
    'INCR k | 1 ? |',
    'INCR k | 3 4 | :2',
    'INCR k | 5 6 | :4',
  ),
  'two who hold a lock': history('SET k a NX | 1 5 | +OK', 'SET k b NX | 2 6 | +OK'),
  'taking one thing twice': history(
    'SET k a | 1 2 | +OK',
    'GETDEL k | 3 6 | $1_a',
    'GETDEL k | 4 7 | $1_a',
  ),
  'an append that is lost': history('APPEND k a | 1 2 | :1', 'APPEND k b | 3 4 | :1'),
};

for (const [name, operations] of Object.entries(good)) {
  test(`linearizable: ${name}`, () => assert.equal(findViolation(operations), undefined));
}

for (const [name, operations] of Object.entries(bad)) {
  test(`not linearizable: ${name}`, () => assert.ok(findViolation(operations)));
}

/** Tries every order of every choice of what is in doubt. */
function isLinearizable(operations: readonly Operation[], state?: string): boolean {
  if (operations.every(({ reply }) => reply === undefined)) return true;
  const firstReturn = Math.min(...operations.map(({ returnedAt }) => returnedAt ?? Infinity));
  return operations.some((operation, place) => {
    if (operation.calledAt > firstReturn) return false;
    const effect = effectOf(state, operation.words);
    if (operation.reply !== undefined && operation.reply !== effect.reply) return false;
    return isLinearizable(operations.toSpliced(place, 1), effect.state);
  });
}

const commands = ['GET k', 'SET k a', 'SET k 5', 'INCR k', 'SET k 1 NX', 'GETDEL k', 'APPEND k 1'];

/** Operations that took effect in order, with calls and returns around; some replies are then lost or wrong. */
function generate(random: Random): readonly Operation[] {
  let state: State;
  const count = randomInteger(random, 2, 7);
  const operations = Array.from({ length: count }, (_, place) => {
    const words = (commands[randomInteger(random, 0, commands.length - 1)] ?? '').split(' ');
    const effect = effectOf(state, words);
    const isLost = random.next() < 0.25;
    if (!isLost || random.next() < 0.5) state = effect.state;
    const at = 10 * place;
    return {
      words,
      calledAt: at - randomInteger(random, 0, 25),
      returnedAt: isLost ? undefined : at + randomInteger(random, 0, 25),
      reply: isLost ? undefined : effect.reply,
    };
  });
  if (random.next() < 0.5) return operations;
  const wrong = randomInteger(random, 0, count - 1);
  return operations.map((operation, place) => {
    if (place !== wrong || operation.reply === undefined) return operation;
    const other = operations[randomInteger(random, 0, count - 1)];
    return { ...operation, reply: other?.reply ?? '$-1' };
  });
}

test('the checker agrees with a twin that tries every order', (context) => {
  const seed = 1;
  const random = seededRandom(seed);
  let violations = 0;
  const histories = 20_000;
  for (let count = 0; count < histories; count += 1) {
    const operations = generate(random);
    const violation = findViolation(operations);
    assert.equal(violation === undefined, isLinearizable(operations), JSON.stringify(operations));
    if (violation !== undefined) violations += 1;
  }
  context.diagnostic(`seed ${seed}: ${violations} of ${histories} histories are not linearizable`);
  assert.ok(violations > histories / 20 && violations < histories / 2);
});

test('long histories with much in doubt are decided', () => {
  const random = seededRandom(7);
  const operations: Operation[] = [];
  let state: State;
  for (let at = 0; at < 600; at += 1) {
    const words = at % 3 === 0 ? ['SET', 'k', `v${at}`] : ['GET', 'k'];
    const effect = effectOf(state, words);
    const isLost = words[0] === 'SET' && random.next() < 0.3;
    if (!isLost || random.next() < 0.5) state = effect.state;
    operations.push({
      words,
      calledAt: at - 3 * random.next(),
      returnedAt: isLost ? undefined : at + 3 * random.next(),
      reply: isLost ? undefined : effect.reply,
    });
  }
  assert.equal(findViolation(operations), undefined);
});
