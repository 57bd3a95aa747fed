/**
 * Watches the Raft groups of a simulated cluster after everything that runs, and throws at the first broken promise: election
 * safety, log matching, leader completeness, state-machine safety (Raft paper, figure 3), and that what a leader takes
 * for committed is on the disks of a majority of each half of its members.
 *
 * It sees disks and replicas, and knows nothing of the faults that are injected.
 */

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { groupId, index, majority, type GroupId, type NodeId } from '../../src/base/ids.ts';
import type { GroupWrite } from '../../src/log/log.ts';
import { describeConf } from '../../src/raft/membership.ts';
import type { ConfState, Entry } from '../../src/raft/message.ts';
import type { Replica } from '../../src/replica/replica.ts';
import type { VirtualCluster } from '../support/virtual-cluster.ts';
import type { VirtualNode } from '../support/virtual-node.ts';

/** A run takes some ten thousand. */
const stepsMax = 500_000;

/** An entry and the term before it, which by log matching belong together. */
interface Written {
  readonly entry: Entry;
  readonly termBefore: number;
}

/** What is known of one group. */
interface GroupRecord {
  readonly leaders: Map<number, NodeId>;
  /** By `term/index`: every entry that ever reached a disk. */
  readonly written: Map<string, Written>;
  /** From the first on: what was committed. */
  readonly committed: Entry[];
}

/** How a replica was when it was looked at last. */
interface Seen {
  readonly replica: Replica;
  term: number;
  isLeader: boolean;
  commit: number;
  applied: number;
  members: ConfState;
}

export class Observer {
  readonly #cluster: VirtualCluster;
  readonly #groups: readonly GroupRecord[];
  readonly #seen: (Seen | undefined)[][];
  #found: unknown;
  /** What was watched: callbacks of nodes and network. */
  steps = 0;

