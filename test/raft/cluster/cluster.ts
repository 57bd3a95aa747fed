/**
 * A small cluster with asynchronous storage, in which a test decides when what happens.
 *
 * Messages wait in one list and pass through the codec; writes and applications wait in each node's queue; a crash
 * loses what has not been done. A `Checker` watches.
 */

import assert from 'node:assert/strict';

import { index, nodeId, term, type NodeId } from '../../../src/base/ids.ts';
import { randomInteger, seededRandom, type Random } from '../../../src/base/random.ts';
import { decodeMessage, encodeMessage } from '../../../src/raft/codec.ts';
import { decodeConfChange } from '../../../src/raft/conf-codec.ts';
import type { RaftConfig } from '../../../src/raft/config.ts';
import { emptyConfState } from '../../../src/raft/membership.ts';
import type { ConfState, Entry, Message, Snapshot } from '../../../src/raft/message.ts';
import { RawNode } from '../../../src/raft/raw-node.ts';
import { appendThread, applyThread } from '../../../src/raft/ready.ts';
import { StoryStorage } from '../harness/story-storage.ts';
import { Checker, type Observed } from './checker.ts';

export interface ClusterOptions {
  readonly seed: number;
  readonly voters: number;
  readonly learners?: number;
  /** Nodes that are started outside the configuration. */
  readonly spares?: number;
  readonly config?: Partial<RaftConfig>;
}

export interface Member {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly storage: StoryStorage;
  raw: RawNode;
  isUp: boolean;
  readonly appendWork: Message[];
  readonly applyWork: Message[];
  /** The log as the core has it, durable or not. */
  log: Entry[];
  base: { index: number; term: number };
  /** The state machine: what it applied to, in what configuration, and a digest of all of it. */
  applied: Snapshot;
  /** Data of the normal entries applied since the start or the last snapshot. */
  readonly values: string[];
  readonly reads: { readonly index: number; readonly context: string }[];
  /** When rounds of heartbeats were sent, by number, in ticks of this node; emptied at each term. */
  readonly roundTicks: Map<number, number>;
  ticks: number;
}

export const electionTicks = 10;

const digest = (before: string, entry: Entry): string => {
  let hash = 2166136261;
  const text = `${before}|${entry.index}|${entry.term}|${Buffer.from(entry.data).toString('latin1')}`;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 16777619) >>> 0;
  }
  return hash.toString(16);
};

export class Cluster {
  readonly random: Random;
  readonly members: readonly Member[];
  readonly checker: Checker = new Checker();
  /** What is on the network, in the order of sending. */
  messages: Message[] = [];
  /** Messages that were never to be sent, or handed out, are found by tests here. */
  readonly sent: Message[] = [];
  /** Whether the network carries from one to the other. */
  carries: (from: number, to: number) => boolean = () => true;

  constructor(options: ClusterOptions) {
    this.random = seededRandom(options.seed);
    const { voters, learners = 0, spares = 0 } = options;
    const ids = Array.from({ length: voters + learners + spares }, (_, place) => nodeId(place + 1));
    const confState: ConfState = {
      ...emptyConfState,
      voters: ids.slice(0, voters),
      learners: ids.slice(voters, voters + learners),
    };
    this.members = ids.map((id) => this.#makeMember(id, confState, options.config ?? {}));
  }

  #makeMember(id: NodeId, confState: ConfState, given: Partial<RaftConfig>): Member {
    const start: Snapshot = { index: index(1), term: term(1), confState, data: Buffer.from('0') };
    const storage = new StoryStorage(start);
    const config: RaftConfig = {
      id,
      storage,
      random: this.random,
      electionTicks,
      heartbeatTicks: 1,
      preVote: true,
      checkQuorum: true,
      readOnly: 'safe',
      asyncStorageWrites: true,
      maxMessageBytes: 4096,
      maxCommittedBytesPerReady: 4096,
      maxUncommittedBytes: 1_000_000,
      maxInflightMessages: 16,
      maxInflightBytes: Infinity,
      stepDownOnRemoval: true,
      disableProposalForwarding: true,
      applied: index(1),
      ...given,
    };
    return {
      id,
      config,
      storage,
      raw: new RawNode({ ...config, isNewGroup: true }),
      isUp: true,
      appendWork: [],
      applyWork: [],
      log: [],
      base: { index: 1, term: 1 },
      applied: start,
      values: [],
      reads: [],
      roundTicks: new Map(),
      ticks: 0,
    };
  }

