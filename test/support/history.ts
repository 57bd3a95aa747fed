/**
 * A workload whose every answer can be judged, and its judge.
 *
 * Registers: each node writes rising numbers to a key of its own, one after the other, and all nodes read all of them. One
 * node's writes enter the log in order, so whatever a key is seen to hold must never fall: a read must not be older than
 * what was acknowledged, or seen by another read, before it began, nor newer than what had been sent when it ended.
 * Counter: INCRs through all nodes; no reply comes twice, and the sum of those acknowledged is there in the end.
 * Locks: keys with a TTL, written once; once seen gone they stay gone.
 */

import assert from 'node:assert/strict';
import { randomInteger } from '../../src/base/random.ts';
import type { Asked, VirtualCluster } from './virtual-cluster.ts';
import type { Call } from './virtual-calls.ts';

/** Bounds of what a read that begins now may see of a register. */
interface Register {
  /** Acknowledged, or seen by a read that has ended. */
  atLeast: number;
  sent: number;
}

interface Lock {
  isGone: boolean;
  isSet: boolean;
}

/** Commands a node has under way at a time, of each kind. */
const underWayMax = 3;

export class History {
  readonly #cluster: VirtualCluster;
  readonly #registers = new Map<string, Register>();
  readonly #locks: Lock[] = [];
  readonly #increments: Call[] = [];
  readonly #underWay = new Map<string, number>();
  replies = 0;

  constructor(cluster: VirtualCluster) {
    this.#cluster = cluster;
  }

  /** Some commands at a node that is up, as its clients happen to send them. */
  act(node: Asked): void {
    const { random } = this.#cluster;
    if (!node.isReady) return;
    const kind = randomInteger(random, 0, 9);
    if (kind < 2) this.#write(node);
    else if (kind < 6) this.#readRegister(node, randomInteger(random, 1, this.#clients));
    else if (kind < 8) this.#increment(node);
    else if (kind < 9) this.#setLock(node);
    else this.#readLock(node);
  }

  /** Ids of those who take commands begin with 1. */
  get #clients(): number {
    return this.#cluster.nodes.length + this.#cluster.proxies.length;
  }

  /** What is there in the end, against what was answered. */
  async judge(): Promise<void> {
    const cluster = this.#cluster;
    const reader = cluster.node(1);
    const replied = this.#increments.filter(({ isReplied }) => isReplied);
    const values = replied.map(({ outcome }) => numberOf(outcome));
    assert.equal(new Set(values).size, values.length, 'no two INCRs have the same reply');
    const definite = this.#increments.filter(({ outcome }) =>
      ['cluster-down', 'closing'].includes(outcome ?? ''),
    );
    const count = numberOf(await cluster.read(reader, 'GET counter'));
    assert.ok(count >= replied.length, `${count} counted, ${replied.length} acknowledged`);
    const most = this.#increments.length - definite.length;
    assert.ok(count <= most, `${count} counted, at most ${most} can have happened`);
    for (const [key, register] of this.#registers) {
      const value = numberOf(await cluster.read(reader, `GET ${key}`));
      assert.ok(value >= register.atLeast, `${key} is ${value}, was ${register.atLeast}`);
      assert.ok(value <= register.sent, `${key} is ${value}, which nobody wrote`);
    }
  }

  /** Clients of one kind at one node. */
  #start(slot: string, call: () => Call): Call | undefined {
    const underWay = this.#underWay.get(slot) ?? 0;
    if (underWay >= underWayMax) return undefined;
    this.#underWay.set(slot, underWay + 1);
    return call();
  }

  #ended(slot: string, call: Call): void {
    if (call.isReplied) this.replies += 1;
    this.#underWay.set(slot, (this.#underWay.get(slot) ?? 1) - 1);
  }

  #write(node: Asked): void {
    const key = `register${node.id}`;
    const register = this.#register(key);
    const slot = `write ${node.id}`;
    this.#start(slot, () => {
      register.sent += 1;
      const value = register.sent;
      return node.call(`SET ${key} ${value}`, 'log', 0, (call) => {
        this.#ended(slot, call);
        if (!call.isReplied) return;
        assert.equal(call.outcome, '+OK');
        register.atLeast = Math.max(register.atLeast, value);
      });
    });
  }

  #readRegister(node: Asked, owner: number): void {
    const key = `register${owner}`;
    const register = this.#register(key);
    const { atLeast } = register;
    const path = this.#cluster.random.next() < 0.2 ? 'log' : 'read';
    // Apart: what waits for the log must not keep a leader that is cut off from being asked.
    const slot = `${path} ${node.id}`;
    this.#start(slot, () =>
      node.call(`GET ${key}`, path, 0, (call) => {
        this.#ended(slot, call);
        if (!call.isReplied) return;
        const value = numberOf(call.outcome);
        assert.ok(value >= atLeast, `stale: ${key} was ${atLeast}, read ${value} at ${node.id}`);
        assert.ok(value <= register.sent, `${key} is ${value}, which nobody wrote`);
        register.atLeast = Math.max(register.atLeast, value);
      }),
    );
  }

  #increment(node: Asked): void {
    const slot = `increment ${node.id}`;
    const call = this.#start(slot, () =>
      node.call('INCR counter', 'log', 0, (done) => this.#ended(slot, done)),
    );
    if (call !== undefined) this.#increments.push(call);
  }

  #setLock(node: Asked): void {
    const slot = `lock ${node.id}`;
    const lock: Lock = { isGone: false, isSet: false };
    const ttlMs = randomInteger(this.#cluster.random, 1, 800);
    const key = this.#locks.length;
    const call = this.#start(slot, () =>
      node.call(`SET lock${key} held PX ${ttlMs} NX`, 'log', 0, (done) => {
        this.#ended(slot, done);
        lock.isSet = done.isReplied;
      }),
    );
    if (call !== undefined) this.#locks.push(lock);
  }

  #readLock(node: Asked): void {
    if (this.#locks.length === 0) return;
    const newest = this.#locks.length - 1;
    const key = randomInteger(this.#cluster.random, Math.max(0, newest - 4), newest);
    const lock = this.#locks[key];
    assert.ok(lock !== undefined);
    const { isGone, isSet } = lock;
    const slot = `lock ${node.id}`;
    this.#start(slot, () =>
      node.call(`GET lock${key}`, 'read', 0, (call) => {
        this.#ended(slot, call);
        if (!call.isReplied) return;
        const isHeld = call.outcome === '$4\r\nheld';
        assert.ok(isHeld || call.outcome === '$-1', `lock${key} is ${call.outcome}`);
        assert.ok(!(isGone && isHeld), `lock${key} came back`);
        if (isSet && !isHeld) lock.isGone = true;
      }),
    );
  }

  #register(key: string): Register {
    let register = this.#registers.get(key);
    if (register === undefined) {
      register = { atLeast: 0, sent: 0 };
      this.#registers.set(key, register);
    }
    return register;
  }
}

/** The number in an integer or bulk reply; 0 for a key that is not there. */
function numberOf(reply: string | undefined): number {
  if (reply === '$-1') return 0;
  const text = reply?.startsWith(':') === true ? reply.slice(1) : reply?.split('\r\n')[1];
  const value = Number(text);
  assert.ok(Number.isSafeInteger(value), `not a number: ${reply}`);
  return value;
}
