/**
 * `outrigger dev`: a cluster of separate processes on this machine, kept running until it is told to stop.
 *
 * Whatever happens to this process, no node outlives it and no temporary directory is left by an orderly end.
 */

import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { EventEmitter } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { UsageError } from '../usage-error.ts';
import { DevNode, type DevEnd, type DevStatus } from './dev-node.ts';
import { DevRedis, requireRedisServer } from './dev-redis.ts';
import {
  devOptions,
  devPlaces,
  requireFreePorts,
  startFlags,
  type DevOptions,
  type DevPlace,
} from './dev-options.ts';
import { endText, lateText, readyText, table } from './dev-report.ts';
import { devHelp } from './help.ts';

/** What a member says at its end that was removed, or is told when it comes back: it would be told so again and again. */
const removedText = /was removed from (the )?cluster/u;
const pollMs = 100;
/** A cluster that is not ready after this long is worth a word. */
const lateMs = 10_000;
/** A dead node is back within a second, its own start included. */
const restartDelayMs = 250;
/** A node that keeps giving up with a reason is not started ever faster than it can be read. */
const restartDelayMaxMs = 8_000;
/** A process that lived this long starts with a short delay again. */
const longLifeMs = 5_000;
/** Nodes stop by themselves within two seconds; what is left then is killed. */
const gracePeriodMs = 2_000;

/** What `dev` touches outside; tests give their own. */
export interface DevSurroundings {
  /** Program and first arguments of a node; flags of `start` are put behind. */
  readonly nodeCommand: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Called before the first node is started; what the nodes would each do for themselves may be done once. */
  prepare(): Promise<void>;
  /** Where signals arrive. */
  readonly signals: EventEmitter;
  /** Changes when the parent process is gone. */
  parentPid(): number;
  out(text: string): void;
  err(text: string): void;
}

/** Resolves to the exit code once everything has been stopped. Throws UsageError before anything was started. */
export async function dev(words: readonly string[], outside: DevSurroundings): Promise<number> {
  const options = devOptions(words);
  if (options.help) {
    outside.out(devHelp);
    return 0;
  }
  await requireFreePorts(devPlaces(options, options.data ?? ''));
  if (options.engine === 'redis') requireRedisServer(outside.environment);
  await outside.prepare();
  const data = options.data === undefined ? temporary() : resolve(options.data);
  try {
    const places = devPlaces(options, data);
    makeDirectories(places);
    const token = outside.environment['OUTRIGGER_ADMIN_TOKEN'] ?? randomBytes(12).toString('hex');
    const environment = { ...outside.environment, OUTRIGGER_ADMIN_TOKEN: token };
    const cluster = new DevCluster(places, options, { ...outside, environment });
    outside.out(
      `starting ${places.length} node${places.length === 1 ? '' : 's'}; data in ${data}${options.data === undefined ? ', removed at the end' : ''}\n`,
    );
    return await cluster.run();
  } finally {
    if (options.data === undefined) rmSync(data, { recursive: true, force: true });
  }
}

const temporary = (): string => mkdtempSync(join(tmpdir(), 'outrigger-'));

function makeDirectories(places: readonly DevPlace[]): void {
  for (const { directory } of places)
    try {
      mkdirSync(directory, { recursive: true });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageError(
        `cannot create the data directory ${directory} (${code}); choose another with --data`,
      );
    }
}

/** Why everything is being stopped. */
interface Ending {
  readonly code: number;
  /** Said to the user, if anything is. */
  readonly complaint: string | undefined;
}

class DevCluster {
  readonly #options: DevOptions;
  readonly #outside: DevSurroundings;
  readonly #places: readonly DevPlace[];
  readonly #nodes: readonly DevNode[];
  readonly #redises: readonly DevRedis[];
  readonly #stopping = new AbortController();
  readonly #restartDelaysMs = new Map<number, number>();
  #isReady = false;
  #ending: Ending | undefined;
  /** Called at each end of a process while stopping. */
  #onStopped: () => void = () => undefined;