  member(id: number): Member {
    const found = this.members[id - 1];
    assert.ok(found !== undefined);
    return found;
  }

  /** The leader of the highest term among nodes that are up. */
  get leader(): Member | undefined {
    let found: Member | undefined;
    for (const member of this.members) {
      if (!member.isUp || !member.raw.isLeader) continue;
      if (found === undefined || member.raw.term > found.raw.term) found = member;
    }
    return found;
  }

  observe(member: Member): Observed {
    const { id, raw, log, base } = member;
    return { id, term: raw.term, isLeader: raw.isLeader, commit: raw.commit, log, base };
  }

  // -- Events --------------------------------------------------------------------------------------

  tick(member: Member): void {
    if (!member.isUp) return;
    member.ticks += 1;
    member.raw.tick();
    this.pump(member);
  }

  tickAll(): void {
    for (const member of this.members) this.tick(member);
  }

  /** Delivers the message at `place` of the network. */
  deliver(place: number): void {
    const [message] = this.messages.splice(place, 1);
    assert.ok(message !== undefined);
    const member = this.member(message.to);
    const isCarried = member.isUp && this.carries(message.from, message.to);
    this.#reportSnapshot(message, isCarried);
    if (!isCarried) return;
    const bytes = Buffer.concat(encodeMessage(message));
    const received = decodeMessage(bytes);
    assert.ok(received !== undefined, `the codec carries a ${message.type}`);
    member.raw.step(received);
    this.pump(member);
  }

  /** Loses the message at `place` of the network. */
  lose(place: number): void {
    const [message] = this.messages.splice(place, 1);
    if (message !== undefined) this.#reportSnapshot(message, false);
  }

