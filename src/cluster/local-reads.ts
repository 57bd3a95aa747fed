/**
 * This node's reads of one shard that its own replica may answer, and when it may.
 *
 * - A replica that has just started holds anything from nothing on. It answers only once it has applied what a leader had when it was asked
 *   in this life; before that, and while its engine is unwell, such reads go to the leader like any other.
 * - *At least an index* (`floor`): the read waits until the replica has applied it. It does not go to the leader instead: what comes from
 *   there is newer than anything here, and whoever has seen it could not read here any more while others write.
 * - *Not older than a bound* (`boundMs`): each answer of the leader is a probe. What was acknowledged before the question left is in the
 *   state that the answer names, so a replica that has applied that much is no older than the question. The bound is checked after the
 *   value has been read, like a lease, so that a process paused in between does not answer. Where no probe is young enough, the read
 *   goes to the leader, and its answer is the next probe: one a bound, however many reads there are.
 */

import type { Clock } from '../base/clock.ts';
import type { Replica } from '../replica/replica.ts';
import type { Submission } from './cluster.ts';
import { failAll, type OriginOptions } from './origin.ts';

/** Commands that are read at once; what a turn has beyond follows at once, too. */
const readCommandsMax = 1024;
/** Probes that the replica has not applied yet; while there are so many, newer ones are not noted. */
const probesMax = 16;

export interface LocalReadsOptions {
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
  readonly replica: Pick<Replica, 'appliedIndex' | 'isEngineWell' | 'readApplied'>;
  /** Takes them to the leader. */
  readonly askLeader: (submissions: readonly Submission[]) => void;
  readonly onSettled: OriginOptions['onSettled'];
}

/** A leader that was asked at `sentMs` named this index. */
interface Probe {
  readonly sentMs: number;
  readonly index: number;
}

interface Waiting {
  readonly submission: Submission;
  readonly deadlineMs: number;
}

export class LocalReads {
  readonly #options: LocalReadsOptions;
  #turn: Submission[] = [];
  /** For the replica to apply their floor, in the order in which they came. */
  #waiting: Waiting[] = [];
  /** In the engine, in batches. */
  readonly #reading = new Set<readonly Submission[]>();
  /** Of those that the replica has reached, the youngest. */
  #reached: Probe | undefined;
  /** Indexes and times rise. */
  #probes: Probe[] = [];
  /** Reads with a floor that were passed on to the leader. While it has them, it keeps those that follow them, lest they be older. */
  #sessionsAway = 0;

  constructor(options: LocalReadsOptions) {
    this.#options = options;
  }

  /** Whether a read that names a floor would be answered here. */
  get isReady(): boolean {
    return (
      this.#reached !== undefined && this.#options.replica.isEngineWell && this.#sessionsAway === 0
    );
  }

  /** Takes a local read; it is looked at with `flush`, at the end of the turn. */
  submit(submission: Submission): void {
    this.#turn.push(submission);
  }

  flush(): void {
    if (this.#turn.length === 0) return;
    const deadlineMs = this.#options.clock.monotonicMs() + this.#options.commandTimeoutMs;
    const turn = this.#turn.map((submission) => ({ submission, deadlineMs }));
    this.#turn = [];
    this.#waiting = [...this.#waiting, ...this.#serve(turn)];
  }

  /** A leader that was asked at `sentMs` has answered. */
  probed(sentMs: number, index: number): void {
    const last = this.#probes.at(-1) ?? this.#reached;
    if (last !== undefined && sentMs <= last.sentMs) return;
    if (this.#probes.length === probesMax) return;
    this.#probes.push({ sentMs, index: Math.max(index, last?.index ?? 0) });
    this.#reach();
  }

  /** The replica has applied more. */
  applied(): void {
    this.#reach();
    if (this.#waiting.length > 0) this.#waiting = this.#serve(this.#waiting);
  }

  /** Time-outs; called every heartbeat interval. */
  tick(): void {
    if (this.#waiting.length === 0) return;
    const { clock, onSettled } = this.#options;
    const nowMs = clock.monotonicMs();
    const isOver = ({ deadlineMs }: Waiting): boolean => deadlineMs <= nowMs;
    const over = this.#waiting.filter(isOver).map(({ submission }) => submission);
    this.#waiting = this.#serve(this.#waiting.filter((each) => !isOver(each)));
    failAll(over, 'cluster-down', onSettled);
  }

  /** The node stops. */
  close(): void {
    const all = [
      ...this.#turn.splice(0),
      ...this.#waiting.splice(0).map(({ submission }) => submission),
      ...[...this.#reading].flat(),
    ];
    this.#reading.clear();
    failAll(all, 'closing', this.#options.onSettled);
  }

  #reach(): void {
    const { appliedIndex } = this.#options.replica;
    for (;;) {
      const [first] = this.#probes;
      if (first === undefined || first.index > appliedIndex) return;
      this.#probes.shift();
      this.#reached = first;
    }
  }

  /** Reads what can be read, passes on what cannot, and answers with what has to go on waiting. */
  #serve(reads: readonly Waiting[]): Waiting[] {
    const { replica, askLeader } = this.#options;
    const waiting: Waiting[] = [];
    const ready: Submission[] = [];
    const others: Submission[] = [];
    for (const read of reads) {
      const { submission } = read;
      if (!this.#isAnsweredHere(submission)) others.push(this.#passedOn(submission));
      else if ((submission.floor ?? 0) > replica.appliedIndex) waiting.push(read);
      else ready.push(submission);
    }
    for (let at = 0; at < ready.length; at += readCommandsMax) {
      this.#read(ready.slice(at, at + readCommandsMax));
    }
    if (others.length > 0) askLeader(others);
    return waiting;
  }

  #isAnsweredHere(submission: Submission): boolean {
    if (submission.floor !== undefined) return this.isReady;
    return this.#options.replica.isEngineWell && this.#isFresh(submission);
  }

  /** The submission as the leader gets it. */
  #passedOn(submission: Submission): Submission {
    if (submission.floor === undefined) return submission;
    this.#sessionsAway += 1;
    const { path, isAlone, database, bytes, floor } = submission;
    return {
      path,
      isAlone,
      database,
      bytes,
      floor,
      settle: (reply, index) => {
        this.#sessionsAway -= 1;
        submission.settle(reply, index);
      },
      fail: (failure) => {
        this.#sessionsAway -= 1;
        submission.fail(failure);
      },
    };
  }

  /** Whether the replica is no older than the read allows. */
  #isFresh({ boundMs = Infinity }: Submission): boolean {
    if (this.#reached === undefined) return false;
    return this.#options.clock.monotonicMs() - this.#reached.sentMs <= boundMs;
  }

  #read(submissions: readonly Submission[]): void {
    const { replica, askLeader, onSettled } = this.#options;
    this.#reading.add(submissions);
    replica.readApplied(submissions, (replies, index) => {
      if (!this.#reading.delete(submissions)) return;
      const others: Submission[] = [];
      let bytes = 0;
      submissions.forEach((submission, place) => {
        const reply = replies?.[place] ?? 'due';
        if (reply === 'due' || !this.#isFresh(submission)) {
          others.push(this.#passedOn(submission));
          return;
        }
        bytes += submission.bytes.length;
        submission.settle(reply, index);
      });
      onSettled(submissions.length - others.length, bytes);
      if (others.length > 0) askLeader(others);
    });
  }
}
