/**
 * Whether a history of operations on keys is linearizable: whether each can be given a moment between its call and its
 * return so that, one after the other, they have the replies that were seen.
 *
 * Keys are independent, so each is searched for itself (Herlihy and Wing, locality). The search is that of Wing and Gong with
 * Lowe's memory: choose a next operation among those that no other must precede, undo where that leads nowhere,
 * and never look twice at the same set of operations done with the same state reached.
 *
 * An operation in doubt has no return. It may take effect at any time after its call, or never.
 */

import { effectOf, isRead, type State } from './model.ts';

export interface Operation {
  /** The command; its second word is the key. */
  readonly words: readonly string[];
  /** Places on one line of time; a return and a call at the same place may have come in either order. */
  readonly calledAt: number;
  /** Undefined: in doubt. */
  readonly returnedAt: number | undefined;
  /** Undefined: in doubt. */
  readonly reply: string | undefined;
}

/** Why a history is not linearizable: the key, and the most that could be put in order. */
export interface Violation {
  readonly key: string;
  readonly text: string;
}

/** States looked at for one key; a history that needs more is too concurrent to be of use. */
const looksMax = 300_000;

/**
 * The first key whose operations cannot be put in order; undefined where there is none. `onUndecided` hears of keys of which so much is
 * in doubt that nothing is known after `looksMax` looks; without it that is an error.
 */
export function findViolation(
  operations: readonly Operation[],
  onUndecided?: (key: string) => void,
): Violation | undefined {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    const key = operation.words[1] ?? '';
    if (operation.reply === undefined && isRead(operation.words)) continue;
    const known = keys.get(key);
    if (known === undefined) keys.set(key, [operation]);
    else known.push(operation);
  }
  for (const [key, own] of keys) {
    const search = new KeySearch(own);
    const done = search.run();
    if (search.isUndecided) {
      if (onUndecided === undefined) throw new RangeError('a history has too many possible orders');
      onUndecided(key);
    } else if (done !== undefined) return { key, text: describe(key, own, done) };
  }
  return undefined;
}

interface Step {
  readonly place: number;
  readonly before: State;
}

class KeySearch {
  /** By the time of their call. */
  readonly #operations: readonly Operation[];
  readonly #isDone: boolean[];
  /**
   * For an operation in doubt, the one like it that was called before. Neither has a return, so where the later one has taken effect and
   * the earlier has not, it might as well be the other way round: the later is looked at only behind the earlier.
   */
  readonly #twins: readonly (number | undefined)[];
  /** One bit an operation, 32 to a word. */
  readonly #bits: Uint32Array;
  readonly #seen = new Set<string>();
  readonly #steps: Step[] = [];
  #state: State;
  /** Operations with a reply that are not done. */
  #left: number;
  #best: readonly Step[] = [];
  /** The search was given up. */
  isUndecided = false;

  constructor(operations: readonly Operation[]) {
    this.#operations = operations.toSorted((left, right) => left.calledAt - right.calledAt);
    this.#isDone = this.#operations.map(() => false);
    const last = new Map<string, number>();
    this.#twins = this.#operations.map(({ words, reply }, at) => {
      if (reply !== undefined) return undefined;
      const text = JSON.stringify(words);
      const twin = last.get(text);
      last.set(text, at);
      return twin;
    });
    this.#bits = new Uint32Array(Math.ceil(operations.length / 32));
    this.#left = operations.filter(({ reply }) => reply !== undefined).length;
  }

  /** Undefined where an order was found, else the longest that was. */
  run(): readonly Operation[] | undefined {
    let place = 0;
    while (this.#left > 0 && !this.isUndecided) {
      const next = this.#nextFrom(place);
      if (next !== undefined) {
        place = 0;
        continue;
      }
      if (this.#steps.length > this.#best.length) this.#best = [...this.#steps];
      const last = this.#steps.pop();
      if (last === undefined) return this.#best.map((step) => this.#at(step.place));
      this.#undo(last);
      place = last.place + 1;
    }
    return undefined;
  }

  /** Does the first operation at or after `place` that may be next; undefined where there is none. */
  #nextFrom(place: number): number | undefined {
    const firstReturn = this.#firstReturn();
    for (let at = place; at < this.#operations.length; at += 1) {
      const operation = this.#at(at);
      if (operation.calledAt > firstReturn) return undefined;
      if (this.#isDone[at] === true) continue;
      const twin = this.#twins[at];
      if (twin !== undefined && this.#isDone[twin] !== true) continue;
      const { state, reply } = effectOf(this.#state, operation.words);
      if (operation.reply !== undefined && operation.reply !== reply) continue;
      // In doubt and without effect: whether it happened makes no difference.
      if (operation.reply === undefined && state === this.#state) continue;
      this.#flip(at);
      const look = `${this.#bits.join()} ${state === undefined ? '' : `=${state}`}`;
      if (this.#seen.has(look)) {
        this.#flip(at);
        continue;
      }
      this.#seen.add(look);
      if (this.#seen.size > looksMax) {
        this.isUndecided = true;
        return undefined;
      }
      this.#steps.push({ place: at, before: this.#state });
      this.#isDone[at] = true;
      this.#state = state;
      if (operation.reply !== undefined) this.#left -= 1;
      return at;
    }
    return undefined;
  }

  /** What is called after this return cannot be next. */
  #firstReturn(): number {
    let first = Infinity;
    for (let at = 0; at < this.#operations.length; at += 1) {
      const { calledAt, returnedAt } = this.#at(at);
      if (calledAt > first) break;
      if (this.#isDone[at] !== true && returnedAt !== undefined)
        first = Math.min(first, returnedAt);
    }
    return first;
  }

  #undo({ place, before }: Step): void {
    this.#flip(place);
    this.#isDone[place] = false;
    this.#state = before;
    if (this.#at(place).reply !== undefined) this.#left += 1;
  }

  #flip(place: number): void {
    this.#bits[place >> 5] = (this.#bits[place >> 5] ?? 0) ^ (1 << (place & 31));
  }

  #at(place: number): Operation {
    const operation = this.#operations[place];
    if (operation === undefined) throw new RangeError('a place is one of the operations');
    return operation;
  }
}

function describe(key: string, all: readonly Operation[], done: readonly Operation[]): string {
  const line = ({ words, calledAt, returnedAt, reply }: Operation): string =>
    `  ${calledAt}…${returnedAt ?? ''} ${words.join(' ')} → ${reply?.replace('\r\n', ' ') ?? 'in doubt'}`;
  const rest = all.filter((operation) => !done.includes(operation));
  return [
    `the history of ${key} is not linearizable; in order:`,
    ...done.map(line),
    'but then none of these fits:',
    ...rest.map(line),
  ].join('\n');
}
