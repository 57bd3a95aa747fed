/**
 * Goal: without a majority a command gets an error that says whether it may have run, in time; and what is said holds
 * once the majority is back.
 *
 * Method: both followers are killed while clients count on one key through the leader. INCRs that were under way may get
 * -INDOUBT; those sent after the leader has stepped down, and reads, get -CLUSTERDOWN. With the followers back, the counter
 * must hold what was acknowledged and at most what was in doubt, and must not move by itself afterwards.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../support/cluster.ts';
import { ErrorReply, type Reply } from '../support/raw-client.ts';
import { until, within } from '../support/until.ts';

const commandTimeoutMs = 1_500;
/** Long enough for the leader to notice, and for whatever is under way to time out. */
const alonePauseMs = 2_500;
const replyDeadlineMs = 10_000;

const isError = (reply: Reply, code: string): boolean =>
  reply instanceof ErrorReply && reply.text.startsWith(`${code} `);

test(
  'without a majority commands fail in time, and what failed never happens later',
  { timeout: 60_000 },
  async (t) => {
    const environment = { OUTRIGGER_COMMAND_TIMEOUT_MS: String(commandTimeoutMs) };
    const cluster = await startCluster(t, { environment });
    const leader = await cluster.leader();
    const followers = cluster.others(leader);
    const clients = await Promise.all(Array.from({ length: 10 }, () => leader.connect()));
    const count = (): Promise<readonly Reply[]> =>
      within(
        'the replies',
        replyDeadlineMs,
        Promise.all(clients.map((client) => client.call('INCR', 'n'))),
      );
    const before = await count();
    assert(before.every((reply) => typeof reply === 'number'));

    for (const follower of followers) follower.kill('SIGKILL');
    await Promise.all(followers.map((follower) => follower.ended));
    const underWay = await count();
    const inDoubt = underWay.filter((reply) => isError(reply, 'INDOUBT')).length;
    const refused = underWay.filter((reply) => isError(reply, 'CLUSTERDOWN')).length;
    assert.equal(inDoubt + refused, clients.length, String(underWay));
    await sleep(alonePauseMs);
    const alone = await count();
    assert(
      alone.every((reply) => isError(reply, 'CLUSTERDOWN')),
      String(alone),
    );
    const read = await within(
      'a read',
      replyDeadlineMs,
      leader.connect().then((client) => client.call('GET', 'n')),
    );
    assert(isError(read, 'CLUSTERDOWN'), String(read));

    await Promise.all(followers.map((follower) => follower.restart()));
    await cluster.ready();
    const value = Number(
      await until('reads work again', replyDeadlineMs, () => leader.ask('GET', 'n')),
    );
    t.diagnostic(`${clients.length} acknowledged, ${inDoubt} in doubt: the counter is ${value}`);
    assert(value >= clients.length && value <= clients.length + inDoubt, `the counter is ${value}`);
    const after = await count();
    const sorted = after.map(Number).toSorted((left, right) => left - right);
    assert.deepEqual(
      sorted,
      clients.map((_client, at) => value + 1 + at),
    );
    for (const client of clients) client.close();
  },
);
