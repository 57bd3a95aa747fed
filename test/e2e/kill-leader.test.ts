/**
 * Goal: the leader is killed under load, again and again, and clients of the other sidecars notice a pause and nothing else;
 * clients of the killed one lose their connection and nothing that was acknowledged.
 *
 * Method: clients without retries on every node, one command at a time and pipelined, count on keys of their own and on a
 * shared one, and echo, set and get unique tokens. Each round kills the leader of shard 0 with SIGKILL, waits until every
 * surviving client has gone on, starts the killed node again and puts new clients on it. In the end every counter, seen
 * through every node, must be what its clients were told.
 */

import { test } from 'node:test';
import { startCluster } from '../support/cluster.ts';
import { killLeaderAgainAndAgain } from '../support/kill-leader.ts';
import { Load } from '../support/load.ts';

test(
  'a killed leader costs clients of the other nodes a pause under 2 s and no error',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t);
    const load = new Load();
    await killLeaderAgainAndAgain({ cluster, load, rounds: 5, note: (text) => t.diagnostic(text) });
  },
);
