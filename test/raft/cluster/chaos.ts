/**
 * One seeded run of the bare core in chaos: messages are delayed, reordered, dropped and doubled, nodes crash between any two durable
 * steps, links break one way, logs are compacted, snapshots get lost, members change; the checker watches every step. At
 * the end everything is healed, and the cluster must get on.
 */

import assert from 'node:assert/strict';
import type { ConfChangeSingle } from '../../../src/raft/membership.ts';
import { Cluster, electionTicks, type ClusterOptions, type Member } from './cluster.ts';

const steps = 3000;

/** The greatest commit index that anybody knew when a read was asked for, by its context. */
type Asked = Map<string, number>;

export class Chaos {
  readonly cluster: Cluster;
  readonly asked: Asked = new Map();
  #proposed = 0;
  #readsChecked = 0;

  constructor(options: ClusterOptions) {
    this.cluster = new Cluster(options);
  }

  get readsChecked(): number {
    return this.#readsChecked;
  }

  step(): void {
    const { cluster } = this;
    const roll = cluster.integer(0, 999);
    const member = this.#anyMember();
    if (roll < 420) this.#deliverSome();
    else if (roll < 620) this.#store(member);
    else if (roll < 730) this.#applySome(member);
    else if (roll < 790) this.#tick();
    else if (roll < 880) this.#propose(member);
    else if (roll < 930) this.#read(member);
    else if (roll < 940) this.#crashOrRestart(member);
    else if (roll < 955) this.#breakLinks();
    else if (roll < 965) cluster.compact(member);
    else if (roll < 970) this.#transfer(member);
    else if (roll < 980) this.#changeMembers(member);
    else if (roll < 986) this.#campaign(member);
    else if (roll < 990) member.raw.reportUnreachable(this.#anyMember().id);
    else this.#lose();
    for (const each of cluster.members) if (each.isUp) cluster.pump(each);
    this.#check();
  }

  #anyMember(): Member {
    return this.cluster.member(this.cluster.integer(1, this.cluster.members.length));
  }

