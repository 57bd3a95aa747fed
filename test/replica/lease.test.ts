import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../src/base/ids.ts';
import type { ConfState } from '../../src/raft/message.ts';
import { Lease } from '../../src/replica/lease.ts';

const members = (voters: readonly number[], outgoing: readonly number[] = []): ConfState => ({
  voters: voters.map(nodeId),
  votersOutgoing: outgoing.map(nodeId),
  learners: [],
  learnersNext: [],
  autoLeave: false,
});

/** An answer to heartbeats sent at `sentMs`, by a voter configured as we are: the lease then ends 400 ms after that. */
const promised = (sentMs: number, promiseMs = 450): { sentMs: number; promiseMs: number } => ({
  sentMs,
  promiseMs,
});

const leaseOf = (): Lease => new Lease({ self: nodeId(1), driftMs: 50 });

test('without a majority there is no lease (dissertation 6.4.1)', () => {
  const lease = leaseOf();
  assert.equal(lease.isValid(0), false);
  lease.answered(nodeId(2), promised(1_000), members([1, 2, 3, 4, 5]));
  assert.equal(lease.isValid(1_001), false);
});

test('a lease runs from the sending of the heartbeats that a majority answered', () => {
  const lease = leaseOf();
  lease.answered(nodeId(2), promised(1_000), members([1, 2, 3]));
  assert.equal(lease.isValid(1_399.9), true);
  assert.equal(lease.isValid(1_400), false);
});

test('in five voters it is the second latest answer that counts', () => {
  const five = members([1, 2, 3, 4, 5]);
  const lease = leaseOf();
  lease.answered(nodeId(2), promised(1_000), five);
  lease.answered(nodeId(3), promised(1_200), five);
  assert.equal(lease.isValid(1_399), true);
  assert.equal(lease.isValid(1_401), false);
});

test('an answer to older heartbeats shortens nothing and lengthens nothing', () => {
  const lease = leaseOf();
  lease.answered(nodeId(2), promised(1_000), members([1, 2, 3]));
  lease.answered(nodeId(2), promised(500), members([1, 2, 3]));
  assert.equal(lease.isValid(1_399), true);
});

test('in a joint configuration both majorities must have answered', () => {
  const joint = members([1, 2, 3], [1, 4, 5]);
  const lease = leaseOf();
  lease.answered(nodeId(2), promised(1_000), joint);
  assert.equal(lease.isValid(1_001), false);
  lease.answered(nodeId(4), promised(900), joint);
  assert.equal(lease.isValid(1_299), true);
  assert.equal(lease.isValid(1_300), false);
});

test('an answer of somebody who is no voter counts nothing', () => {
  const lease = leaseOf();
  lease.answered(nodeId(9), promised(1_000), members([1, 2, 3]));
  assert.equal(lease.isValid(1_001), false);
});

test('a lone voter always holds the lease', () => {
  const lease = leaseOf();
  lease.recount(members([1]));
  assert.equal(lease.isValid(1e12), true);
});

test('a lease that was given up stays so', () => {
  const lease = leaseOf();
  lease.answered(nodeId(2), promised(1_000), members([1, 2, 3]));
  lease.revoke();
  lease.answered(nodeId(2), promised(1_100), members([1, 2, 3]));
  assert.equal(lease.isValid(1_101), false);
});

test('a voter that is configured with a shorter election timeout shortens the lease', () => {
  const lease = leaseOf();
  lease.answered(nodeId(2), promised(1_000, 100), members([1, 2, 3]));
  assert.equal(lease.isValid(1_049), true);
  assert.equal(lease.isValid(1_050), false);
  lease.answered(nodeId(3), promised(990, 450), members([1, 2, 3]));
  assert.equal(lease.isValid(1_389), true);
  assert.equal(lease.isValid(1_390), false);
});
