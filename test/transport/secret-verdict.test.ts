import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../src/base/ids.ts';
import { SecretVerdict } from '../../src/transport/secret-verdict.ts';

/** What each mismatch in turn means to a node with so many peers. */
const verdicts = (peerCount: number, mismatched: readonly number[]): string[] => {
  const verdict = new SecretVerdict(peerCount);
  return mismatched.map((peer) => verdict.mismatched(nodeId(peer)));
};

test('a node is outvoted when a majority of the cluster has another secret', () => {
  assert.deepEqual(verdicts(2, [1, 2]), ['later', 'fatal']);
  assert.deepEqual(verdicts(4, [1, 2, 3, 4]), ['later', 'later', 'fatal', 'fatal']);
});

test('with one peer only, its word is all there is', () => {
  assert.deepEqual(verdicts(1, [2]), ['fatal']);
});

test('one peer counts once, however often it answers', () => {
  assert.deepEqual(verdicts(2, [1, 1, 1]), ['later', 'later', 'later']);
});

test('once a proof has held, no mismatch is fatal any more', () => {
  const verdict = new SecretVerdict(2);
  verdict.mismatched(nodeId(1));
  verdict.proved();
  assert.equal(verdict.mismatched(nodeId(2)), 'later');
  assert(verdict.isProved);
});