  constructor(places: readonly DevPlace[], options: DevOptions, outside: DevSurroundings) {
    this.#options = options;
    this.#outside = outside;
    this.#places = places;
    this.#nodes = places.map(
      (place) =>
        new DevNode({
          place,
          command: [...outside.nodeCommand, ...startFlags(place, places, options.passedOn)],
          environment: outside.environment,
          onLine: (line, isWarning) => this.#show(place.id, line, isWarning),
          onEnd: (end) => this.#ended(place.id, end),
        }),
    );
    this.#redises = places.flatMap((place) => this.#devRedis(place));
  }

  #devRedis({ id, redisPort, directory }: DevPlace): readonly DevRedis[] {
    if (redisPort === undefined) return [];
    const { environment } = this.#outside;
    const onDeath = (): void =>
      this.#outside.out(`the redis-server of node ${id} died; starting it again, empty\n`);
    return [new DevRedis({ port: redisPort, directory, environment, onDeath })];
  }

  /** Starts all, and returns the exit code when all have stopped. */
  async run(): Promise<number> {
    const onSignal = (): void => this.#end({ code: 0, complaint: undefined });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
      this.#outside.signals.on(signal, onSignal);
    for (const redis of this.#redises) redis.start();
    for (const node of this.#nodes) node.start();
    const watching = this.#watchParent();
    const announcing = this.#announce();
    await new Promise<void>((done) => {
      this.#stopping.signal.addEventListener('abort', () => done());
      if (this.#stopping.signal.aborted) done();
    });
    await this.#stopAll();
    await Promise.all(this.#redises.map((redis) => redis.stop()));
    await Promise.all([watching, announcing]);
    await Promise.all(this.#nodes.map((node) => node.close()));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
      this.#outside.signals.off(signal, onSignal);
    if (this.#ending?.complaint !== undefined)
      this.#outside.err(`outrigger: ${this.#ending.complaint}\n`);
    return this.#ending?.code ?? 0;
  }

  /** While the processes find each other, their warnings say only that the others are not there yet. */
  #show(id: number, line: string, isWarning: boolean): void {
    if (!isWarning || this.#isReady) this.#outside.err(`node ${id}: ${line}\n`);
  }

  #end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#stopping.abort();
  }

  async #stopAll(): Promise<void> {
    const allStopped = new Promise<void>((done) => {
      this.#onStopped = () => {
        if (this.#nodes.every(({ pid }) => pid === undefined)) done();
      };
    });
    for (const node of this.#nodes) node.stop();
    const killing = new AbortController();
    const kill = wait(gracePeriodMs, undefined, { signal: killing.signal }).then(
      () => this.#nodes.forEach((node) => node.kill()),
      () => undefined,
    );
    this.#onStopped();
    await allStopped;
    killing.abort();
    await kill;
  }

  /** A process of a node is gone. */
  #ended(id: number, end: DevEnd): void {
    if (this.#stopping.signal.aborted) {
      this.#onStopped();
      return;
    }
    if (!this.#isReady && end.code === 1) {
      this.#end({ code: 1, complaint: end.complaint ?? `node ${id} exited with code 1` });
      return;
    }
    const role = this.#places.find((place) => place.id === id)?.role ?? 'member';
    const isRemoved = removedText.test(end.complaint ?? '');
    const staysDead = isRemoved ? 'it is no member any more' : this.#options.staysDead[role];
    this.#outside.out(endText(id, end, staysDead));
    if (staysDead === undefined) void this.#restart(id, end);
    else if (this.#nodes.every(({ pid }) => pid === undefined))
      this.#end({ code: 1, complaint: 'no node is left' });
  }

  async #restart(id: number, end: DevEnd): Promise<void> {
    const isRepeated = end.code !== null && end.aliveMs < longLifeMs;
    const lastMs = this.#restartDelaysMs.get(id) ?? restartDelayMs / 2;
    const delayMs = isRepeated ? Math.min(lastMs * 2, restartDelayMaxMs) : restartDelayMs;
    this.#restartDelaysMs.set(id, delayMs);
    const node = this.#nodes.find(({ place }) => place.id === id);
    if (node === undefined || !(await this.#pause(delayMs))) return;
    node.start();
    const { pid } = node;
    while (await this.#pause(pollMs)) {
      if (node.pid !== pid) return;
      const status = await node.status();
      if (status?.phase !== 'running') continue;
      this.#outside.out(`node ${id} is back (pid ${pid})\n`);
      return;
    }
  }

  /** Waits until every node runs and every shard has a leader, and says so. */
  async #announce(): Promise<void> {
    const startedMs = performance.now();
    let isLate = false;
    while (await this.#pause(pollMs)) {
      const states = await Promise.all(this.#nodes.map((node) => node.status()));
      const led = states.map((status) => shardsLed(status));
      const shards = Math.max(0, ...states.map((status) => status?.shards.length ?? 0));
      const isRunning = states.every((status) => status?.phase === 'running');
      if (!isRunning || shards === 0 || new Set(led.flat()).size < shards) {
        if (!isLate && performance.now() - startedMs > lateMs)
          this.#outside.err(
            lateText(
              this.#places,
              states.map((status) => status?.phase),
            ),
          );
        isLate ||= performance.now() - startedMs > lateMs;
        continue;
      }
      if (this.#stopping.signal.aborted) return;
      this.#isReady = true;
      const rows = this.#nodes.map(({ place, pid }, at) => ({
        place,
        pid,
        shardsLed: led[at] ?? [],
      }));
      this.#outside.out(
        `\n${table(rows)}\n${readyText(this.#places, shards, this.#outside.environment['OUTRIGGER_ADMIN_TOKEN'] ?? '')}`,
      );
      return;
    }
  }

  /** npm may die without passing the signal on to what it started; then this process has a new parent. */
  async #watchParent(): Promise<void> {
    if (this.#outside.environment['npm_lifecycle_event'] === undefined) return;
    const parent = this.#outside.parentPid();
    while (await this.#pause(pollMs * 5))
      if (this.#outside.parentPid() !== parent) this.#end({ code: 0, complaint: undefined });
  }

  /** False where everything is being stopped. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await wait(ms, undefined, { signal: this.#stopping.signal });
      return true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      throw error;
    }
  }
}

function shardsLed(status: DevStatus | undefined): readonly number[] {
  return (status?.shards ?? []).filter(({ role }) => role === 'leader').map(({ shard }) => shard);
}
