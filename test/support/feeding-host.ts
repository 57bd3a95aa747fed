/**
 * Feeds an engine that comes and goes, as a replica does: keeps the log, gives entries once the engine is well, and again behind whatever
 * position its data stands at.
 */

import type {
  Applied,
  Engine,
  EngineCommand,
  EngineEntry,
  EngineHost,
  ReadReply,
  Reply,
} from '../../src/engine/engine.ts';
import type { NodeError } from '../../src/base/errors.ts';
import { until, within } from './until.ts';

const patienceMs = 20_000;

export class FeedingHost implements EngineHost {
  readonly log: EngineEntry[] = [];
  /** Each reply an entry got, by index: one that is fed again gets another. */
  readonly replies: Map<number, (readonly Reply[])[]> = new Map();
  /** Where the data stood each time that the engine was well. */
  readonly joins: Applied[] = [];
  readonly reasons: string[] = [];
  failure: NodeError | undefined = undefined;
  isWell: boolean = false;
  readonly #engine: Engine;
  #fed = 0;
  #done = 0;
  #life = 0;
  #onSettled: () => void = () => undefined;

  /** @param log - what an earlier life of the node has logged */
  constructor(engine: Engine, log: readonly EngineEntry[] = []) {
    this.#engine = engine;
    this.log.push(...log);
    engine.open(this);
  }

  /** The last entry that is done. */
  get done(): number {
    return this.#done;
  }

  isKnown({ index, term }: Applied): boolean {
    return index === 0 || this.log[index - 1]?.term === term;
  }

  onUnwell(reason: string): void {
    this.isWell = false;
    this.#life += 1;
    this.reasons.push(reason);
  }

  onWell(applied: Applied): void {
    this.isWell = true;
    this.joins.push(applied);
    this.#fed = applied.index;
    this.#done = applied.index;
    this.#feed();
    this.#look();
  }

  onFailed(error: NodeError): void {
    this.failure = error;
    this.#look();
  }

  /** One entry; a later one than all before. */
  append(commands: readonly EngineCommand[], timeMs?: number): number {
    const index = this.log.length + 1;
    const last = this.log.at(-1)?.timeMs ?? 1_000;
    this.log.push({ index, term: 1, timeMs: timeMs ?? last, commands });
    if (this.isWell) this.#feed();
    return index;
  }

  /** Resolves when the data stands at the end of the log. */
  async settled(): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.#onSettled = resolve;
      this.#look();
    });
    await within('applying the log', patienceMs, settled);
    if (this.failure !== undefined) throw this.failure;
  }

  async joined(count: number): Promise<void> {
    await until(`the engine has joined ${count} times`, patienceMs, () => {
      return this.joins.length >= count && this.isWell;
    });
  }

  async failed(): Promise<NodeError> {
    return await until('the engine has failed', patienceMs, () => this.failure);
  }

  /** Undefined where the engine became unwell meanwhile. */
  async read(commands: readonly EngineCommand[]): Promise<readonly ReadReply[] | undefined> {
    await this.settled();
    const timeMs = this.log.at(-1)?.timeMs ?? 1_000;
    const life = this.#life;
    let found: readonly ReadReply[] | undefined;
    this.#engine.read({ commands, timeMs }, (replies) => {
      found = replies;
    });
    await until('a read is answered or void', patienceMs, () => {
      return found !== undefined || this.#life !== life;
    });
    return found;
  }

  #look(): void {
    const isDone = this.isWell && this.#done === this.log.length;
    if (isDone || this.failure !== undefined) this.#onSettled();
  }

  #feed(): void {
    while (this.isWell && this.#fed < this.log.length) {
      const entry = this.log[this.#fed];
      if (entry === undefined) return;
      this.#fed += 1;
      this.#engine.apply(entry, (replies) => {
        if (this.#done !== entry.index - 1) throw new Error('entries are not done in order');
        this.#done = entry.index;
        const all = this.replies.get(entry.index) ?? [];
        all.push(replies);
        this.replies.set(entry.index, all);
        this.#look();
      });
    }
  }
}
