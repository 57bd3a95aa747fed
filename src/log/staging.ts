/**
 * One turn's writes, checked against what is durable and merged to one step for each group.
 *
 * It owns the rules of what may follow what: the assertions here stand between a bug in the core and the disk. It
 * changes nothing durable and nothing in the groups; an implementation writes the steps and then applies them.
 * Several writes of one group are merged as the core merges its unstable entries: the later ones continue or replace
 * the suffix of the earlier ones, so that nothing is written that the same turn takes back.
 */

import { assert } from '../base/assert.ts';
import { index, type GroupId, type Index, type Term } from '../base/ids.ts';
import type { Entry, HardState } from '../raft/message.ts';
import type { GroupLog } from './group-log.ts';
import type { GroupBase, GroupWrite } from './log.ts';

/** What has to become durable for one group. */
export interface GroupStep {
  readonly group: GroupId;
  /** Set where the group is created. */
  readonly base: GroupBase | undefined;
  /** Set where it differs from the durable one. */
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  /** Durable entries in [from, to) are replaced by nothing and must go. */
  readonly deleted: { readonly from: Index; readonly to: Index };
}

/** The steps of one turn, groups in the order of their first write; groups without any change are left out. */
export function stageWrites(
  groups: ReadonlyMap<GroupId, GroupLog>,
  writes: readonly GroupWrite[],
): readonly GroupStep[] {
  const staged = new Map<GroupId, StagedGroup>();
  for (const write of writes) {
    let group = staged.get(write.group);
    if (group === undefined) {
      group = new StagedGroup(groups.get(write.group), write);
      staged.set(write.group, group);
    } else {
      assert(write.base === undefined, 'a group is created once');
    }
    group.take(write);
  }
  return [...staged.values()].map((group) => group.step()).filter(changesSomething);
}

function changesSomething(step: GroupStep): boolean {
  return step.base !== undefined || step.hardState !== undefined || step.entries.length > 0;
}

/** A group as it will be once this turn's writes are durable. */
class StagedGroup {
  readonly #durable: GroupLog | undefined;
  readonly #group: GroupId;
  readonly #base: GroupBase;
  readonly #durableLast: Index;
  #hardState: HardState | undefined;
  #entries: readonly Entry[] = [];

  constructor(durable: GroupLog | undefined, write: GroupWrite) {
    const base = durable?.base ?? write.base;
    assert(base !== undefined, 'the first write of a group carries its base');
    assert(durable === undefined || write.base === undefined, 'a group is created once');
    this.#durable = durable;
    this.#group = write.group;
    this.#base = base;
    this.#durableLast = durable?.lastIndex() ?? base.index;
    this.#hardState = durable?.hardState;
  }

  take(write: GroupWrite): void {
    const commitBefore = this.#hardState?.commit ?? this.#base.index;
    if (write.hardState !== undefined) this.#takeHardState(write.hardState);
    if (write.entries.length > 0) this.#takeEntries(write.entries, commitBefore);
    const commit = this.#hardState?.commit ?? this.#base.index;
    assert(commit <= this.#last(), 'what is committed is in the log');
  }

  step(): GroupStep {
    const first = this.#entries[0];
    const unchanged = first === undefined || first.index > this.#durableLast;
    const from = unchanged ? this.#durableLast + 1 : this.#last() + 1;
    const before = this.#durable?.hardState;
    return {
      group: this.#group,
      base: this.#durable === undefined ? this.#base : undefined,
      hardState: isSame(this.#hardState, before) ? undefined : this.#hardState,
      entries: this.#entries,
      deleted: { from: index(from), to: index(this.#durableLast + 1) },
    };
  }

  #takeHardState(next: HardState): void {
    const before = this.#hardState;
    if (before !== undefined) {
      assert(next.term >= before.term, 'a term never goes back');
      assert(next.commit >= before.commit, 'a commit index never goes back');
      // Raft paper, section 5.2: one vote a term.
      const isVoteKept = next.term > before.term || before.vote === 0 || next.vote === before.vote;
      assert(isVoteKept, 'a vote stays as it was given for its term');
    }
    this.#hardState = next;
  }

  #takeEntries(entries: readonly Entry[], commitBefore: Index): void {
    const first = entries[0];
    assert(first !== undefined, 'there are entries to take');
    assert(first.index <= this.#last() + 1, 'entries leave no gap behind the log');
    assert(first.index > this.#base.index, 'entries lie behind the base');
    assert(first.index > commitBefore, 'a committed entry is never replaced');
    let at = first.index;
    let lastTerm = this.#termAt(first.index - 1);
    for (const entry of entries) {
      assert(entry.index === at, 'entries of a write are contiguous');
      assert(entry.term >= lastTerm, 'terms do not descend along a log');
      at = index(at + 1);
      lastTerm = entry.term;
    }
    const termNow = this.#hardState?.term ?? 0;
    assert(lastTerm <= termNow, "an entry's term is not above the hard state's");
    this.#entries = this.#merged(entries, first.index);
  }

  /** As etcd's unstable entries are merged: append, replace all, or cut and append. */
  #merged(entries: readonly Entry[], from: Index): readonly Entry[] {
    const stagedFirst = this.#entries[0]?.index;
    if (stagedFirst === undefined || from <= stagedFirst) return entries;
    return [...this.#entries.slice(0, from - stagedFirst), ...entries];
  }

  #last(): Index {
    return this.#entries.at(-1)?.index ?? this.#durableLast;
  }

  #termAt(at: number): Term {
    const staged = this.#entries[at - (this.#entries[0]?.index ?? 0)];
    if (staged !== undefined && staged.index === at) return staged.term;
    const durable = this.#durable?.term(index(at)) ?? this.#base.term;
    assert(typeof durable === 'number', 'the entry before is in the log');
    return durable;
  }
}

function isSame(left: HardState | undefined, right: HardState | undefined): boolean {
  return left?.term === right?.term && left?.vote === right?.vote && left?.commit === right?.commit;
}
