/**
 * The connections of one join with the fronted Redis. They live and die together: what is wrong with one ends all.
 *
 * - `apply` carries every write that is ours, for all shards, so that the order of its bytes is the order of effects.
 * - `read` carries reads.
 * - `tracking` is told by Redis of every change that `apply` did not make.
 * - `control` asks about the Redis itself.
 *
 * A reply that no string can hold is an error on `read`, and ends the connections elsewhere.
 *
 * Each is named after the member, before it carries anything else, so that a later life of the member can find and kill it.
 */

import type { Clock, Timers } from '../../base/clock.ts';
import { bulkOf, elementsOf, integerOf, isErrorReply } from '../../resp/reply-framer.ts';
import type { Reply } from '../engine.ts';
import { replyTooLong } from '../replies.ts';
import type { RedisAddress } from './address.ts';
import { Control, type Answer } from './control.ts';
import { Link } from './link.ts';
import { pingRequest, request } from './request.ts';
import { shownError, Unwell } from './unwell.ts';

export interface ConnectionsOptions {
  readonly address: RedisAddress;
  readonly member: string;
  /** Nothing for so long, although something is awaited: the Redis is taken for hung. */
  readonly replyTimeoutMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Called at most once, not after `close`. */
  readonly onBroken: (reason: string) => void;
  /** Keys (latin1) that somebody else changed, in any database; undefined: a whole database or all were flushed. */
  readonly onChanged: (keys: readonly string[] | undefined) => void;
}

const linkRoles = ['apply', 'read', 'tracking'] as const;
const invalidations = '__redis__:invalidate';

/** What the connections of a member are named. */
export const connectionName = (member: string, role: string): string =>
  `outrigger:${member}:${role}`;

export class Connections {
  readonly apply: Link;
  readonly read: Link;
  readonly #tracking: Link;
  readonly #options: ConnectionsOptions;
  #control: Control | undefined;
  readonly #rejects = new Set<(reason: Unwell) => void>();
  #isOver = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.apply = this.#open('apply', () => this.#breakOff('apply: a reply that nothing asked for'));
    this.read = this.#open('read', () => this.#breakOff('read: a reply that nothing asked for'));
    this.#tracking = this.#open('tracking', (reply) => this.#changed(reply));
  }

  get control(): Control {
    if (this.#control === undefined) throw new Unwell('the control connection is not open');
    return this.#control;
  }

  /** Logs in and names all connections. Resolves to the ids that Redis gave them. Rejects with `Unwell`. */
  async start(): Promise<ReadonlySet<number>> {
    const { address, member, replyTimeoutMs } = this.#options;
    const links = [this.apply, this.read, this.#tracking];
    const ids = await Promise.all(links.map((link, at) => this.#logIn(link, linkRoles[at] ?? '')));
    const control = await Control.open({
      address,
      name: connectionName(member, 'control'),
      timeoutMs: replyTimeoutMs,
      onBroken: (reason) => this.#breakOff(`control: ${reason}`),
    }).catch((cause: Error) => {
      throw new Unwell(`control: ${cause.message}`, { cause });
    });
    if (this.#isOver) {
      control.close();
      throw new Unwell('the connections were closed');
    }
    this.#control = control;
    return new Set([...ids, Number(await this.command('CLIENT', 'ID'))]);
  }

  /** From now on Redis tells of every key that changes by other hands than `apply`'s. */
  async startTracking(): Promise<void> {
    const id = integerOf(await this.ask(this.#tracking, request('CLIENT', 'ID')));
    await this.ask(this.#tracking, request('SUBSCRIBE', invalidations));
    const redirect = ['REDIRECT', String(id), 'BCAST', 'NOLOOP'];
    await this.demand(this.apply, request('CLIENT', 'TRACKING', 'ON', ...redirect));
  }

  /** One command on the control connection; rejects with `Unwell`, its message being Redis's. */
  async command(name: string, ...args: readonly (string | number)[]): Promise<Answer> {
    try {
      return await this.control.call(name, ...args);
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new Unwell(`${name} ${args[0] ?? ''}: ${what}`, { cause });
    }
  }

  /** The reply to one request; rejects with `Unwell` where the connections end before it comes. */
  ask(link: Link, text: string): Promise<Reply> {
    return this.askAll(link, text, 1).then(([reply = '']) => reply);
  }

  askAll(link: Link, text: string, count: number): Promise<readonly Reply[]> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) {
        reject(new Unwell('the connections were closed'));
        return;
      }
      this.#rejects.add(reject);
      link.send(text, count, (replies) => {
        this.#rejects.delete(reject);
        resolve(replies);
      });
    });
  }

  /** As `ask`, and rejects where the reply is an error. */
  async demand(link: Link, text: string): Promise<Reply> {
    const reply = await this.ask(link, text);
    if (isErrorReply(reply)) throw new Unwell(shownError(reply));
    return reply;
  }

  /** Ends everything where a connection has been silent too long. */
  checkSilence(): void {
    const limit = this.#options.replyTimeoutMs;
    for (const [at, link] of [this.apply, this.read, this.#tracking].entries())
      if (link.silentMs > limit) this.#breakOff(`${linkRoles[at]}: no reply for ${limit} ms`);
  }

  /**
   * Keeps idle connections from being closed by Redis, and finds those that hang. `onTold`: what was sent on `apply` before has run, and
   * every change that it made has been told.
   */
  ping(onTold: () => void): void {
    this.read.send(pingRequest, 1, () => undefined);
    this.apply.send(pingRequest, 1, () => this.#tracking.send(pingRequest, 1, onTold));
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.apply.close();
    this.read.close();
    this.#tracking.close();
    this.#control?.close();
    const rejects = [...this.#rejects];
    this.#rejects.clear();
    for (const reject of rejects) reject(new Unwell('the connections were closed'));
  }

  #open(role: (typeof linkRoles)[number], onUnasked: (reply: Reply) => void): Link {
    const { address, clock, timers } = this.#options;
    return new Link({
      address,
      clock,
      timers,
      onBroken: (reason) => this.#breakOff(`${role}: ${reason}`),
      onUnasked,
      // The reply to EXEC may not be taken for an error: the batch has run. The marker says so to the next join.
      ...(role === 'read' ? { tooLong: replyTooLong } : {}),
    });
  }

  async #logIn(link: Link, role: string): Promise<number> {
    const { address, member } = this.#options;
    const { user, password } = address;
    if (password !== undefined) {
      const names = user === undefined ? [] : [latin1(user)];
      const reply = await this.ask(link, request('AUTH', ...names, latin1(password)));
      if (isErrorReply(reply)) throw new Unwell(`it refuses the login: ${shownError(reply)}`);
    }
    await this.demand(link, request('CLIENT', 'SETNAME', connectionName(member, role)));
    return integerOf(await this.demand(link, request('CLIENT', 'ID'))) ?? 0;
  }

  #changed(reply: Reply): void {
    const [, channel, keys] = elementsOf(reply) ?? [];
    if (channel === undefined || keys === undefined || bulkOf(channel) !== invalidations) {
      this.#breakOff('tracking: a reply that nothing asked for');
      return;
    }
    this.#options.onChanged(elementsOf(keys)?.map((key) => bulkOf(key) ?? ''));
  }

  #breakOff(reason: string): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onBroken(reason);
  }
}

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
