/**
 * Which commands are due, and how long each took: the bookkeeping of open-loop load.
 *
 * Commands are due at even distances, whatever becomes of those before. A latency counts from the moment at which its command
 * was due, not from when it was sent: where the server stands still, the commands that would have come meanwhile are counted
 * with the time that they would have waited. Replies of a connection come in the order of its commands.
 */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** So many commands on their way at a time say that the server does not keep up. */
const onTheirWayMax = 20_000;

export interface OpenLoopPlan {
  readonly ratePerSecond: number;
  readonly connections: number;
  readonly seconds: number;
  /** Before these seconds; nothing of it is counted. */
  readonly warmUpSeconds: number;
}

export interface OpenLoopFigures {
  /** Counted commands, all answered. */
  readonly answered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** By how much commands left late: the generator's own share of the latencies. */
  readonly lateP50Ms: number;
  readonly lateP99Ms: number;
}

export class OpenLoopAccount {
  readonly total: number;
  readonly #plan: OpenLoopPlan;
  readonly #startMs: number;
  readonly #firstCounted: number;
  readonly #latencies = createHistogram();
  readonly #lateness = createHistogram();
  /** How many commands each connection has had answered. */
  readonly #answeredOf: number[];
  #sent = 0;
  #answered = 0;

  constructor(plan: OpenLoopPlan, startMs: number) {
    this.#plan = plan;
    this.#startMs = startMs;
    this.#firstCounted = Math.round(plan.warmUpSeconds * plan.ratePerSecond);
    this.total = this.#firstCounted + Math.round(plan.seconds * plan.ratePerSecond);
    this.#answeredOf = Array.from({ length: plan.connections }, () => 0);
  }

  get isSent(): boolean {
    return this.#sent === this.total;
  }

  get isAnswered(): boolean {
    return this.#answered === this.total;
  }

  get isOverrun(): boolean {
    return this.#sent - this.#answered > onTheirWayMax;
  }

  /** The connection for the next command that is due by now; undefined where none is. */
  takeDue(nowMs: number): number | undefined {
    const at = this.#sent;
    if (at === this.total || this.#dueMs(at) > nowMs) return undefined;
    this.#sent += 1;
    if (at >= this.#firstCounted) record(this.#lateness, nowMs - this.#dueMs(at));
    return at % this.#plan.connections;
  }

  /** The connection's next reply came. */
  answer(connection: number, nowMs: number): void {
    const before = this.#answeredOf[connection] ?? 0;
    const at = before * this.#plan.connections + connection;
    if (at >= this.#sent) throw new Error('a reply came that nobody asked for');
    this.#answeredOf[connection] = before + 1;
    this.#answered += 1;
    if (at >= this.#firstCounted) record(this.#latencies, nowMs - this.#dueMs(at));
  }

  figures(): OpenLoopFigures {
    const latencyMs = (percent: number): number => toMs(this.#latencies.percentile(percent));
    return {
      answered: this.#latencies.count,
      p50Ms: latencyMs(50),
      p99Ms: latencyMs(99),
      p999Ms: latencyMs(99.9),
      maxMs: toMs(this.#latencies.max),
      lateP50Ms: toMs(this.#lateness.percentile(50)),
      lateP99Ms: toMs(this.#lateness.percentile(99)),
    };
  }

  #dueMs(at: number): number {
    return this.#startMs + (at * 1_000) / this.#plan.ratePerSecond;
  }
}

/** In whole nanoseconds, from 1 on, as a histogram wants it. */
function record(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1e6)));
}

const toMs = (nanoseconds: number): number => Number((nanoseconds / 1e6).toPrecision(4));
