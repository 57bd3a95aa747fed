/**
 * Appends without entries, by which a leader tells its peers of a commit: they wait for one with entries, which says the same.
 *
 * Under load the next entry is proposed in the turn after a commit, or is on its way already. Sent at once, the news costs as many
 * packets, wake-ups and answers as the entries themselves. It leaves at the end of the next turn, unless entries are
 * on their way then: their commit is news in its turn, and heartbeats carry the commit index, too.
 *
 * What is held and never sent is as if lost on the way, which Raft allows of any message; only the newest is held.
 */

import type { GroupId, NodeId } from '../base/ids.ts';
import type { Message } from '../raft/message.ts';

export interface HeldAppend {
  readonly group: GroupId;
  readonly message: Message;
}

interface Held extends HeldAppend {
  /** A turn has ended since it came. */
  isRipe: boolean;
}

/** What is known of a group at the end of a turn: entries are on their way, nothing is, or the term of what is held has ended. */
export type Outlook = 'entries' | 'nothing' | 'over';

export class CommitNews {
  /** By peer, then by group: of each one at most. */
  readonly #held = new Map<NodeId, Map<GroupId, Held>>();

  /** Takes an append of a group on its way to a peer. True: it is held. False: it must leave now, and says all that was held. */
  take(group: GroupId, message: Message): boolean {
    let ofPeer = this.#held.get(message.to);
    if (ofPeer === undefined) {
      ofPeer = new Map();
      this.#held.set(message.to, ofPeer);
    }
    if (message.entries.length > 0) {
      ofPeer.delete(group);
      return false;
    }
    const isRipe = ofPeer.get(group)?.isRipe ?? false;
    ofPeer.set(group, { group, message, isRipe });
    return true;
  }

  /** A turn ends: hands over what has to leave. True where another turn is needed for the rest. */
  turnEnds(outlook: (held: HeldAppend) => Outlook, send: (held: HeldAppend) => void): boolean {
    let needsTurn = false;
    for (const ofPeer of this.#held.values())
      for (const held of ofPeer.values()) {
        if (!held.isRipe) {
          held.isRipe = true;
          needsTurn = true;
          continue;
        }
        const next = outlook(held);
        if (next === 'entries') continue;
        ofPeer.delete(held.group);
        if (next === 'nothing') send(held);
      }
    return needsTurn;
  }
}