  constructor(cluster: VirtualCluster) {
    this.#cluster = cluster;
    this.#groups = Array.from({ length: cluster.shards + 1 }, () => ({
      leaders: new Map<number, NodeId>(),
      written: new Map<string, Written>(),
      committed: [],
    }));
    this.#seen = cluster.nodes.map(() => []);
    cluster.time.onStep = () => this.#look();
    // A node's own code runs here: what is found must not pass for a failure of its disk.
    cluster.onDurable = (node, writes) => {
      try {
        this.#wrote(node, writes);
      } catch (error) {
        this.#found ??= error;
      }
    };
  }

  /** How many entries of a shard's group are known to be committed. */
  committed(shard: number): number {
    return this.#groups[shard + 1]?.committed.length ?? 0;
  }

  #look(): void {
    this.steps += 1;
    assert.ok(this.steps < stepsMax, `a run ends within ${stepsMax} steps`);
    if (this.#found !== undefined) throw this.#found;
    for (const [place, node] of this.#cluster.nodes.entries()) {
      if (!node.isUp) continue;
      for (const [group, record] of this.#groups.entries()) {
        const replica = node.replica(groupId(group));
        if (replica !== undefined) this.#lookAt(place, node, replica, record);
      }
    }
  }

  #lookAt(place: number, node: VirtualNode, replica: Replica, record: GroupRecord): void {
    const row = this.#seen[place];
    assert.ok(row !== undefined);
    let seen = row[replica.group];
    if (seen?.replica !== replica) {
      seen = { replica, term: 0, isLeader: false, commit: 0, applied: 0, members: replica.members };
      row[replica.group] = seen;
    }
    const { term, isLeader, commitIndex, appliedIndex } = replica;
    if (term !== seen.term || isLeader !== seen.isLeader) {
      seen.term = term;
      seen.isLeader = isLeader;
      if (isLeader) this.#elected(node, replica, record);
    }
    if (commitIndex !== seen.commit) {
      assert.ok(commitIndex > seen.commit, 'a commit index never falls');
      seen.commit = commitIndex;
      if (isLeader) this.#committed(node, replica, { record, before: seen.members });
    }
    seen.members = replica.members;
    if (appliedIndex !== seen.applied) {
      for (let at = seen.applied + 1; at <= appliedIndex; at += 1) {
        this.#sameAsCommitted(node, replica.group, record, at);
      }
      seen.applied = appliedIndex;
    }
  }

  #elected(node: VirtualNode, { group, term }: Replica, record: GroupRecord): void {
    const known = record.leaders.get(term);
    assert.ok(
      known === undefined || known === node.id,
      `election safety: ${known} and ${node.id} lead term ${term} of group ${group}`,
    );
    record.leaders.set(term, node.id);
    const log = node.disk.groups.get(group);
    for (const entry of record.committed) {
      assert.equal(
        log?.term(entry.index),
        entry.term,
        `leader completeness: ${node.id} leads term ${term} of group ${group} without entry ${entry.index}`,
      );
    }
  }

  /**
   * A leader commits by counting only entries of its own term, and with them all before. In one turn it may first count and then act by
   * other members.
   */
  #committed(
    node: VirtualNode,
    { group, term, commitIndex, members }: Replica,
    { record, before }: { readonly record: GroupRecord; readonly before: ConfState },
  ): void {
    if (commitIndex <= record.committed.length) return;
    const holders = this.#cluster.nodes.filter(
      ({ disk }) => disk.groups.get(group)?.term(index(commitIndex)) === term,
    );
    const ids = holders.map(({ id }) => id);
    assert.ok(
      isQuorum(members, ids) || isQuorum(before, ids),
      `${node.id} took entry ${commitIndex} of group ${group} for committed, which only ${ids.join(' ')} hold, ` +
        `in ${describeConf(members)}`,
    );
    const holder = holders[0];
    assert.ok(holder !== undefined);
    for (let at = record.committed.length + 1; at <= commitIndex; at += 1) {
      record.committed.push(entryAt(holder, group, at));
    }
  }

  #sameAsCommitted(node: VirtualNode, group: GroupId, record: GroupRecord, at: number): void {
    const known = record.committed[at - 1];
    const what = `entry ${at} of group ${group} at node ${node.id}`;
    assert.ok(known !== undefined, `state-machine safety: ${what} was applied and never committed`);
    const own = entryAt(node, group, at);
    assert.ok(isSame(known, own), `state-machine safety: ${what} is not what was committed`);
  }

  #wrote(node: VirtualNode, writes: readonly GroupWrite[]): void {
    for (const { group, entries } of writes) {
      const record = this.#groups[group];
      const log = node.disk.groups.get(group);
      assert.ok(record !== undefined && log !== undefined);
      for (const entry of entries) {
        const termBefore = log.term(index(entry.index - 1));
        assert.ok(typeof termBefore === 'number', 'a log has no gap');
        const name = `${entry.term}/${entry.index}`;
        const known = record.written.get(name);
        if (known === undefined) {
          record.written.set(name, { entry, termBefore });
          continue;
        }
        assert.ok(
          known.termBefore === termBefore && isSame(known.entry, entry),
          `log matching: two entries of term ${entry.term} at index ${entry.index} of group ${group}`,
        );
      }
    }
  }
}

const isQuorum = ({ voters, votersOutgoing }: ConfState, ids: readonly NodeId[]): boolean =>
  [voters, votersOutgoing].every(
    (half) =>
      half.length === 0 || half.filter((id) => ids.includes(id)).length >= majority(half.length),
  );

function entryAt(node: VirtualNode, group: GroupId, at: number): Entry {
  const found = node.disk.groups.get(group)?.entries(index(at), index(at + 1), Infinity);
  const entry = typeof found === 'string' ? undefined : found?.[0];
  assert.ok(entry !== undefined, `entry ${at} of group ${group} is on the disk of node ${node.id}`);
  return entry;
}

const isSame = (left: Entry, right: Entry): boolean =>
  left.term === right.term &&
  left.type === right.type &&
  (left.data === right.data || Buffer.compare(left.data, right.data) === 0);
