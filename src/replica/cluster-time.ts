/**
 * The time of entries: a leader's clock that goes on where the last entry's time stopped.
 *
 * It runs on the leader's monotonic clock and follows a reference. The reference is the leader's own wall clock while that is
 * within `stepMs` of it; otherwise it is what a majority of the voters' wall clocks agree on, and where no
 * majority agrees, nothing. So a machine whose clock is a minute off can lead without expiring a key early or
 * keeping one too long, and a clock that jumps alone is not followed. Time never goes back: where the reference is behind,
 * the clock runs at half speed until they meet.
 */

import type { Clock } from '../base/clock.ts';
import { majority, type NodeId } from '../base/ids.ts';

/** What two clocks may differ by and still count as agreeing; a smaller step of the own clock is followed at once. */
const stepMs = 500;
/** An answer that took longer says too little about its sender's clock. */
const roundTripMsMax = 250;
/** A reading older than this says nothing any more. */
const readingAgeMsMax = 10_000;
/** How fast the clock runs while it is ahead of its reference. */
const slowRate = 0.5;

interface Reading {
  /** Wall clock less our monotonic clock, ms. */
  readonly offsetMs: number;
  readonly atMs: number;
}

/** The wall clocks of this node and its peers, as offsets from this node's monotonic clock. */
export class WallClocks {
  readonly #clock: Clock;
  readonly #self: NodeId;
  readonly #readings = new Map<NodeId, Reading>();

  constructor(options: { readonly clock: Clock; readonly self: NodeId }) {
    this.#clock = options.clock;
    this.#self = options.self;
  }

  /** A peer said `wallMs` in answer to what we sent at `sentMs` of our monotonic clock. */
  observe(peer: NodeId, wallMs: number, sentMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - sentMs > roundTripMsMax) return;
    this.#readings.set(peer, { offsetMs: wallMs - (sentMs + nowMs) / 2, atMs: nowMs });
  }

  ownOffsetMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicMs();
  }

  /**
   * The offset that a majority of `voters` agrees on within `stepMs`: our own if it is among them, else the
   * median of those that agree. Undefined where none does, or too few are known.
   */
  agreedOffsetMs(voters: readonly NodeId[]): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    const own = this.ownOffsetMs();
    const offsets: number[] = [];
    for (const voter of voters) {
      if (voter === this.#self) offsets.push(own);
      const reading = this.#readings.get(voter);
      if (voter !== this.#self && reading !== undefined && nowMs - reading.atMs < readingAgeMsMax) {
        offsets.push(reading.offsetMs);
      }
    }
    offsets.sort((left, right) => left - right);
    const quorum = majority(voters.length);
    for (let first = 0; first + quorum <= offsets.length; first++) {
      const low = offsets[first] ?? 0;
      const agreeing = offsets.filter((offset) => offset >= low && offset - low <= stepMs);
      if (agreeing.length < quorum) continue;
      if (agreeing.includes(own)) return own;
      return agreeing[agreeing.length >> 1];
    }
    return undefined;
  }
}

/** One group's clock while this node leads it. */
export class LeaderClock {
  readonly #clock: Clock;
  readonly #walls: WallClocks;
  #lastEntryMs = 0;
  /** Our monotonic clock when the last entry's time was first seen. */
  #lastEntryAtMs = 0;
  #baseTimeMs = 0;
  #baseMonotonicMs = 0;
  #rate = 1;
  #settled = false;

  constructor(options: { readonly clock: Clock; readonly walls: WallClocks }) {
    this.#clock = options.clock;
    this.#walls = options.walls;
  }

  /** True once the time between the last entry and now is accounted for as well as can be; nothing is proposed before. */
  get isSettled(): boolean {
    return this.#settled;
  }

  /** An entry of that time has been applied here, whoever led. */
  entryApplied(timeMs: number): void {
    if (timeMs <= this.#lastEntryMs) return;
    this.#lastEntryMs = timeMs;
    this.#lastEntryAtMs = this.#clock.monotonicMs();
  }

  /**
   * A term begins: time goes on from the last entry's, and what has passed since that was applied here counts. More
   * may have passed, as it was made elsewhere and earlier, but never less.
   */
  begin(): void {
    const nowMs = this.#clock.monotonicMs();
    const passedMs = this.#lastEntryMs === 0 ? 0 : nowMs - this.#lastEntryAtMs;
    this.#baseTimeMs = this.#lastEntryMs + passedMs;
    this.#baseMonotonicMs = nowMs;
    this.#rate = 1;
    this.#settled = false;
  }

  /** Whole ms, never less than before. */
  nowMs(): number {
    return Math.floor(this.#exactMs(this.#clock.monotonicMs()));
  }

  /** Follows the reference; called every tick and while the clock is not settled. */
  follow(voters: readonly NodeId[]): void {
    const monotonicMs = this.#clock.monotonicMs();
    const nowMs = this.#exactMs(monotonicMs);
    const ownMs = this.#walls.ownOffsetMs() + monotonicMs;
    const agreed = this.#walls.agreedOffsetMs(voters);
    const isOwnNear = Math.abs(ownMs - nowMs) <= stepMs;
    const referenceMs = isOwnNear ? ownMs : agreed === undefined ? undefined : agreed + monotonicMs;
    this.#rate = 1;
    this.#baseTimeMs = nowMs;
    this.#baseMonotonicMs = monotonicMs;
    if (referenceMs === undefined) return;
    this.#settled = true;
    if (referenceMs >= nowMs) this.#baseTimeMs = referenceMs;
    else this.#rate = slowRate;
  }

  /**
   * Gives up waiting for an agreement: time goes on as it has begun, or, where there never was an entry, from our own
   * wall clock.
   */
  settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    if (this.#baseTimeMs === 0) this.#baseTimeMs = this.#clock.wallMs();
  }

  #exactMs(monotonicMs: number): number {
    return this.#baseTimeMs + (monotonicMs - this.#baseMonotonicMs) * this.#rate;
  }
}
