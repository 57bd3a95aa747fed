/**
 * Load whose every effect is accounted for: counters that show a command lost or applied twice, and unique tokens that
 * show a reply that went to the wrong command or client.
 *
 * A worker is one connection. It counts on a key of its own, so it knows each reply beforehand, and on a key that all
 * share. What was sent and not answered when its connection broke may have happened, once; everything else is exact.
 */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestNode } from './cluster.ts';
import { ErrorReply, type RawClient, type Reply } from './raw-client.ts';
import { until } from './until.ts';

/** Pause of a worker between two exchanges: enough to leave the machine's cores to the sidecars. */
const thinkMs = 4;
/** Groups of five commands in one write, by the kind of worker; 0 stands for one command at a time. */
const kinds: readonly number[] = [0, 0, 1, 8];
const progressDeadlineMs = 20_000;
/** The rest of a report would say the same. */
const complaintsMax = 20;

interface Account {
  acknowledged: number;
  /** Sent, and the connection broke before the reply. */
  inDoubt: number;
}

export class Load {
  /** Whatever no client may ever see. Empty where all went well. */
  readonly complaints: string[] = [];
  readonly #shared: readonly string[];
  readonly #accounts = new Map<string, Account>();
  /** By key, the last token known to be stored, or null, and those that may have been stored after it. */
  readonly #tokens = new Map<string, readonly (string | null)[]>();
  readonly #workers: Worker[] = [];
  #started = 0;

  /** `sharedKeys`: how many keys all workers count on; with several shards they are spread. */
  constructor(options: { readonly sharedKeys?: number } = {}) {
    const count = options.sharedKeys ?? 1;
    this.#shared = Array.from({ length: count }, (_, at) => `shared:${at}`);
  }

