/**
 * Clients of a simulated cluster, and the judge of what they were told.
 *
 * Every command and reply of theirs is recorded, and judged in the end by the linearizability checker, which also finds
 * what was applied twice: INCR and APPEND never come to the same twice. Keys with a TTL, which the checker knows nothing of, are written once,
 * and once seen gone they must stay gone.
 */

import assert from 'node:assert/strict';
import { randomInteger } from '../../src/base/random.ts';
import { findViolation, type Operation } from '../linearizability/checker.ts';
import type { Call } from '../support/virtual-calls.ts';
import type { Asked, VirtualCluster } from '../support/virtual-cluster.ts';

/** Clients of one kind a node, each with one command under way. */
const underWayMax = 3;
/** What plots ask for comes on top: a leader must be asked when it matters, whoever waits for it already. */
const urgentMax = 30;
/** Keys that are in use at a time, of each kind. */
const keysInUse = 2;
/** Commands after which a key is left alone: longer histories take longer to judge, and show no more. */
const commandsPerKey = 60;
/** No failure of these leaves a doubt. */
const didNotHappen: readonly string[] = ['cluster-down', 'closing', 'busy'];

/** Of locks. */
export const ttlMsMost = 800;

type Path = 'log' | 'read';

interface Recorded {
  readonly words: readonly string[];
  readonly shard: number;
  readonly calledAt: number;
  returnedAt: number | undefined;
  reply: string | undefined;
  hasHappened: boolean;
}

interface Command {
  readonly path: Path;
  readonly words: readonly string[];
  readonly shard: number;
  /** Not sent where so many of this node's wait already. */
  readonly most: number;
}

interface Lock {
  readonly shard: number;
  isSet: boolean;
  isGone: boolean;
}

export class Workload {
  readonly #cluster: VirtualCluster;
  readonly #operations: Recorded[] = [];
  readonly #locks: Lock[] = [];
  readonly #underWay = new Map<string, number>();
  /** One line of time for all calls and returns. */
  #moment = 0;
  #values = 0;
  replies = 0;
  /** Commands that got none. */
  failures = 0;
  /** Keys of which too much is in doubt for their histories to be judged. */
  undecided = 0;

  constructor(cluster: VirtualCluster) {
    this.#cluster = cluster;
  }

  get commands(): number {
    return this.#operations.length;
  }

