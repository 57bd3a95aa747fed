/**
 * Proposals a second that the bare core takes, replicates and commits: `node bench/raft.ts`.
 *
 * Three replicas in one process, in memory, with production's limits: 64 proposals of one entry each, then messages and storage work
 * until all three have applied them. No codec, no disk, no network. Once the 64 come as one MsgProp, as batches do, and once by
 * one call each, which also sends each by itself. The median of nine rounds, and the best; by processor time, since neighbours
 * do not count in that.
 */

import { index, nodeId, term, type Index, type NodeId } from '../src/base/ids.ts';
import { seededRandom } from '../src/base/random.ts';
import { emptyConfState } from '../src/raft/membership.ts';
import { message, type Entry, type HardState, type Message } from '../src/raft/message.ts';
import { RawNode } from '../src/raft/raw-node.ts';
import { appendThread, applyThread, type Storage } from '../src/raft/ready.ts';
import { raftLimits } from '../src/replica/settings.ts';

const batch = 64;
const batchesARound = 4_000;
const rounds = 9;
const valueBytes = 64;
/** Entries kept behind the newest. */
const keptEntries = 4_096;

const members = [nodeId(1), nodeId(2), nodeId(3)];

/** Entries in an array, cut from time to time as behind a checkpoint. */
class ArrayStorage implements Storage {
  #hardState: HardState = { term: term(0), vote: nodeId(0), commit: index(0) };
  #baseIndex = 0;
  #baseTerm = term(0);
  #entries: Entry[] = [];

  initialState(): ReturnType<Storage['initialState']> {
    return { hardState: this.#hardState, confState: { ...emptyConfState, voters: members } };
  }

  firstIndex(): Index {
    return index(this.#baseIndex + 1);
  }

  lastIndex(): Index {
    return index(this.#baseIndex + this.#entries.length);
  }

  term(at: Index): ReturnType<Storage['term']> {
    if (at === this.#baseIndex) return this.#baseTerm;
    if (at < this.#baseIndex) return 'compacted';
    return this.#entries[at - this.#baseIndex - 1]?.term ?? 'unavailable';
  }

  /** All of these entries are small, so a limit in bytes does not matter here. */
  entries(low: Index, high: Index): readonly Entry[] {
    return this.#entries.slice(low - this.#baseIndex - 1, high - this.#baseIndex - 1);
  }

  hasConfChange(): boolean {
    return false;
  }

  snapshot(): 'temporarily-unavailable' {
    return 'temporarily-unavailable';
  }

  write({ entries, term: newTerm, vote, commit }: Message): void {
    if (newTerm > 0) this.#hardState = { term: newTerm, vote, commit };
    const [first] = entries;
    if (first === undefined) return;
    this.#entries.length = first.index - this.#baseIndex - 1;
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Keeps what a follower may still need. */
  cut(): void {
    const surplus = this.#entries.length - keptEntries;
    if (surplus < keptEntries) return;
    const last = this.#entries[surplus - 1];
    if (last === undefined) return;
    this.#entries = this.#entries.slice(surplus);
    this.#baseIndex = last.index;
    this.#baseTerm = last.term;
  }
}

interface Peer {
  readonly id: NodeId;
  readonly storage: ArrayStorage;
  readonly node: RawNode;
}

const random = seededRandom(1);
const peers: readonly Peer[] = members.map((id) => {
  const storage = new ArrayStorage();
  const node = new RawNode({
    ...raftLimits,
    id,
    storage,
    random,
    electionTicks: 10,
    heartbeatTicks: 1,
    isNewGroup: true,
  });
  return { id, storage, node };
});

function stepAt(to: NodeId, sent: Message): void {
  peers[to - 1]?.node.step(sent);
}

/** One turn of a node: its Ready goes its way, storage and state machine do at once what they are asked. */
function turn({ node, storage }: Peer): boolean {
  if (!node.hasReady()) return false;
  for (const sent of node.ready().messages) {
    if (sent.to === appendThread) storage.write(sent);
    if (sent.to === appendThread || sent.to === applyThread) {
      for (const response of sent.responses) stepAt(response.to, response);
    } else {
      stepAt(sent.to, sent);
    }
  }
  return true;
}

function settle(): void {
  let isBusy = true;
  while (isBusy) {
    isBusy = false;
    for (const peer of peers) isBusy = turn(peer) || isBusy;
  }
}

const [leader] = peers;
if (leader === undefined) throw new Error('there are three replicas');
leader.node.campaign();
settle();
if (!leader.node.isLeader) throw new Error('the first replica leads');

const data = new Uint8Array(valueBytes);
const entry: Entry = { term: term(0), index: index(0), type: 'normal', data };
const proposals = Array.from({ length: batch }, () => entry);

function proposeTogether({ id, node }: Peer): void {
  node.step(message({ type: 'MsgProp', to: id, from: id, entries: proposals }));
}

function proposeEach({ node }: Peer): void {
  for (let place = 0; place < batch; place += 1) node.propose(data);
}

function round(leads: Peer, propose: (leader: Peer) => void): number {
  const start = process.cpuUsage();
  for (let count = 0; count < batchesARound; count += 1) {
    propose(leads);
    settle();
    if (count % 64 === 0) for (const { storage } of peers) storage.cut();
  }
  const { user, system } = process.cpuUsage(start);
  return (batch * batchesARound) / ((user + system) / 1e6);
}

function measure(name: string, leads: Peer, propose: (leader: Peer) => void): void {
  const expected = leads.node.applied + rounds * batchesARound * batch;
  const rates = Array.from({ length: rounds }, () => round(leads, propose));
  rates.sort((left, right) => left - right);
  for (const { id, node } of peers) {
    if (node.applied !== expected) throw new Error(`replica ${id} applied ${node.applied}`);
  }
  const inMillions = (rate: number | undefined): string => ((rate ?? 0) / 1e6).toFixed(2);
  const [median, best] = [rates[rounds >> 1], rates.at(-1)];
  console.log(`${name.padEnd(14)} ${inMillions(median)} M proposals/s, best ${inMillions(best)} M`);
}

measure('64 together', leader, proposeTogether);
measure('64 one by one', leader, proposeEach);
