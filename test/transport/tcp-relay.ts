/**
 * A relay in front of a node's peer port, so that tests can break and stall connections as a network does.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { nodeId, type NodeId } from '../../src/base/ids.ts';
import type { Lane } from '../../src/transport/transport.ts';

/** Where the dialler's hello has its lane and its node id: behind preamble and frame header. */
const laneAt = 8 + 9 + 32;
const nodeAt = 8 + 9 + 37;

interface Link {
  readonly dialler: Socket;
  readonly acceptor: Socket;
  dialledBy: NodeId | undefined;
  lane: Lane | undefined;
}

export class TcpRelay {
  readonly #server: Server;
  readonly #links: Set<Link> = new Set();
  /** The port of the node behind the relay. */
  #targetPort = 0;

  constructor() {
    this.#server = createServer((socket) => this.#join(socket));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
  }

  forward(port: number): void {
    this.#targetPort = port;
  }

  linksOf(peer: NodeId, lane?: Lane): Link[] {
    return [...this.#links].filter(
      (link) => link.dialledBy === peer && (lane === undefined || link.lane === lane),
    );
  }

  breakLinks(peer: NodeId): void {
    for (const link of this.linksOf(peer)) link.dialler.destroy();
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.dialler.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #join(dialler: Socket): void {
    const acceptor = connect({ host: '127.0.0.1', port: this.#targetPort });
    const link: Link = { dialler, acceptor, dialledBy: undefined, lane: undefined };
    this.#links.add(link);
    dialler.on('data', (chunk: Buffer) => {
      if (link.dialledBy === undefined && chunk.length > nodeAt + 2) {
        link.lane = chunk[laneAt] === 0 ? 'control' : 'data';
        link.dialledBy = nodeId(chunk.readUInt32BE(nodeAt));
      }
      acceptor.write(chunk);
    });
    acceptor.on('data', (chunk: Buffer) => dialler.write(chunk));
    for (const [here, there] of [
      [dialler, acceptor],
      [acceptor, dialler],
    ] as const) {
      here.on('error', () => there.destroy());
      here.on('close', () => {
        there.destroy();
        this.#links.delete(link);
      });
    }
  }
}
