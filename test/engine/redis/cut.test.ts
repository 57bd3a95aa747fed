/**
 * Goal: wherever the apply connection is cut, and whatever of it still reaches Redis afterwards, each entry takes effect once.
 * Method: two entries at a time, of which the connection passes n bytes, or n bytes of their replies, for each n; what is left over reaches
 * Redis when the node connects anew, or never. Every entry leaves a trace that cannot be left twice unseen.
 */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Cut } from '../../support/cutting-relay.ts';
import { CuttingRelay } from '../../support/cutting-relay.ts';
import { startRedis } from '../../support/redis-server.ts';
import { assertCounted, countedEntry, joinRedis, temporaryDirectory } from './harness.ts';

async function cutEverywhere(t: TestContext, cut: Omit<Cut, 'after'>): Promise<void> {
  const redis = await startRedis();
  const relay = await CuttingRelay.start(redis.port);
  const directory = await temporaryDirectory();
  const url = `redis://127.0.0.1:${relay.port}`;
  const joined = await joinRedis({ url, directory: directory.path, isHasty: true });
  const { host } = joined;
  const appendPair = async (): Promise<void> => {
    for (let n = 0; n < 2; n += 1) host.append(countedEntry(host.log.length + 1));
    await host.settled();
  };
  try {
    await appendPair();
    // Numbers grow, and so do the bytes.
    relay.arm(undefined);
    for (let n = 0; n < 50; n += 1) await appendPair();
    relay.arm(undefined);
    await appendPair();
    const bytes = relay.passed[cut.way];
    assert.ok(bytes > 100);
    const joinsBefore = host.joins.length;
    for (let after = 0; after < bytes; after += 1) {
      relay.arm({ ...cut, after });
      await appendPair();
    }
    t.diagnostic(`cut at ${bytes} places, joined ${host.joins.length - joinsBefore} times`);
    assert.ok(host.joins.length - joinsBefore >= bytes * 0.9);
    // Had any of it been in doubt, the data would have been made anew.
    assert.ok(host.joins.slice(1).every(({ index }) => index > 0));
    await assertCounted(host);
  } finally {
    joined.close();
    await relay.close();
    await redis.stop();
    await directory.remove();
  }
}

test('cut within requests, the rest of which is lost', async (t) => {
  await cutEverywhere(t, { way: 'requests', isRestLate: false });
});

test('cut within requests, the rest of which comes late', async (t) => {
  await cutEverywhere(t, { way: 'requests', isRestLate: true });
});

test('cut within replies', async (t) => {
  await cutEverywhere(t, { way: 'replies', isRestLate: false });
});