  /** A command at a node, as one of its clients happens to send it; nothing where all of them wait. */
  act(node: Asked): void {
    if (!node.isReady) return;
    const roll = randomInteger(this.#cluster.random, 0, 99);
    if (roll < 45) this.read(node, roll < 8 ? 'log' : 'read');
    else if (roll < 88) this.write(node);
    else if (roll < 95) this.#readLock(node);
    else this.#setLock(node);
  }

  read(node: Asked, path: Path = 'read'): void {
    this.#record(node, { path, words: ['GET', this.#key()], most: underWayMax });
  }

  readUrgently(node: Asked): void {
    this.#record(node, { path: 'read', words: ['GET', this.#key()], most: urgentMax });
  }

  write(node: Asked): void {
    this.#values += 1;
    const value = `v${this.#values}`;
    const key = this.#key();
    const words = key.startsWith('n') ? ['INCR', key] : this.#change(key, value);
    this.#record(node, { path: 'log', words, most: underWayMax });
  }

  #change(key: string, value: string): readonly string[] {
    const roll = randomInteger(this.#cluster.random, 0, 9);
    if (roll < 5) return ['SET', key, value];
    if (roll < 6) return ['SET', key, value, 'NX'];
    if (roll < 8) return ['APPEND', key, value];
    return [roll < 9 ? 'GETDEL' : 'DEL', key];
  }

  /** `n…` are counters, `r…` registers. */
  #key(): string {
    const age = Math.floor(this.#operations.length / (2 * keysInUse * commandsPerKey));
    const place = randomInteger(this.#cluster.random, 0, 2 * keysInUse - 1);
    return `${place < keysInUse ? 'n' : 'r'}${age * keysInUse + (place % keysInUse)}`;
  }

  #shardOf(key: string): number {
    return Number(key.slice(1)) % this.#cluster.shards;
  }

  #record(node: Asked, command: Omit<Command, 'shard'>): void {
    const { words } = command;
    const shard = this.#shardOf(words[1] ?? '');
    this.#moment += 1;
    const operation: Recorded = {
      words,
      shard,
      calledAt: this.#moment,
      returnedAt: undefined,
      reply: undefined,
      hasHappened: true,
    };
    const isSent = this.#send(node, { ...command, shard }, (call) => {
      operation.hasHappened = call.isReplied || !didNotHappen.includes(call.outcome ?? '');
      if (!call.isReplied) return;
      this.#moment += 1;
      operation.returnedAt = this.#moment;
      operation.reply = call.outcome;
    });
    if (isSent) this.#operations.push(operation);
  }

  /** What waits for the log must not keep a leader that is cut off from being asked, so those who read are others. */
  #send(node: Asked, what: Command, then: (call: Call) => void): boolean {
    const slot = `${what.path} ${node.id}`;
    const underWay = this.#underWay.get(slot) ?? 0;
    if (underWay >= what.most || !node.isReady) return false;
    this.#underWay.set(slot, underWay + 1);
    node.call(what.words.join(' '), what.path, what.shard, (call) => {
      this.#underWay.set(slot, (this.#underWay.get(slot) ?? 1) - 1);
      if (call.isReplied) this.replies += 1;
      else this.failures += 1;
      then(call);
    });
    return true;
  }

  #setLock(node: Asked): void {
    const { random, shards } = this.#cluster;
    const lock = { shard: this.#locks.length % shards, isSet: false, isGone: false };
    const ttlMs = randomInteger(random, 1, ttlMsMost);
    const words = ['SET', `lock${this.#locks.length}`, 'held', 'PX', String(ttlMs), 'NX'];
    const isSent = this.#send(
      node,
      { path: 'log', words, shard: lock.shard, most: underWayMax },
      (call) => {
        lock.isSet = call.isReplied;
      },
    );
    if (isSent) this.#locks.push(lock);
  }

  #readLock(node: Asked): void {
    const newest = this.#locks.length - 1;
    if (newest < 0) return;
    const place = randomInteger(this.#cluster.random, Math.max(0, newest - 4), newest);
    const lock = this.#locks[place];
    assert.ok(lock !== undefined);
    const { shard, isGone, isSet } = lock;
    const words = ['GET', `lock${place}`];
    this.#send(node, { path: 'read', words, shard, most: underWayMax }, (call) => {
      if (!call.isReplied) return;
      const isHeld = call.outcome === '$4\r\nheld';
      assert.ok(isHeld || call.outcome === '$-1', `lock${place} is ${call.outcome}`);
      assert.ok(!(isGone && isHeld), `lock${place} came back`);
      if (isSet && !isHeld) lock.isGone = true;
    });
  }

  /** Reads what is there in the end, through members and proxies, and judges all of it. The cluster is healthy. */
  async judge(): Promise<void> {
    const { nodes, proxies, random } = this.#cluster;
    const keys = new Set(this.#operations.map(({ words }) => words[1] ?? ''));
    for (const key of keys) {
      const readers = [...nodes, ...proxies];
      const reader = readers[randomInteger(random, 0, readers.length - 1)];
      assert.ok(reader !== undefined);
      const words = ['GET', key];
      this.#moment += 1;
      const calledAt = this.#moment;
      const shard = this.#shardOf(key);
      const { outcome, isReplied } = await this.#cluster.finished(
        reader.read(words.join(' '), shard),
      );
      assert.ok(isReplied, `a healthy cluster answers ${words.join(' ')}`);
      this.#moment += 1;
      const returnedAt = this.#moment;
      const hasHappened = true;
      this.#operations.push({ words, shard, calledAt, returnedAt, reply: outcome, hasHappened });
    }
    const operations: readonly Operation[] = this.#operations.filter(
      ({ hasHappened }) => hasHappened,
    );
    const violation = findViolation(operations, () => {
      this.undecided += 1;
    });
    if (violation !== undefined) assert.fail(violation.text);
  }
}
