/**
 * Majorities, and two of them at once: pure arithmetic over lists of voters.
 *
 * A joint configuration decides only where both halves do (Raft paper, section 6). An empty half has no say:
 * it commits everything and wins every vote, so a plain configuration is a joint one whose old half is empty.
 */

import type { NodeId } from '../base/ids.ts';

/** What each voter has acknowledged: log indexes, or rounds of heartbeats. */
export interface Acknowledged {
  /** Undefined where nothing is known, which counts as 0. */
  acknowledged(id: NodeId): number | undefined;
}

export type VoteResult = 'VoteWon' | 'VotePending' | 'VoteLost';

/** How many of `count` voters make a majority. */
export const majority = (count: number): number => Math.floor(count / 2) + 1;

/** The greatest number that a majority has acknowledged; infinite for no voters. */
export function majorityCommitted(voters: readonly NodeId[], acked: Acknowledged): number {
  const count = voters.length;
  if (count === 0) return Number.POSITIVE_INFINITY;
  const sorted: number[] = [];
  for (const id of voters) {
    const value = acked.acknowledged(id) ?? 0;
    let place = sorted.length;
    sorted.push(value);
    // Insertion: there are at most a handful of voters, and no comparator has to be called.
    while (place > 0) {
      const before = sorted[place - 1] ?? 0;
      if (before <= value) break;
      sorted[place] = before;
      place -= 1;
    }
    sorted[place] = value;
  }
  return sorted[count - majority(count)] ?? 0;
}

/** What both halves have committed. */
export function jointCommitted(
  incoming: readonly NodeId[],
  outgoing: readonly NodeId[],
  acked: Acknowledged,
): number {
  const committed = majorityCommitted(incoming, acked);
  return outgoing.length === 0
    ? committed
    : Math.min(committed, majorityCommitted(outgoing, acked));
}

/** Whether an election is decided. A voter that is not in `votes` has not answered. */
export function majorityVote(
  voters: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const count = voters.length;
  if (count === 0) return 'VoteWon';
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  const needed = majority(count);
  if (granted >= needed) return 'VoteWon';
  return granted + missing >= needed ? 'VotePending' : 'VoteLost';
}

/** Both halves must be won; losing one loses. */
export function jointVote(
  incoming: readonly NodeId[],
  outgoing: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const first = majorityVote(incoming, votes);
  const second = majorityVote(outgoing, votes);
  if (first === second) return first;
  return first === 'VoteLost' || second === 'VoteLost' ? 'VoteLost' : 'VotePending';
}
