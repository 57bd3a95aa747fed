/**
 * The straight line of one command through the front: decode, classify, route, submit.
 *
 * The connection has decoded it; `take` does the rest. Each step either ends the command with a reply, makes it wait by a hold on
 * the connection (it is then taken again later, from the start), or goes on. Nothing here waits, and nothing here answers for a
 * shard: a submission is settled by the cluster later, and its reply leaves in the order of the requests.
 *
 *     socket -> decode -> classify -> route -> submit -> (cluster) -> settle -> order -> socket
 */

import { shardId, type ShardId } from '../base/ids.ts';
import { keyIndexes } from '../command/keys.ts';
import type { CommandSpec } from '../command/table.ts';
import { errorReply } from '../resp/encoder.ts';
import { routeOfWalk, Router } from '../shard/route.ts';
import type { Slotter } from '../shard/slot.ts';
import { accessOf, byLeader, byLog, weakeningOf, type Access } from './access.ts';
import { Classifier } from './classify.ts';
import type { Connection } from './connection.ts';
import { submitDefaultTtls } from './default-ttl.ts';
import { notReadyReply } from './error-replies.ts';
import { fanOut } from './fan-out.ts';
import type { FrontState } from './front-state.ts';
import { refusalOf } from './refusal.ts';
import type { ServerCommands } from './server/commands.ts';
import { CommandSubmission } from './submissions.ts';
import { takeOff } from './upstream/pass.ts';

const firstShard: ShardId = shardId(0);

export class Pipeline {
  readonly #state: FrontState;
  readonly #serverCommands: ServerCommands;
  readonly #slotOf: Slotter;
  readonly #classifier = new Classifier();
  readonly #engineName: () => string;
  /** Whether the engine is a Redis: it holds all types, and keeps keys that are ours. Known with the shards. */
  #frontsRedis = false;
  /** Undefined until the number of shards is known. */
  #router: Router | undefined;

  constructor(options: {
    readonly state: FrontState;
    readonly serverCommands: ServerCommands;
    readonly slotOf: Slotter;
    readonly engineName: () => string;
  }) {
    this.#state = options.state;
    this.#serverCommands = options.serverCommands;
    this.#slotOf = options.slotOf;
    this.#engineName = options.engineName;
  }

  /** Takes the connection's current command. False: it waits, and the connection holds. */
  take(connection: Connection): boolean {
    const spec = this.#classifier.classify(connection.request);
    if (typeof spec === 'string') return this.#reject(connection, spec);
    if (this.#state.cluster.namespaces.hasDetours) {
      const isTaken = takeOff(spec, connection, this.#state);
      if (isTaken !== undefined) return isTaken;
    }
    switch (spec.kind) {
      case 'front':
        this.#state.statistics.commandsFront += 1;
        connection.client.lastCommand = spec.name;
        this.#serverCommands.serve(spec, connection);
        return true;
      case 'read':
      case 'write':
        return this.#submit(spec, connection);
      case 'refused':
        return this.#reject(connection, errorReply(spec.reason ?? 'ERR not supported'));
    }
  }

  #submit(spec: CommandSpec, connection: Connection): boolean {
    const { cluster, statistics } = this.#state;
    const router = this.#router ?? this.#learnShards();
    if (router === undefined) {
      if (connection.hasWaitedForShards) return this.#reject(connection, notReadyReply);
      this.#state.waitForShards(connection);
      return false;
    }
    if (cluster.isFull) {
      this.#state.waitForRoom(connection);
      return false;
    }
    const { request } = connection;
    const refusal = refusalOf(spec, request, router.shards, this.#frontsRedis);
    if (refusal !== undefined) return this.#reject(connection, errorReply(refusal));
    const isWrite = spec.kind === 'write';
    const walk = cluster.namespaces.hasOff ? routeOfWalk(spec) : undefined;
    if (walk !== undefined) return fanOut({ spec, route: walk, connection, state: this.#state });
    let shard = firstShard;
    if (router.shards > 1) {
      const route = router.route(spec, keyIndexes(spec, request), request);
      if (route.kind === 'error') return this.#reject(connection, errorReply(route.text));
      if (route.kind !== 'one') return fanOut({ spec, route, connection, state: this.#state });
      shard = route.shard;
    }
    const { shardOrder } = connection;
    if (!shardOrder.mayBegin(shard, isWrite)) {
      connection.hold('order');
      return false;
    }
    const isLogged = isWrite || shardOrder.followsLog(shard);
    const access = isLogged ? byLog : this.#readAccess(spec, shard, connection);
    if (isWrite) statistics.commandsWrite += 1;
    else statistics.commandsRead += 1;
    connection.client.lastCommand = spec.name;
    shardOrder.begin(shard, access.path);
    const bytes = request.commandBytes();
    const submission = new CommandSubmission({
      spec,
      access,
      bytes,
      shard,
      connection,
      statistics,
    });
    connection.expect(submission);
    cluster.submit(shard, submission);
    if (isWrite && cluster.namespaces.hasDefaultTtl) {
      submitDefaultTtls(spec, keyIndexes(spec, request), { shard, connection, state: this.#state });
    }
    return true;
  }

  #readAccess(spec: CommandSpec, shard: ShardId, connection: Connection): Access {
    const { cluster } = this.#state;
    if (cluster.namespaces.isEmpty && !connection.client.isReadOnly) return byLeader;
    const { request } = connection;
    const keys = keyIndexes(spec, request);
    const weakening = weakeningOf(cluster.namespaces, connection, keys, request);
    return accessOf(weakening, { cluster, connection, shard });
  }

  #learnShards(): Router | undefined {
    const map = this.#state.cluster.shardMap;
    if (map === undefined) return undefined;
    this.#frontsRedis = this.#engineName() === 'redis';
    this.#router = new Router({ map, slotOf: this.#slotOf });
    return this.#router;
  }

  #reject(connection: Connection, reply: string): true {
    this.#state.statistics.commandsRejected += 1;
    connection.reply(reply);
    return true;
  }
}