  /** Workers of all kinds on one node. */
  async join(node: TestNode): Promise<void> {
    for (const groups of kinds) {
      this.#started += 1;
      const client = await node.connect();
      const worker = new Worker({ load: this, node, client, id: this.#started, groups });
      this.#workers.push(worker);
      worker.start();
    }
  }

  /** From now on the node's workers may lose their connections, and only that. */
  expectLoss(node: TestNode): void {
    for (const worker of this.#workers) if (worker.node === node) worker.mayLose = true;
  }

  /** Waits until each worker of these nodes has had so many more exchanges answered. */
  async progress(nodes: readonly TestNode[], exchanges: number): Promise<void> {
    const waiting = this.#living(nodes).map((worker) => ({ worker, from: worker.exchanges }));
    await until('all clients go on', progressDeadlineMs, () => {
      this.check();
      return waiting.every(({ worker, from }) => worker.exchanges >= from + exchanges);
    });
  }

  /** Forgets how long exchanges have taken so far. */
  resetLongest(): void {
    for (const worker of this.#workers) worker.longestMs = 0;
  }

  /** The longest time that an exchange of a worker of these nodes has taken, in ms. */
  longestMs(nodes: readonly TestNode[]): number {
    return Math.max(...this.#living(nodes).map((worker) => worker.longestMs));
  }

  /** Fails with what clients complained about. */
  check(): void {
    assert.deepEqual(this.complaints.slice(0, complaintsMax), []);
  }

  /** Ends all workers behind their last reply, and closes their connections. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }

  /**
   * Compares every key with what clients were told, as this node sees it. `ranUnanswered` false: what got no reply must not have run
   * either.
   */
  async verify(
    node: TestNode,
    { ranUnanswered = true }: { readonly ranUnanswered?: boolean } = {},
  ): Promise<void> {
    this.check();
    const client = await node.connect();
    const wrong: string[] = [];
    const accounts = [...this.#accounts];
    const counted = await client.pipeline(accounts.map(([key]) => ['GET', key]));
    for (const [at, [key, { acknowledged, inDoubt }]] of accounts.entries()) {
      const value = Number(counted[at]);
      const most = ranUnanswered ? acknowledged + inDoubt : acknowledged;
      if (value >= acknowledged && value <= most) continue;
      wrong.push(`${key} is ${value}; ${acknowledged} acknowledged, ${inDoubt} in doubt`);
    }
    const tokens = [...this.#tokens];
    const stored = await client.pipeline(tokens.map(([key]) => ['GET', key]));
    for (const [at, [key, possible]] of tokens.entries()) {
      if (possible.some((token) => token === stored[at])) continue;
      wrong.push(`${key} is ${String(stored[at])}; it can be ${possible.join(' or ')}`);
    }
    client.close();
    assert.deepEqual(wrong.slice(0, complaintsMax), [], `as node ${node.id} sees it`);
  }

  /** What was acknowledged in all, for a test to show that there was load. */
  get acknowledged(): number {
    let sum = 0;
    for (const account of this.#accounts.values()) sum += account.acknowledged;
    return sum;
  }

  get inDoubt(): number {
    let sum = 0;
    for (const account of this.#accounts.values()) sum += account.inDoubt;
    return sum;
  }

  sharedKey(turn: number): string {
    return this.#shared[turn % this.#shared.length] ?? '';
  }

  account(key: string): Account {
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    const account = { acknowledged: 0, inDoubt: 0 };
    this.#accounts.set(key, account);
    return account;
  }

  stored(key: string, token: string): void {
    this.#tokens.set(key, [token]);
  }

  perhapsStored(key: string, token: string): void {
    const known = this.#tokens.get(key) ?? [null];
    this.#tokens.set(key, [...known, token]);
  }

  #living(nodes: readonly TestNode[]): readonly Worker[] {
    const workers = this.#workers.filter((each) => nodes.includes(each.node) && !each.hasEnded);
    assert(workers.length > 0, 'there are clients of these nodes');
    return workers;
  }
}

/** A command, and what becomes of it. */
interface Step {
  readonly args: readonly string[];
  /** What is wrong with the reply, if anything. */
  readonly answered: (reply: Reply) => string | undefined;
  /** The connection broke before the reply. */
  readonly lost?: () => void;
}

class Worker {
  readonly node: TestNode;
  mayLose = false;
  exchanges = 0;
  hasEnded = false;
  readonly #load: Load;
  readonly #client: RawClient;
  readonly #id: number;
  readonly #groups: number;
  #longestMs = 0;
  #sentMs: number | undefined;
  #isStopping = false;
  #turn = 0;
  #own = 0;
  #sharedSeen = new Map<string, number>();
  #run: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly load: Load;
    readonly node: TestNode;
    readonly client: RawClient;
    readonly id: number;
    readonly groups: number;
  }) {
    this.#load = options.load;
    this.node = options.node;
    this.#client = options.client;
    this.#id = options.id;
    this.#groups = options.groups;
  }

  start(): void {
    this.#run = this.#work().catch((error: unknown) => {
      this.#complain(String(error));
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#run;
    this.#client.close();
  }

  /** The one under way counts as far as it has come. */
  get longestMs(): number {
    if (this.#sentMs === undefined) return this.#longestMs;
    return Math.max(this.#longestMs, performance.now() - this.#sentMs);
  }

  set longestMs(value: number) {
    this.#longestMs = value;
    if (this.#sentMs !== undefined) this.#sentMs = performance.now();
  }

  async #work(): Promise<void> {
    while (!this.#isStopping) {
      if (this.#groups === 0) {
        for (const step of this.#group()) if (!(await this.#exchange([step]))) return;
      } else {
        const steps = Array.from({ length: this.#groups }, () => this.#group()).flat();
        if (!(await this.#exchange(steps))) return;
      }
      await sleep(thinkMs);
    }
    this.hasEnded = true;
  }

  /** False where the connection has ended. */
  async #exchange(steps: readonly Step[]): Promise<boolean> {
    this.#sentMs = performance.now();
    const replies = await this.#client.pipeline(steps.map(({ args }) => args));
    this.#longestMs = Math.max(this.#longestMs, performance.now() - this.#sentMs);
    this.#sentMs = undefined;
    for (const [at, { args, answered, lost }] of steps.entries()) {
      const reply = replies[at];
      if (reply === undefined) {
        lost?.();
        continue;
      }
      const wrong = answered(reply);
      if (wrong === undefined) continue;
      this.#complain(`${args.join(' ')} got ${String(reply)}, ${wrong}`);
    }
    if (replies.length === steps.length) {
      this.exchanges += 1;
      return true;
    }
    this.hasEnded = true;
    if (!this.mayLose) this.#complain('lost the connection');
    return false;
  }

  #group(): Step[] {
    this.#turn += 1;
    const id = this.#id;
    const turn = this.#turn;
    const token = `${id}-${turn}-${Math.random().toString(36).slice(2)}`;
    const key = `token:${id}:${turn % 7}`;
    return [
      this.#count(`own:${id}`, (value) => {
        this.#own += 1;
        return value === this.#own ? undefined : `not ${this.#own}`;
      }),
      this.#count(this.#load.sharedKey(id + turn), (value, shared) => {
        const before = this.#sharedSeen.get(shared) ?? 0;
        this.#sharedSeen.set(shared, value);
        return value > before ? undefined : `not more than ${before} before it`;
      }),
      this.#same(['ECHO', token], token),
      {
        args: ['SET', key, token],
        answered: (reply) => {
          this.#load.stored(key, token);
          return reply === 'OK' ? undefined : 'not OK';
        },
        lost: () => this.#load.perhapsStored(key, token),
      },
      this.#same(['GET', key], token),
    ];
  }

  #count(key: string, check: (value: number, key: string) => string | undefined): Step {
    const account = this.#load.account(key);
    return {
      args: ['INCR', key],
      answered: (reply) => {
        if (typeof reply === 'number') {
          account.acknowledged += 1;
          return check(reply, key);
        }
        if (reply instanceof ErrorReply && reply.text.startsWith('INDOUBT')) account.inDoubt += 1;
        return 'not a number';
      },
      lost: () => (account.inDoubt += 1),
    };
  }

  #same(args: readonly string[], token: string): Step {
    return { args, answered: (reply) => (reply === token ? undefined : `not ${token}`) };
  }

  #complain(what: string): void {
    this.#load.complaints.push(`client ${this.#id} of node ${this.node.id}: ${what}`);
  }
}
