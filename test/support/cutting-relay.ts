/**
 * A relay in front of a Redis that cuts a member's apply connection after a given number of bytes, as a network may: the member loses it at
 * once, while Redis still has it, and may even get the rest of what was sent, later.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

export interface Cut {
  /** Counted from when the cut was asked for. */
  readonly way: 'requests' | 'replies';
  readonly after: number;
  /** What Redis has not got yet reaches it when the member connects anew; otherwise never. */
  readonly isRestLate: boolean;
}

interface Link {
  readonly member: Socket;
  readonly redis: Socket;
  isApply: boolean;
}

export class CuttingRelay {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #redisPort: number;
  #cut: Cut | undefined;
  #passed = { requests: 0, replies: 0 };
  /** Of a connection that was cut. */
  #rest: { readonly redis: Socket; readonly bytes: Buffer[] } | undefined;

  private constructor(redisPort: number) {
    this.#redisPort = redisPort;
    this.#server = createServer((socket) => this.#join(socket));
  }

  static async start(redisPort: number): Promise<CuttingRelay> {
    const relay = new CuttingRelay(redisPort);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Bytes of the apply connection that passed since the last `arm`. */
  get passed(): { readonly requests: number; readonly replies: number } {
    return this.#passed;
  }

  arm(cut: Cut | undefined): void {
    this.#cut = cut;
    this.#passed = { requests: 0, replies: 0 };
  }

  async close(): Promise<void> {
    for (const { member, redis } of this.#links) {
      member.destroy();
      redis.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(member: Socket): void {
    this.#deliverRest();
    const redis = connect(this.#redisPort, '127.0.0.1');
    const link: Link = { member, redis, isApply: false };
    this.#links.add(link);
    member.on('data', (bytes: Buffer) => {
      if (bytes.includes(':apply\r\n')) link.isApply = true;
      this.#pass(link, 'requests', bytes);
    });
    redis.on('data', (bytes: Buffer) => this.#pass(link, 'replies', bytes));
    for (const socket of [member, redis]) socket.on('error', () => socket.destroy());
    redis.on('close', () => {
      member.destroy();
      this.#links.delete(link);
    });
    member.on('close', () => {
      if (this.#rest?.redis !== redis) redis.destroy();
    });
  }

  #pass(link: Link, way: Cut['way'], bytes: Buffer): void {
    const to = way === 'requests' ? link.redis : link.member;
    if (this.#rest?.redis === link.redis) {
      if (way === 'requests') this.#rest.bytes.push(bytes);
      return;
    }
    const cut = this.#cut;
    const passed = this.#passed[way];
    if (link.isApply) this.#passed[way] += bytes.length;
    if (!link.isApply || cut?.way !== way || passed + bytes.length <= cut.after) {
      to.write(bytes);
      return;
    }
    this.#cut = undefined;
    const count = cut.after - passed;
    to.write(bytes.subarray(0, count));
    const rest = cut.isRestLate && way === 'requests' ? [bytes.subarray(count)] : [];
    // Redis keeps the connection until somebody kills it.
    this.#rest = { redis: link.redis, bytes: rest };
    link.member.end();
    link.member.destroySoon();
  }

  #deliverRest(): void {
    const rest = this.#rest;
    if (rest === undefined) return;
    for (const bytes of rest.bytes.splice(0)) rest.redis.write(bytes);
  }
}