  #deliverSome(): void {
    for (let count = this.cluster.integer(1, 8); count > 0; count -= 1) this.#deliverAny();
  }

  #deliverAny(): void {
    const { cluster } = this;
    if (cluster.messages.length === 0) return;
    // Mostly in order, as connections are, but not always.
    const isOrdered = cluster.integer(0, 3) > 0;
    const place = isOrdered ? 0 : cluster.integer(0, cluster.messages.length - 1);
    const message = cluster.messages[place];
    if (cluster.integer(0, 30) === 0 && message !== undefined) cluster.messages.push(message);
    cluster.deliver(place);
  }

  /** All clocks run alike: what leases rest on. */
  #tick(): void {
    this.cluster.tickAll();
    for (const member of this.cluster.members) if (!member.isUp) member.ticks += 1;
  }

  #propose(member: Member): void {
    this.#proposed += 1;
    if (member.isUp) this.cluster.propose(member, `v${this.#proposed}`);
  }

  #read(member: Member): void {
    if (!member.isUp) return;
    const context = `r${this.asked.size}`;
    this.asked.set(context, this.cluster.checker.maxCommit);
    member.raw.readIndex(Buffer.from(context));
  }

  #crashOrRestart(member: Member): void {
    if (!member.isUp) this.cluster.restart(member);
    else if (this.cluster.integer(0, 3) === 0) this.cluster.crash(member);
  }

  #breakLinks(): void {
    const { cluster } = this;
    const isLeaderHit = cluster.leader !== undefined && cluster.integer(0, 1) === 0;
    const one = isLeaderHit ? cluster.leader.id : cluster.integer(1, cluster.members.length);
    const two = cluster.integer(1, cluster.members.length);
    const kind = cluster.integer(0, 3);
    if (kind === 0) cluster.isolate(one);
    else if (kind === 1) cluster.carries = (from, to) => !(from === one && to === two);
    else cluster.heal();
  }

  #lose(): void {
    const { cluster } = this;
    for (let count = cluster.integer(1, 3); count > 0 && cluster.messages.length > 0; count -= 1) {
      cluster.lose(cluster.integer(0, cluster.messages.length - 1));
    }
    // A network holds only so much.
    while (cluster.messages.length > 300) cluster.lose(0);
  }

  #transfer(member: Member): void {
    if (member.isUp) member.raw.transferLeader(this.#anyMember().id);
  }

  #store(member: Member): void {
    for (let count = this.cluster.integer(1, 4); count > 0; count -= 1) this.cluster.append(member);
  }

  #applySome(member: Member): void {
    for (let count = this.cluster.integer(1, 4); count > 0; count -= 1) this.cluster.apply(member);
  }

  /** An election out of turn, as if this node's clock had run ahead. */
  #campaign(member: Member): void {
    if (member.isUp) member.raw.campaign();
  }

  #changeMembers(member: Member): void {
    if (!member.isUp || !member.raw.isLeader) return;
    const types = ['add-node', 'add-learner', 'remove-node'] as const;
    const changes: ConfChangeSingle[] = [];
    for (let count = this.cluster.integer(1, 2); count > 0; count -= 1) {
      const type = types[this.cluster.integer(0, 2)] ?? 'add-node';
      changes.push({ type, nodeId: this.#anyMember().id });
    }
    // A group of one voter that is down for good cannot get on, which is not what is tested.
    const voters = new Set(member.raw.confState().voters);
    for (const { type, nodeId: id } of changes) {
      if (type === 'add-node') voters.add(id);
      else voters.delete(id);
    }
    if (voters.size < 2) return;
    // A leader that takes itself out steps down before it has told the others that this is committed. They may then need the vote of members that
    // are gone, and have longer logs: as in the core's model, so `cluster/membership` makes such a leader hand over first.
    if (!voters.has(member.id)) return;
    const context = new Uint8Array(0);
    member.raw.proposeConfChange({ kind: 'v2', transition: 'auto', changes, context });
  }

  #check(): void {
    const { cluster } = this;
    for (const member of cluster.members) {
      for (const read of member.reads.splice(0)) {
        const least = this.asked.get(read.context);
        assert.ok(least !== undefined && read.index >= least, `read ${read.context} is stale`);
        this.#readsChecked += 1;
      }
    }
    for (const leader of cluster.members) if (leader.isUp) this.#checkLease(leader);
  }

  /** While a lease runs nobody else leads a later term. */
  #checkLease(leader: Member): void {
    const { raw, ticks, roundTicks } = leader;
    const sent = roundTicks.get(raw.confirmedRound);
    if (!raw.isLeader || raw.hasForcedCampaign || raw.confirmedRound === 0) return;
    if (sent === undefined || ticks - sent >= electionTicks - 1) return;
    for (const other of this.cluster.members) {
      const isLater = other.isUp && other.raw.isLeader && other.raw.term > raw.term;
      assert.ok(!isLater, `lease of ${leader.id} runs while ${other.id} leads`);
    }
  }

  /** Everything works again: somebody leads, commits, and all members agree. */
  heal(): void {
    const { cluster } = this;
    cluster.heal();
    for (const member of cluster.members) if (!member.isUp) cluster.restart(member);
    for (let round = 0; round < 60 * electionTicks; round += 1) {
      cluster.tickAll();
      cluster.settle();
      this.#check();
      if (this.#hasCaughtUp()) return;
    }
    assert.fail('a healed cluster gets on');
  }

  #hasCaughtUp(): boolean {
    const { leader, members } = this.cluster;
    if (leader === undefined || leader.raw.leadTransferee !== 0) return false;
    if (this.cluster.propose(leader, 'last') !== 'ok') return false;
    this.cluster.settle();
    if (!leader.raw.isLeader) return false;
    const conf = leader.raw.confState();
    if (conf.votersOutgoing.length > 0) return false;
    const ids = [...conf.voters, ...conf.learners];
    return members
      .filter(({ id }) => ids.includes(id))
      .every(({ applied }) => applied.index === leader.raw.lastIndex);
  }
}

/** One run; throws at the first property that does not hold. */
export function runChaos(options: ClusterOptions): Chaos {
  const chaos = new Chaos(options);
  const { cluster } = chaos;
  for (let step = 0; step < steps; step += 1) {
    chaos.step();
    if (step % 50 !== 0) continue;
    for (const left of cluster.members) {
      for (const right of cluster.members) {
        if (left.id < right.id) {
          cluster.checker.compareLogs(cluster.observe(left), cluster.observe(right));
        }
      }
    }
  }
  chaos.heal();
  return chaos;
}

export const chaosShapes: readonly {
  readonly name: string;
  readonly options: Omit<ClusterOptions, 'seed'>;
}[] = [
  {
    name: 'three voters with leases and members that change',
    options: { voters: 3, spares: 2, config: { holdVotes: true } },
  },
  {
    name: 'five voters and a learner',
    options: { voters: 5, learners: 1, config: { holdVotes: true } },
  },
  {
    name: 'small windows and batches, proposals forwarded',
    options: {
      voters: 3,
      learners: 1,
      config: {
        holdVotes: true,
        maxMessageBytes: 1,
        maxInflightMessages: 2,
        maxInflightBytes: 8,
        maxCommittedBytesPerReady: 1,
        maxUncommittedBytes: 64,
        disableProposalForwarding: false,
      },
    },
  },
];
