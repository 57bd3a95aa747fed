/** TCP transports on free ports, each behind a relay that can break and stall its connections. */

import { randomBytes } from 'node:crypto';
import { silentLogger, type Logger } from '../../src/base/logger.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { Timers } from '../../src/base/clock.ts';
import {
  createTcpTransport,
  type TcpTransport,
  type TcpTransportLimits,
  type TcpTransportOptions,
} from '../../src/transport/tcp-transport.ts';
import type { Address, Lane, Transport } from '../../src/transport/transport.ts';
import type { TransportHarness } from '../contract/transport.ts';
import { machineSystem } from '../../src/system.ts';
import { TcpRelay } from './tcp-relay.ts';

const host = '127.0.0.1';

export interface TcpOptions {
  readonly self: NodeId;
  readonly peers?: ReadonlyMap<NodeId, Address>;
  readonly secret?: string;
  readonly listen?: Address | undefined;
  readonly timers?: Timers;
  readonly logger?: Logger;
  readonly limits?: Partial<TcpTransportLimits>;
}

/** The options of a transport with everything that a test does not care about filled in. */
export const tcpOptions = (options: TcpOptions): TcpTransportOptions => ({
  listen: { host, port: 0 },
  peers: new Map(),
  secret: undefined,
  timers: machineSystem(0).timers,
  random: seededRandom(options.self),
  randomBytes,
  logger: silentLogger,
  ...options,
});

export async function tcpHarness(nodes: readonly NodeId[]): Promise<TransportHarness> {
  const relays = new Map<NodeId, TcpRelay>();
  const transports: TcpTransport[] = [];
  for (const node of nodes) {
    const relay = new TcpRelay();
    await relay.listen();
    relays.set(node, relay);
  }
  const relayOf = (node: NodeId): TcpRelay => relays.get(node)!;
  const sockets = (from: NodeId, to: NodeId, lane: Lane): { pause(): void; resume(): void }[] =>
    from > to
      ? relayOf(to)
          .linksOf(from, lane)
          .map((link) => link.dialler)
      : relayOf(from)
          .linksOf(to, lane)
          .map((link) => link.acceptor);
  return {
    async start({ id, members, secret }, events): Promise<Transport> {
      const peers = new Map(members.map((node) => [node, { host, port: relayOf(node).port }]));
      const options = tcpOptions({ self: id, peers, ...(secret === undefined ? {} : { secret }) });
      const transport = createTcpTransport(options);
      transports.push(transport);
      await transport.start(events);
      relayOf(id).forward(transport.address()!.port);
      return transport;
    },
    addressOf: (node) => ({ host, port: relayOf(node).port }),
    breakConnections: (one, other) =>
      one < other ? relayOf(one).breakLinks(other) : relayOf(other).breakLinks(one),
    stall: (from, to, lane) => sockets(from, to, lane).forEach((socket) => socket.pause()),
    release: (from, to, lane) => sockets(from, to, lane).forEach((socket) => socket.resume()),
    async close(): Promise<void> {
      for (const transport of transports) await transport.close();
      for (const relay of relays.values()) await relay.close();
    },
  };
}
