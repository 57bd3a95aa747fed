/**
 * A proxy of a `VirtualCluster`: one life after another, with nothing left of the last.
 */

import assert from 'node:assert/strict';
import { memberId, type NodeId } from '../../src/base/ids.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { ShardStatus, Submission } from '../../src/cluster/cluster.ts';
import { Proxy } from '../../src/cluster/proxy.ts';
import { MemoryTransport, type MemoryNetwork } from '../../src/transport/memory-transport.ts';
import { Calls, type Call } from './virtual-calls.ts';
import type { SentFrame } from './virtual-node.ts';
import { VirtualProcess, type VirtualTime } from './virtual-time.ts';

export interface VirtualProxyOptions {
  readonly id: NodeId;
  readonly members: readonly NodeId[];
  readonly commandTimeoutMs: number;
  readonly time: VirtualTime;
  readonly network: MemoryNetwork;
  readonly seed: () => number;
  readonly onSend: (frame: SentFrame) => void;
}

interface Life {
  readonly process: VirtualProcess;
  readonly transport: MemoryTransport;
  readonly proxy: Proxy;
}

export class VirtualProxy {
  readonly id: NodeId;
  /** What its transport told it of refusals. */
  readonly refusals: string[] = [];
  readonly #options: VirtualProxyOptions;
  readonly #calls: Calls;
  #life: Life | undefined;

  constructor(options: VirtualProxyOptions) {
    this.#options = options;
    this.#calls = new Calls(options.time);
    this.id = options.id;
  }

  get proxy(): Proxy {
    assert.ok(this.#life !== undefined, `proxy ${this.id} is up`);
    return this.#life.proxy;
  }

  /** As it is in the network, for a test that sends what no proxy sends. */
  get transport(): MemoryTransport {
    assert.ok(this.#life !== undefined, `proxy ${this.id} is up`);
    return this.#life.transport;
  }

  get isUp(): boolean {
    return this.#life !== undefined;
  }

  get isReady(): boolean {
    return (this.#life?.proxy.shards ?? 0) > 0;
  }

  status(): readonly ShardStatus[] {
    return this.#life?.proxy.status() ?? [];
  }

  start(): void {
    assert.equal(this.#life, undefined, 'one life at a time');
    const { id, members, network, time, commandTimeoutMs } = this.#options;
    const random = seededRandom(this.#options.seed());
    const process = new VirtualProcess((error) => {
      throw error;
    });
    const transport = new MemoryTransport({
      self: id,
      peers: members,
      secret: undefined,
      network,
      random,
    });
    const bornMs = time.nowMs - Math.floor(random.next() * 1e6);
    const hex = (): string => Math.floor(random.next() * 16).toString(16);
    const proxy = new Proxy({
      nodeId: id,
      memberId: memberId(Array.from({ length: 16 }, hex).join('')),
      transport: {
        start: (events) => transport.start(events),
        send: (peer, lane, kind, parts) => {
          const wasTaken = transport.send(peer, lane, kind, parts);
          const payload = Buffer.concat(parts);
          this.#options.onSend({ from: id, to: peer, lane, kind, payload, wasTaken });
          return wasTaken;
        },
        isConnected: (peer, lane) => transport.isConnected(peer, lane),
        queuedBytes: (peer, lane) => transport.queuedBytes(peer, lane),
        addPeers: (peers) => transport.addPeers(peers),
        close: () => transport.close(),
      },
      clock: { monotonicMs: () => time.nowMs - bornMs, wallMs: () => 0 },
      timers: time.timersOf(process),
      tickMs: 50,
      commandTimeoutMs,
    });
    this.#life = { process, transport, proxy };
    void transport.start({
      hello: () => proxy.hello(),
      verify: (peer) => proxy.verify(peer),
      onConnected: (peer, lane) => process.run(() => proxy.connected(peer, lane)),
      onDisconnected: (peer, lane) => process.run(() => proxy.disconnected(peer, lane)),
      onFrame: (peer, _lane, kind, payload) =>
        process.run(() => {
          assert.ok(proxy.receive(peer, kind, payload), `a frame of kind ${kind} makes sense`);
        }),
      onRefused: (_peer, { kind, reason }) => this.refusals.push(`${kind}: ${reason}`),
    });
  }

  /** The end, as by kill -9. */
  crash(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    life.process.isDead = true;
    this.#calls.lose();
    void life.transport.close();
  }

  /** Stops as a node does that is told to. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    life.proxy.close();
    this.#life = undefined;
    await life.transport.close();
    life.process.isDead = true;
  }

  log(line: string, shard = 0): Call {
    return this.call(line, 'log', shard);
  }

  read(line: string, shard = 0): Call {
    return this.call(line, 'read', shard);
  }

  /** A read that a member near it may answer. */
  local(line: string, limits: Pick<Submission, 'floor' | 'boundMs'> = {}): Call {
    return this.#calls.begin(this.proxy, { line, path: 'local', shard: 0, limits });
  }

  call(line: string, path: Submission['path'], shard: number, then?: (call: Call) => void): Call {
    return this.#calls.begin(this.proxy, { line, path, shard, whenDone: then });
  }
}
