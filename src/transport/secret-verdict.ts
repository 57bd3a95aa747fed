/**
 * Whose `clusterSecret` is wrong, ours or theirs?
 *
 * A proof that does not hold says only that two nodes differ. If whoever sees it stopped, one badly configured
 * node would stop the whole cluster; if nobody stopped, the bad node would never say what is wrong with it. So:
 * a node stops when it is outvoted. Nobody's proof has held since it started, and a majority of the cluster (or all
 * its peers, where there are fewer) answered at their configured addresses with a proof that does not. Once any
 * peer's proof has held, a mismatch is the other side's business, for good.
 *
 * Must never count what came in from a dialler: anybody can dial. Only an address that this node dialled itself counts,
 * and that is why a node also probes the peers that would dial it, until a first proof has held.
 */

import type { NodeId } from '../base/ids.ts';

export class SecretVerdict {
  readonly #mismatchesMin: number;
  readonly #mismatched: Set<NodeId> = new Set();
  #isProved = false;

  constructor(peerCount: number) {
    this.#mismatchesMin = Math.min(peerCount, Math.floor((peerCount + 1) / 2) + 1);
  }

  /** True once any peer's proof has held. */
  get isProved(): boolean {
    return this.#isProved;
  }

  proved(): void {
    this.#isProved = true;
  }

  /** The proof of the peer that this node dialled does not hold. */
  mismatched(peer: NodeId): 'fatal' | 'later' {
    this.#mismatched.add(peer);
    return !this.#isProved && this.#mismatched.size >= this.#mismatchesMin ? 'fatal' : 'later';
  }
}
