/**
 * Which changes that Redis tells of are ours all the same.
 *
 * Redis keeps quiet about what the apply connection changes itself, with two exceptions: keys that a script of ours changes, and flushes. Both are
 * noted here before they are sent. A script's keys are forgotten once everything that was told of them has come. Somebody else's
 * change of just these keys in that moment is not seen; nor is one that Redis carries out in the same turn as a change of ours to the same key.
 */

import type { Connections } from './connections.ts';

const scriptStart = /^\*\d+\r\n\$4\r\nEVAL\r\n/u;

export class Owned {
  /** Touched by scripts since the last look, and before it. */
  #touched = new Set<string>();
  #settling = new Set<string>();
  #isSettling = false;
  #flushesSent = 0;
  #flushesTold = 0;

  /** These requests go out on the apply connection. A script names the keys that it changes. */
  willRun(requests: readonly string[]): void {
    for (const text of requests) if (scriptStart.test(text)) this.#noteKeys(text);
  }

  willFlush(): void {
    this.#flushesSent += 1;
  }

  /** `keys` as told; undefined for a flush. */
  isForeign(keys: readonly string[] | undefined): boolean {
    if (keys !== undefined)
      return keys.some((key) => !this.#touched.has(key) && !this.#settling.has(key));
    this.#flushesTold += 1;
    return this.#flushesTold > this.#flushesSent;
  }

  /** EVAL, script, number of keys, keys. */
  #noteKeys(text: string): void {
    const [, , count, ...rest] = argumentsOf(text);
    for (const key of rest.slice(0, Number(count))) this.#touched.add(key);
  }

  /** Forgets the keys touched so far when Redis has told everything about them. */
  settle(connections: Connections): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#settling = this.#touched;
    this.#touched = new Set();
    connections.ping(() => {
      this.#settling = new Set();
      this.#isSettling = false;
    });
  }
}

/** The arguments of a request of ours, its name first. */
function argumentsOf(text: string): string[] {
  const found: string[] = [];
  let at = text.indexOf('\r\n') + 2;
  while (at < text.length) {
    const start = text.indexOf('\r\n', at) + 2;
    const end = start + Number(text.slice(at + 1, start - 2));
    found.push(text.slice(start, end));
    at = end + 2;
  }
  return found;
}
