/**
 * The loop of a node: what became ready since the last turn goes its way, for all groups together.
 *
 *     gather → propose → ready → send ∥ persist → apply → reply
 *
 * Everything that arrived in one turn of the event loop travels together: one entry a shard, one synced write for all
 * groups, one packet a peer, one write a client. An entry goes to the followers while our own disk is still writing
 * it. Votes and acknowledgements leave only after what they promise is durable (`persister`), replies only after
 * their entry is applied. Only durable entries are applied.
 *
 * A failed write or an entry that cannot be applied ends the loop for good: `onFailed`, and nothing more leaves.
 */

import type { Timers } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { Log } from '../log/log.ts';
import type { Message } from '../raft/message.ts';
import { appendThread, applyThread } from '../raft/ready.ts';
import { Persister, type Work } from './persister.ts';
import type { Peers } from './peers.ts';
import type { Replica } from './replica.ts';

export interface ReadyLoopOptions {
  readonly self: NodeId;
  readonly timers: Timers;
  readonly log: Log;
  readonly peers: Peers;
  /** Beginning of a turn: hands over the commands that have gathered. */
  readonly gather: () => void;
  readonly onFailed: (error: unknown) => void;
}

export class ReadyLoop {
  readonly #options: ReadyLoopOptions;
  readonly #persister: Persister;
  #dirty = new Set<Replica>();
  #isScheduled = false;
  #isStopped = false;

  constructor(options: ReadyLoopOptions) {
    this.#options = options;
    this.#persister = new Persister({
      log: options.log,
      deliver: (replica, response) => this.#deliver(replica, response),
      onDurable: () => this.#schedule(),
      onFailed: (error) => this.#fail(error),
    });
  }

  /** The replica has something to do: a turn comes once the input of this turn has been read. */
  wake(replica: Replica): void {
    this.#dirty.add(replica);
    this.#schedule();
  }

  /** No turn begins any more; resolves once the write under way has ended. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#persister.idle;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    this.#options.timers.soon(() => {
      this.#isScheduled = false;
      if (!this.#isStopped) this.#turn();
    });
  }

  #turn(): void {
    const committed: Work[] = [];
    try {
      this.#options.gather();
      const replicas = this.#dirty;
      this.#dirty = new Set();
      for (const replica of replicas) {
        replica.catchUp();
        replica.propose();
      }
      for (const replica of replicas) {
        for (const message of replica.takeReady()) {
          if (message.to === applyThread) committed.push({ replica, message });
          else if (message.to === appendThread) this.#persister.add({ replica, message });
          else this.#options.peers.send(replica.group, message);
        }
      }
      this.#options.peers.flush();
      this.#persister.flush();
      for (const work of committed) this.#apply(work);
      for (const replica of replicas) if (replica.hasReady) this.wake(replica);
    } catch (error) {
      this.#fail(error);
    }
  }

  #apply({ replica, message }: Work): void {
    replica.apply(message.entries, () => {
      for (const response of message.responses) this.#deliver(replica, response);
    });
  }

  #deliver(replica: Replica, response: Message): void {
    if (response.to === this.#options.self) replica.step(response);
    else this.#options.peers.send(replica.group, response);
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#options.onFailed(error);
  }
}
