/**
 * Appends without entries, by which a leader tells its peers of a commit: they wait a moment for one with entries.
 *
 * An append with entries says the same, and under load the next one follows within a millisecond. Sent at once, the news costs as
 * many packets, wake-ups and answers as the entries themselves. Nobody waits for it but readers at a follower, who see a
 * commit up to twice `waitMs` later where nothing follows.
 *
 * What is held and never sent is as if lost on the way, which Raft allows of any message; only the newest is held.
 */

import type { Timers } from '../base/clock.ts';
import type { GroupId, NodeId } from '../base/ids.ts';
import type { Message } from '../raft/message.ts';

/** News that has waited this long leaves when the time comes round. */
const waitMs = 1;

export interface HeldAppend {
  readonly group: GroupId;
  readonly message: Message;
}

interface Held extends HeldAppend {
  /** It was there when the time came round last. */
  isRipe: boolean;
}

export class CommitNews {
  readonly #timers: Timers;
  readonly #send: (held: HeldAppend) => void;
  /** By peer, then by group: of each one at most. */
  readonly #held = new Map<NodeId, Map<GroupId, Held>>();
  #isWaiting = false;

  constructor(options: { readonly timers: Timers; readonly send: (held: HeldAppend) => void }) {
    this.#timers = options.timers;
    this.#send = options.send;
  }

  /** Takes an append of a group on its way to a peer. True: it is held. False: it must leave now, and says all that was held. */
  take(group: GroupId, message: Message): boolean {
    const ofPeer = this.#ofPeer(message.to);
    if (message.entries.length > 0) {
      ofPeer.delete(group);
      return false;
    }
    const isRipe = ofPeer.get(group)?.isRipe ?? false;
    ofPeer.set(group, { group, message, isRipe });
    this.#wait();
    return true;
  }

  #ofPeer(peer: NodeId): Map<GroupId, Held> {
    let ofPeer = this.#held.get(peer);
    if (ofPeer === undefined) {
      ofPeer = new Map();
      this.#held.set(peer, ofPeer);
    }
    return ofPeer;
  }

  #wait(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#timers.after(waitMs, () => this.#comeRound());
  }

  #comeRound(): void {
    this.#isWaiting = false;
    for (const ofPeer of this.#held.values())
      for (const held of ofPeer.values())
        if (held.isRipe) {
          ofPeer.delete(held.group);
          this.#send(held);
        } else {
          held.isRipe = true;
          this.#wait();
        }
  }
}
