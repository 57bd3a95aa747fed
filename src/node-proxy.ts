/**
 * Wires what makes a node a proxy: next to nothing. It has no log, no replicas and no engine, and loads none of them.
 */

import { memberId, nodeId } from './base/ids.ts';
import type { ClusterId, MemberId, NodeId } from './base/ids.ts';
import { Proxy } from './cluster/proxy.ts';
import type { NodePart, PartSurroundings, PreparedPart } from './node-part.ts';
import type { Hello, Lane, Refusal } from './transport/transport.ts';

export function prepareProxy(): PreparedPart {
  return {
    make: (surroundings) => new ProxyPart(surroundings),
    release: () => Promise.resolve(),
  };
}

class ProxyPart implements NodePart {
  readonly cluster: Proxy;
  readonly memberId: MemberId;
  readonly incarnation = 1;
  readonly membership = undefined;

  constructor({ config, system, transport }: PartSurroundings) {
    this.memberId = memberId(Buffer.from(system.randomBytes(8)).toString('hex'));
    this.cluster = new Proxy({
      nodeId: nodeId(config.nodeId),
      memberId: this.memberId,
      transport,
      clock: system.clock,
      timers: system.timers,
      tickMs: config.heartbeatMs,
      commandTimeoutMs: config.commandTimeoutMs,
    });
  }

  get clusterId(): ClusterId | undefined {
    return this.cluster.meta?.clusterId;
  }

  get phase(): NodePart['phase'] {
    return this.cluster.shards > 0 ? 'running' : 'joining';
  }

  hello(): Hello {
    return this.cluster.hello();
  }

  verify(peer: Hello): Refusal | undefined {
    return this.cluster.verify(peer);
  }

  /** It learns of the cluster as members connect. */
  start(): void {}

  connected(peer: NodeId, lane: Lane): void {
    this.cluster.connected(peer, lane);
  }

  disconnected(peer: NodeId, lane: Lane): void {
    this.cluster.disconnected(peer, lane);
  }

  receive(peer: NodeId, kind: number, payload: Uint8Array): boolean {
    return this.cluster.receive(peer, kind, payload);
  }

  /** It leads nothing. */
  handOver(): boolean {
    return false;
  }

  close(): Promise<void> {
    this.cluster.close();
    return Promise.resolve();
  }
}