  /** Whoever carries snapshots tells the sender how it went; the core relies on that. */
  #reportSnapshot(message: Message, ok: boolean): void {
    if (message.type !== 'MsgSnap') return;
    const sender = this.member(message.from);
    if (!sender.isUp) return;
    sender.raw.reportSnapshot(message.to, ok);
    this.pump(sender);
  }

  /** Makes the oldest write durable and passes its answers on. */
  append(member: Member): boolean {
    const work = member.appendWork.shift();
    if (work === undefined) return false;
    const { storage } = member;
    if (work.term !== 0 || work.vote !== 0 || work.commit !== 0) {
      storage.hardState = { term: work.term, vote: work.vote, commit: work.commit };
    }
    if (work.snapshot !== undefined) {
      storage.restore(work.snapshot);
      if (work.snapshot.index > member.applied.index) {
        member.applied = work.snapshot;
        this.checker.sawState(work.snapshot.index, Buffer.from(work.snapshot.data).toString());
      }
    }
    storage.append(work.entries);
    this.#answer(member, work);
    return true;
  }

  /** Applies the oldest batch of committed entries. */
  apply(member: Member): boolean {
    const work = member.applyWork.shift();
    if (work === undefined) return false;
    for (const entry of work.entries) this.#applyEntry(member, entry);
    this.#answer(member, work);
    return true;
  }

  #applyEntry(member: Member, entry: Entry): void {
    assert.equal(entry.index, member.applied.index + 1, 'entries are applied in order, once');
    assert.ok(entry.index <= member.storage.lastIndex(), 'only durable entries are applied');
    const change = decodeConfChange(entry);
    let { confState } = member.applied;
    if (change !== undefined) confState = member.raw.applyConfChange(change);
    else if (entry.data.length > 0) member.values.push(Buffer.from(entry.data).toString());
    const state = digest(Buffer.from(member.applied.data).toString(), entry);
    member.applied = { index: entry.index, term: entry.term, confState, data: Buffer.from(state) };
    this.checker.sawState(entry.index, state);
  }

  #answer(member: Member, work: Message): void {
    for (const answer of work.responses) {
      if (answer.to === member.id) member.raw.step(answer);
      else this.send(answer);
    }
    this.pump(member);
  }

  send(message: Message): void {
    this.sent.push(message);
    this.messages.push(message);
  }

  /** Everything not durable is lost, and the node is down. */
  crash(member: Member): void {
    member.isUp = false;
    member.appendWork.length = 0;
    member.applyWork.length = 0;
  }

  restart(member: Member): void {
    const { storage } = member;
    const base = index(storage.firstIndex() - 1);
    const entries = storage.entries(storage.firstIndex(), index(storage.lastIndex() + 1), Infinity);
    assert.ok(typeof entries !== 'string');
    const baseTerm = storage.term(base);
    assert.ok(typeof baseTerm === 'number');
    member.log = [...entries];
    member.base = { index: base, term: baseTerm };
    member.applied = storage.latest;
    member.values.length = 0;
    member.reads.length = 0;
    member.roundTicks.clear();
    member.raw = new RawNode({ ...member.config, applied: storage.latest.index });
    member.isUp = true;
    this.pump(member);
  }

  /** Takes a snapshot of what is applied and drops the log behind it. */
  compact(member: Member): void {
    const { applied, storage } = member;
    if (!member.isUp || applied.index > storage.lastIndex()) return;
    // Nothing new, or a snapshot is on its way to the disk that replaces all of it.
    if (applied.index <= member.base.index) return;
    storage.latest = applied;
    storage.compact(applied.index);
    member.log = member.log.filter((entry) => entry.index > applied.index);
    member.base = { index: applied.index, term: applied.term };
  }

  // -- Driving -------------------------------------------------------------------------------------

  /** Takes what is ready, and shows it to the checker. */
  pump(member: Member): void {
    const { raw } = member;
    const term = raw.term;
    while (raw.hasReady()) {
      const ready = raw.ready();
      if (ready.snapshot !== undefined) {
        // What was to be applied is in the snapshot.
        member.applyWork.length = 0;
        member.log = [];
        member.base = { index: ready.snapshot.index, term: ready.snapshot.term };
      }
      this.checker.sawAppend(this.observe(member), ready.entries);
      const first = ready.entries[0];
      if (first !== undefined) {
        member.log.length = first.index - member.base.index - 1;
        member.log.push(...ready.entries);
      }
      for (const { index, context } of ready.readStates) {
        member.reads.push({ index, context: Buffer.from(context).toString() });
      }
      for (const message of ready.messages) this.#route(member, message);
    }
    if (term !== raw.term || !raw.isLeader) member.roundTicks.clear();
    if (raw.isLeader) {
      this.checker.sawLeader(this.observe(member));
      if (!member.roundTicks.has(raw.heartbeatRound)) {
        member.roundTicks.set(raw.heartbeatRound, member.ticks);
      }
    }
    this.checker.sawCommit(this.observe(member));
  }

  #route(member: Member, message: Message): void {
    if (message.to === appendThread) member.appendWork.push(message);
    else if (message.to === applyThread) member.applyWork.push(message);
    else this.send(message);
  }

  /** Does everything that waits, in order, without a tick, until nothing does. */
  settle(): void {
    for (const member of this.members) if (member.isUp) this.pump(member);
    let isBusy = true;
    while (isBusy) {
      isBusy = false;
      while (this.messages.length > 0) {
        this.deliver(0);
        isBusy = true;
      }
      for (const member of this.members) {
        if (!member.isUp) continue;
        while (this.append(member) || this.apply(member)) isBusy = true;
      }
    }
  }

  /** Ticks and settles until there is a leader whose first entry everybody up could apply. */
  elect(): Member {
    for (let round = 0; round < 20 * electionTicks; round += 1) {
      this.tickAll();
      this.settle();
      const { leader } = this;
      if (leader !== undefined && leader.applied.index >= leader.raw.termStart) return leader;
    }
    return assert.fail('a healthy cluster elects a leader');
  }

  /** Makes `id` campaign and win. */
  electNode(id: number): Member {
    const member = this.member(id);
    member.raw.campaign();
    this.settle();
    assert.ok(member.raw.isLeader, `node ${id} is elected`);
    return member;
  }

  /** Cuts nodes off from all others, both ways. */
  isolate(...ids: readonly number[]): void {
    this.carries = (from, to) => !ids.includes(from) && !ids.includes(to);
  }

  heal(): void {
    this.carries = () => true;
  }

  propose(member: Member, value: string): 'ok' | 'dropped' {
    const result = member.raw.propose(Buffer.from(value));
    this.pump(member);
    return result;
  }

  integer(low: number, high: number): number {
    return randomInteger(this.random, low, high);
  }
}
