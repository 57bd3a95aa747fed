/**
 * Goal: commands of every type pass the front as a Redis would answer them, in both protocols, with one shard and with several.
 * Method: the tables of cases through a front whose shards are real redis-servers, beside one more.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { ShardId } from '../../src/base/ids.ts';
import type { Submission } from '../../src/cluster/cluster.ts';
import { endOfReply } from '../../src/resp/reply-framer.ts';
import { allCases } from '../differential/cases.ts';
import { oddCursors } from '../differential/cases/keys.ts';
import { compareCase } from '../differential/suite.ts';
import { connectTarget } from '../differential/target.ts';
import { encode } from '../support/commands.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { startFront } from '../support/test-front.ts';

/** One shard: a connection to a redis-server, whose replies go to the submissions in their order. */
class RelayedShard {
  readonly #socket: Socket;
  readonly #waiting: Submission[] = [];
  #received = '';
  /** Replies of SELECT that stand before the next submission's. */
  #database = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').setNoDelay(true);
    socket.on('data', (text: string) => this.#take(text));
  }

  submit(submission: Submission): void {
    this.#waiting.push(submission);
    const { database } = submission;
    if (database !== this.#database) {
      this.#database = database;
      this.#socket.write(encode([Buffer.from('SELECT'), Buffer.from(String(database))]));
      this.#waiting.splice(-1, 0, selection);
    }
    this.#socket.write(submission.bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#received += text;
    for (;;) {
      const end = endOfReply(this.#received, 0);
      if (end < 0) return;
      const reply = this.#received.slice(0, end);
      this.#received = this.#received.slice(end);
      const submission = this.#waiting.shift();
      assert.ok(submission, 'a reply answers a command');
      submission.settle(reply, 0);
    }
  }
}

/** Takes the reply of SELECT. */
const selection: Submission = {
  path: 'log',
  isAlone: false,
  database: 0,
  bytes: Buffer.alloc(0),
  settle: (reply) => assert.equal(reply, '+OK\r\n'),
  fail: () => assert.fail('a relayed shard never fails'),
};

class RelayingCluster extends FakeCluster {
  readonly #relays: readonly RelayedShard[];

  constructor(relays: readonly RelayedShard[]) {
    super({ shards: relays.length });
    this.#relays = relays;
  }

  override submit(shard: ShardId, submission: Submission): void {
    this.#relays[shard]?.submit(submission);
  }
}

async function relayTo(server: RedisServer): Promise<RelayedShard> {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  return new RelayedShard(socket);
}

for (const count of [1, 4]) {
  describe(`with ${count} shards`, () => {
    let servers: RedisServer[] = [];
    let relays: RelayedShard[] = [];

    before(async () => {
      servers = await Promise.all(Array.from({ length: count + 1 }, () => startRedis()));
      relays = await Promise.all(servers.slice(1).map(relayTo));
    });

    after(async () => {
      for (const relay of relays) relay.close();
      await Promise.all(servers.map((server) => server.stop()));
    });

    for (const protocol of [2, 3] as const) {
      test(`RESP${protocol}`, async (t) => {
        await using front = await startFront(new RelayingCluster(relays), { engineName: 'redis' });
        const [ours, theirs] = await Promise.all([
          connectTarget(front.port, protocol),
          connectTarget(servers[0]?.port ?? 0, protocol),
        ]);
        for (const [name, lines] of Object.entries(allCases)) {
          if (count > 1 && name === oddCursors) continue;
          const shards = count === 1 ? 'one' : 'several';
          await t.test(name, () => compareCase(lines, { ours, theirs }, shards));
        }
        await Promise.all([ours.close(), theirs.close()]);
      });
    }
  });
}
