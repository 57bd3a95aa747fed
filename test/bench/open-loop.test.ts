/**
 * The arithmetic of open-loop load, on a clock of the test's own.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenLoopAccount } from '../../bench/open-loop-account.ts';
import { countReplies } from '../../bench/open-loop.ts';

/** What a histogram makes of a value is right to a thousandth. */
function isNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= expected / 500 + 1e-6, `${actual} is not ${expected}`);
}

test('commands are due at even distances, on connections in turn', () => {
  const plan = { ratePerSecond: 1_000, connections: 2, seconds: 0.004, warmUpSeconds: 0 };
  const account = new OpenLoopAccount(plan, 100);
  assert.equal(account.total, 4);
  assert.equal(account.takeDue(99.9), undefined);
  assert.equal(account.takeDue(100), 0);
  assert.equal(account.takeDue(100.9), undefined);
  assert.equal(account.takeDue(102), 1);
  assert.equal(account.takeDue(102), 0);
  assert.equal(account.takeDue(102), undefined);
  assert.equal(account.takeDue(200), 1);
  assert.ok(account.isSent && !account.isAnswered);
  assert.equal(account.takeDue(300), undefined);
});

test('a standstill counts for every command that was due meanwhile', () => {
  // A server that answers within a millisecond, but for 100 ms in which it answers nothing: 10 % of a second.
  const plan = { ratePerSecond: 1_000, connections: 1, seconds: 1, warmUpSeconds: 0 };
  const account = new OpenLoopAccount(plan, 0);
  let sent = 0;
  let answered = 0;
  for (let nowMs = 0; !account.isAnswered; nowMs += 1) {
    while (account.takeDue(nowMs) !== undefined) sent += 1;
    if (nowMs >= 500 && nowMs < 600) continue;
    while (answered < sent) {
      answered += 1;
      account.answer(0, nowMs + 0.5);
    }
  }
  const figures = account.figures();
  assert.equal(figures.answered, 1_000);
  isNear(figures.p50Ms, 0.5);
  // Those due in the standstill waited 100, 99, 98 … ms: the longest tenth, and ten of all thousand waited longer than 90.5.
  isNear(figures.p99Ms, 90.5);
  isNear(figures.p999Ms, 99.5);
  isNear(figures.maxMs, 100.5);
});

test('a command that leaves late counts from when it was due, and the lateness is told', () => {
  const plan = { ratePerSecond: 10, connections: 1, seconds: 0.1, warmUpSeconds: 0 };
  const account = new OpenLoopAccount(plan, 0);
  assert.equal(account.takeDue(3), 0);
  account.answer(0, 5);
  isNear(account.figures().maxMs, 5);
  isNear(account.figures().lateP50Ms, 3);
});

test('replies of one connection belong to its own commands, whatever the others do', () => {
  const plan = { ratePerSecond: 1_000, connections: 2, seconds: 0.004, warmUpSeconds: 0 };
  const account = new OpenLoopAccount(plan, 0);
  while (account.takeDue(10) !== undefined);
  account.answer(1, 11);
  account.answer(1, 11);
  assert.throws(() => account.answer(1, 11), /nobody asked for/);
  account.answer(0, 40);
  account.answer(0, 50);
  assert.ok(account.isAnswered);
  // Due at 0, 1, 2, 3 and answered at 40, 11, 50, 11: 40, 10, 48 and 8 ms.
  isNear(account.figures().maxMs, 48);
  isNear(account.figures().p50Ms, 10);
});

test('nothing of the warm-up is counted', () => {
  const plan = { ratePerSecond: 1_000, connections: 1, seconds: 0.01, warmUpSeconds: 0.01 };
  const account = new OpenLoopAccount(plan, 0);
  assert.equal(account.total, 20);
  for (let at = 0; at < 20; at += 1) {
    account.takeDue(at);
    account.answer(0, at < 10 ? at + 500 : at + 1);
  }
  assert.equal(account.figures().answered, 10);
  isNear(account.figures().maxMs, 1);
});

test('a server that does not keep up is noticed', () => {
  const plan = { ratePerSecond: 1e6, connections: 1, seconds: 1, warmUpSeconds: 0 };
  const account = new OpenLoopAccount(plan, 0);
  while (!account.isOverrun) assert.notEqual(account.takeDue(1_000), undefined);
  for (let at = 0; at < 100; at += 1) account.answer(0, 1_000);
  assert.ok(!account.isOverrun);
});

test('replies are counted in whatever pieces they come', () => {
  const stream = Buffer.from('+OK\r\n'.repeat(3));
  for (let pieceBytes = 1; pieceBytes <= stream.length; pieceBytes += 1) {
    let count = 0;
    const take = countReplies({ bytes: 5, first: '+' }, () => (count += 1));
    for (let at = 0; at < stream.length; at += pieceBytes)
      take(stream.subarray(at, at + pieceBytes));
    assert.equal(count, 3);
  }
});

test('an error reply is not taken for an answer', () => {
  const take = countReplies({ bytes: 5, first: '+' }, () => undefined);
  assert.throws(() => take(Buffer.from('+OK\r\n-ERR no\r\n')), /-ERR no/);
});
