/**
 * Goal: a leader that was stopped and goes on never answers a read with an older value than one that was acknowledged before
 * the read was sent, reads that lay in its sockets meanwhile included.
 *
 * Method: a register that only ever grows is written through the other nodes while the leader is stopped (SIGSTOP). Reads
 * are sent to the stopped process all the while, pipelined, alone and behind writes, each with the value that must at least
 * come back; then it goes on (SIGCONT), and every reply is compared. Pauses of 3 s, and many around the lengths of the lease
 * and of the election timeout, where a lease counted wrongly would show. Last, the load that accounts for every effect, on all
 * nodes, while leaders are stopped: what their clients had sent must be done once, by the next leader.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, type TestCluster, type TestNode } from '../support/cluster.ts';
import { Load } from '../support/load.ts';
import type { RawClient, Reply } from '../support/raw-client.ts';
import { within } from '../support/until.ts';

const replyDeadlineMs = 15_000;

/** Writes ever larger values through one node until it is told to stop. */
class Register {
  /** Acknowledged. */
  value = 0;
  readonly #client: RawClient;
  #isStopping = false;
  #run: Promise<void> = Promise.resolve();

  constructor(client: RawClient) {
    this.#client = client;
  }

  start(): void {
    this.#isStopping = false;
    this.#run = this.#write();
    // `stop` hands the error over.
    this.#run.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#run;
  }

  async #write(): Promise<void> {
    while (!this.#isStopping) {
      const next = this.value + 1;
      assert.equal(await this.#client.call('SET', 'register', next), 'OK');
      this.value = next;
      await sleep(2);
    }
  }
}

interface Sent {
  readonly atLeast: number;
  readonly replies: Promise<readonly Reply[]>;
  readonly own: string;
}

let ownValues = 0;

/** Reads of all shapes; those that are sent together share what they must at least see. */
function sendReads(clients: readonly RawClient[], register: Register): Sent[] {
  return clients.map((client, at) => {
    ownValues += 1;
    const own = String(ownValues);
    const get = ['GET', 'register'];
    const shapes = [
      Array.from({ length: 20 }, () => get),
      [get],
      [['SET', `own:${at}`, own], ['GET', `own:${at}`], get],
      [
        get,
        ['SET', `own:${at}`, own],
        get,
        ['GET', `own:${at}`],
        ['MGET', 'register', `own:${at}`],
      ],
    ];
    const commands = shapes[at % shapes.length] ?? [];
    return { atLeast: register.value, own, replies: client.pipeline(commands) };
  });
}

async function compare(sent: readonly Sent[]): Promise<number> {
  let compared = 0;
  for (const { atLeast, own, replies } of sent) {
    const all = await within('the replies to queued reads', replyDeadlineMs, replies);
    for (const reply of all.flat()) {
      if (reply === 'OK' || reply === own) continue;
      assert(
        Number(reply) >= atLeast,
        `read ${String(reply)}, ${atLeast} was acknowledged before it was sent`,
      );
      compared += 1;
    }
    // The own value is read wherever it was written before.
    const reads = all.length === 3 ? [all[1]] : all.length === 5 ? [all[3]] : [];
    for (const reply of reads) assert.equal(reply, own, 'a connection reads what it wrote before');
  }
  return compared;
}

async function pauseLeader(cluster: TestCluster, pauseMs: number): Promise<string> {
  const leader = await cluster.leader();
  const [writer, reader] = cluster.others(leader) as [TestNode, TestNode];
  const register = new Register(await writer.connect());
  const queued = await Promise.all(Array.from({ length: 8 }, () => leader.connect()));
  const others = await Promise.all([writer, reader].map((node) => node.connect()));
  register.value = Number(await others[0]?.must('GET', 'register'));
  register.start();
  await sleep(50);
  const sent: Sent[] = [];
  const before = register.value;
  leader.kill('SIGSTOP');
  try {
    const endMs = performance.now() + pauseMs;
    while (performance.now() < endMs) {
      sent.push(...sendReads(queued, register), ...sendReads(others, register));
      await sleep(Math.min(100, pauseMs / 4));
    }
    sent.push(...sendReads(queued, register));
  } finally {
    leader.kill('SIGCONT');
  }
  for (let more = 0; more < 20; more += 1) {
    sent.push(...sendReads(queued, register));
    await sleep(5);
  }
  const compared = await compare(sent);
  await register.stop();
  const written = register.value - before;
  for (const client of [...queued, ...others]) client.close();
  return `${pauseMs} ms: ${compared} reads compared, ${written} writes meanwhile`;
}

for (const reads of ['lease', 'read-index']) {
  test(
    `a leader stopped for 3 s answers nothing stale when it goes on, with reads: ${reads}`,
    { timeout: 120_000 },
    async (t) => {
      const cluster = await startCluster(t, { environment: { OUTRIGGER_READS: reads } });
      await cluster.node(1).ask('SET', 'register', 1);
      t.diagnostic(await pauseLeader(cluster, 3_000));
      await cluster.ready();
    },
  );
}

test(
  'a leader stopped for about the length of its lease answers nothing stale',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t);
    await cluster.node(1).ask('SET', 'register', 1);
    for (const pauseMs of [300, 420, 500, 550, 600, 700, 850, 1_000, 1_200]) {
      t.diagnostic(await pauseLeader(cluster, pauseMs));
      await cluster.ready();
    }
  },
);

test(
  'a leader that is stopped and goes on costs no client an error, and no write counts twice',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await startCluster(t, { shards: 2 });
    const load = new Load({ sharedKeys: 8 });
    for (const node of cluster.nodes) await load.join(node);
    for (const pauseMs of [700, 1_500, 2_500]) {
      await load.progress(cluster.nodes, 10);
      const leader = await cluster.leader();
      leader.kill('SIGSTOP');
      try {
        await sleep(pauseMs);
      } finally {
        leader.kill('SIGCONT');
      }
      await load.progress(cluster.nodes, 10);
    }
    await load.stop();
    for (const node of cluster.nodes) await load.verify(node);
    assert.equal(load.inDoubt, 0);
  },
);
