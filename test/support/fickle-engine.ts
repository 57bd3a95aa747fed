/**
 * The memory engine behind a connection that breaks: what has not been answered then never is, and the data may lose its tail,
 * as with a server in another process that is restarted, restored or cut off.
 *
 * It keeps every entry that became part of the data, so a former state is the replay of the first of them.
 */

import assert from 'node:assert/strict';
import type { NodeId } from '../../src/base/ids.ts';
import type {
  Applied,
  Engine,
  EngineCommand,
  EngineEntry,
  EngineHost,
  EngineRead,
  EngineStatistics,
  ReadReply,
  Reply,
} from '../../src/engine/engine.ts';

const nothing: Applied = { index: 0, term: 0, timeMs: 0 };

/** The engines of a cluster's nodes, one shard each; a node's data outlives its processes. */
export class FickleEngines {
  readonly #engines = new Map<NodeId, FickleEngine>();
  /** What a node's data came to while nobody looked: called with each engine of a node's next life, before it is opened. */
  onNextLife: (engine: FickleEngine) => void = () => undefined;

  /** Makes the engine of a node's life, as `VirtualCluster` asks for it. */
  make(create: () => Engine, node: NodeId): FickleEngine {
    const former = this.#engines.get(node);
    const engine = new FickleEngine(create, former);
    if (former !== undefined) this.onNextLife(engine);
    this.#engines.set(node, engine);
    return engine;
  }

  of(node: { readonly id: NodeId }): FickleEngine {
    const engine = this.#engines.get(node.id);
    assert.ok(engine !== undefined, `node ${node.id} has an engine`);
    return engine;
  }

  all(): readonly FickleEngine[] {
    return [...this.#engines.values()];
  }
}

export class FickleEngine implements Engine {
  /** How many entries, reads and questions for what to log the engine takes before the connection breaks by itself. */
  breaksAfter: number = Infinity;
  /** What is given to it is not answered before `release`. */
  isHeld = false;
  readonly #create: () => Engine;
  #inner: Engine;
  #entries: EngineEntry[] = [];
  #host: EngineHost | undefined;
  #isWell = false;
  #isClosed = false;
  #held: (() => void)[] = [];
  /** Entries that it was given in this life of the connection. */
  #unanswered = 0;
  /** Raised when the connection breaks: answers of an earlier one are dropped. */
  #life = 0;

  /** `create` makes an empty engine. The data of `former` is there, as a server's is for the next life of a sidecar. */
  constructor(create: () => Engine, former?: FickleEngine) {
    this.#create = create;
    this.#inner = this.#empty();
    const entries = former === undefined ? [] : former.#entries;
    for (const entry of entries) this.#take(entry, () => undefined);
  }

  /** Entries and reads that are not answered. */
  get held(): number {
    return this.#held.length;
  }

  /** The last entry that is part of the data. */
  get applied(): Applied {
    return this.#entries.at(-1) ?? nothing;
  }

  open(host: EngineHost): void {
    this.#host = host;
    this.mend();
  }

  /** Breaks the connection. Nothing that is held is answered. */
  break(reason = 'the connection broke'): void {
    if (!this.#isWell) return;
    this.#isWell = false;
    this.#life += 1;
    this.#held = [];
    this.#unanswered = 0;
    this.breaksAfter = Infinity;
    this.#host?.onUnwell(reason);
  }

  /** The data goes back to an earlier entry: 0 is to nothing. Only while the connection is broken. */
  goBack(index: number): void {
    assert.ok(!this.#isWell, 'data that is served does not go back');
    const kept = this.#entries.filter((entry) => entry.index <= index);
    this.#entries = [];
    this.#inner = this.#empty();
    for (const entry of kept) this.#take(entry, () => undefined);
  }

  /** The connection is there again. */
  mend(): void {
    if (this.#isWell || this.#isClosed) return;
    assert.ok(this.#host !== undefined, 'an engine is opened first');
    this.#isWell = true;
    const { index, term, timeMs } = this.applied;
    assert.ok(this.#host.isKnown({ index, term, timeMs }), 'only what is durable is applied');
    this.#host.onWell({ index, term, timeMs });
  }

  /** Answers what is held, in order, and from then on at once. */
  release(): void {
    this.isHeld = false;
    while (this.#held.length > 0) this.#held.shift()?.();
  }

  apply(entry: EngineEntry, done: (replies: readonly Reply[]) => void): void {
    assert.ok(this.#isWell, 'an engine that is unwell is given nothing');
    assert.equal(entry.index, this.applied.index + 1, 'entries follow one another');
    const life = this.#life;
    let isApplied = false;
    this.#unanswered += 1;
    this.#take(entry, (replies) => {
      const answer = (): void => {
        if (life !== this.#life) return;
        this.#unanswered -= 1;
        done(replies);
      };
      if (this.isHeld || this.#isLast(isApplied)) this.#held.push(answer);
      else answer();
    });
    isApplied = true;
    this.#count();
  }

  read(read: EngineRead, done: (replies: readonly ReadReply[]) => void): void {
    assert.ok(this.#isWell, 'an engine that is unwell is not read');
    const life = this.#life;
    this.#inner.read(read, (replies) => {
      const answer = (): void => {
        if (life === this.#life) done(replies);
      };
      if (this.isHeld || this.breaksAfter <= 1) this.#held.push(answer);
      else answer();
    });
    this.#count();
  }

  resolve(
    command: EngineCommand,
    timeMs: number,
    done: (logged: EngineCommand | undefined) => void,
  ): void {
    assert.ok(this.#isWell, 'an engine that is unwell resolves nothing');
    assert.ok(timeMs >= this.applied.timeMs, 'time does not go back');
    assert.equal(this.#unanswered, 0, 'everything before it is applied');
    const life = this.#life;
    const answer = (): void => {
      if (life === this.#life) done(this.#resolved(command));
    };
    if (this.isHeld || this.breaksAfter <= 1) this.#held.push(answer);
    else answer();
    this.#count();
  }

  /** The last argument, a question mark, becomes the index at which the data stands: each replica would choose another. */
  #resolved({ database, bytes }: EngineCommand): EngineCommand {
    const text = Buffer.from(bytes).toString('latin1');
    assert.ok(text.endsWith('$1\r\n?\r\n'), 'only what has to be resolved comes here');
    const choice = String(this.applied.index);
    const resolved = `${text.slice(0, -7)}$${choice.length}\r\n${choice}\r\n`;
    return { database, bytes: Buffer.from(resolved, 'latin1') };
  }

  nextDeadlineMs(): number | undefined {
    return this.#inner.nextDeadlineMs();
  }

  digest(): Promise<string> {
    return this.#inner.digest();
  }

  statistics(): EngineStatistics {
    return this.#inner.statistics();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#isWell = false;
    this.#life += 1;
    return this.#inner.close();
  }

  /** Whether the connection breaks with what is being taken: its effect stays, its answer is lost. */
  #isLast(isLate: boolean): boolean {
    return !isLate && this.breaksAfter <= 1;
  }

  #count(): void {
    this.breaksAfter -= 1;
    if (this.breaksAfter <= 0) this.break();
  }

  #take(entry: EngineEntry, done: (replies: readonly Reply[]) => void): void {
    this.#entries.push(entry);
    this.#inner.apply(entry, done);
  }

  #empty(): Engine {
    const inner = this.#create();
    inner.open({
      isKnown: () => true,
      onUnwell: () => assert.fail('the memory engine is never unwell'),
      onWell: () => undefined,
      onFailed: (error) => assert.fail(error),
    });
    return inner;
  }
}
