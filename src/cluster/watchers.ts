/**
 * The proxies that are connected to this member, and what they are told: the state of the meta group and who leads what,
 * when they come and whenever it changes. A proxy watches all members, so it need not look for another where one dies or is cut
 * off, and what it is told twice costs it nothing.
 *
 * Proxies are nobody's peers in consensus: they may bring commands and reads, and nothing else that they send is looked at.
 */

import { assert } from '../base/assert.ts';
import type { Timers } from '../base/clock.ts';
import type { MemberId, NodeId } from '../base/ids.ts';
import type { Hello, Lane, Refusal, Transport } from '../transport/transport.ts';
import { frameKind } from './frames.ts';
import { parseGreeting } from './greeting.ts';
import { encodeView, type ViewFrame } from './view.ts';

/** One more is refused: each has two sockets, and whatever changes is told to each. */
export const proxiesMax: number = 1_000;

const kindsOfProxies: readonly number[] = [
  frameKind.group,
  frameKind.open,
  frameKind.read,
  frameKind.recall,
  frameKind.nearRead,
];

interface Proxy {
  readonly memberId: MemberId;
  readonly lanes: Set<Lane>;
  /** Of the state of the meta group that it was told last; 0 where none was. */
  toldVersion: number;
}

export interface WatchersOptions {
  readonly self: NodeId;
  readonly timers: Timers;
  readonly transport: Pick<Transport, 'send'>;
  /** All that this member knows now; undefined while there is nothing to tell. */
  readonly view: () => ViewFrame | undefined;
}

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #proxies = new Map<NodeId, Proxy>();
  /** Those that do not know what this member knows. Invariant: each has its control lane. */
  readonly #due = new Set<NodeId>();
  #isScheduled = false;

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  has(node: NodeId): boolean {
    return this.#proxies.has(node);
  }

  /** What a proxy may send. */
  mayReceive(kind: number): boolean {
    return kindsOfProxies.includes(kind);
  }

  /** Whether one more proxy may come, or another lane of one that is here. */
  admit({ nodeId, memberId }: Hello): Refusal | undefined {
    const { self } = this.#options;
    const known = this.#proxies.get(nodeId);
    const reason =
      known === undefined
        ? this.#proxies.size >= proxiesMax
          ? `node ${self} serves ${proxiesMax} proxies already: start fewer`
          : undefined
        : known.memberId === memberId
          ? undefined
          : `another proxy is connected to node ${self} as node ${nodeId}: give each its own nodeId, or none`;
    return reason === undefined ? undefined : { kind: 'later', reason };
  }

  connected(node: NodeId, lane: Lane, hello: Hello): void {
    if (parseGreeting(hello.greeting)?.role !== 'proxy') return;
    const known = this.#proxies.get(node) ?? {
      memberId: hello.memberId,
      lanes: new Set(),
      toldVersion: 0,
    };
    assert(known.memberId === hello.memberId, 'a node id has one life at a time');
    this.#proxies.set(node, known);
    known.lanes.add(lane);
    if (lane !== 'control') return;
    known.toldVersion = 0;
    this.#due.add(node);
    this.#schedule();
  }

  disconnected(node: NodeId, lane: Lane): void {
    const known = this.#proxies.get(node);
    if (known === undefined) return;
    known.lanes.delete(lane);
    if (lane === 'control') this.#due.delete(node);
    if (known.lanes.size === 0) this.#proxies.delete(node);
  }

  /** Leaders, terms or the state of the meta group have changed. */
  changed(): void {
    for (const [node, { lanes }] of this.#proxies) if (lanes.has('control')) this.#due.add(node);
    this.#schedule();
  }

  /** Tells those whose lane had no room; called every heartbeat interval. */
  tick(): void {
    if (this.#due.size > 0) this.#schedule();
  }

  /** Much changes in one turn where a node that led many groups dies; it is told once. */
  #schedule(): void {
    if (this.#isScheduled || this.#due.size === 0) return;
    this.#isScheduled = true;
    this.#options.timers.soon(() => {
      this.#isScheduled = false;
      this.#tell();
    });
  }

  #tell(): void {
    const view = this.#options.view();
    if (view === undefined || this.#due.size === 0) return;
    const { version = 0 } = view.meta ?? {};
    const frames = { whole: [encodeView(view)], rest: [encodeView({ ...view, meta: undefined })] };
    for (const node of this.#due) {
      const proxy = this.#proxies.get(node);
      assert(proxy !== undefined, 'only who is connected is told');
      const frame = proxy.toldVersion === version ? frames.rest : frames.whole;
      if (!this.#options.transport.send(node, 'control', frameKind.view, frame)) continue;
      proxy.toldVersion = version;
      this.#due.delete(node);
    }
  }
}
