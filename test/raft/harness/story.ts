/**
 * A cluster that a text file drives: every message, write and application is one directive's doing.
 *
 * Nodes print what they decide through their trace, into the same output as the directive itself.
 */

import { index, nodeId, term, type NodeId } from '../../../src/base/ids.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { RaftConfig } from '../../../src/raft/config.ts';
import { decodeConfChange } from '../../../src/raft/conf-codec.ts';
import { emptyConfState } from '../../../src/raft/membership.ts';
import type { ConfState, Entry, Message, Snapshot } from '../../../src/raft/message.ts';
import { RawNode } from '../../../src/raft/raw-node.ts';
import { appendThread, applyThread } from '../../../src/raft/ready.ts';
import type { TraceLevel } from '../../../src/raft/trace.ts';
import { formatMessage, formatReady } from './format.ts';
import { emptySnapshot, StoryStorage } from './story-storage.ts';

export const levels: readonly string[] = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'];

/** What a directive prints. At level NONE nothing is written. */
export class Output {
  /** A place in `levels`. */
  level = 0;
  #text = '';

  get isSilent(): boolean {
    return levels[this.level] === 'NONE';
  }

  write(text: string): void {
    if (!this.isSilent) this.#text += text;
  }

  note(level: TraceLevel, text: string): void {
    const name = level.toUpperCase();
    if (this.level <= levels.indexOf(name)) this.write(`${name} ${text}\n`);
  }

  /** Runs `body` with every line it prints moved in by two spaces. */
  indented(body: () => void): void {
    const before = this.take();
    body();
    const lines = this.take().split('\n');
    if (lines.at(-1) === '') lines.pop();
    this.#text = before + lines.map((line) => `  ${line}\n`).join('');
  }

  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }
}

export interface StoryNode {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly storage: StoryStorage;
  raw: RawNode;
  readonly appendWork: Message[];
  readonly applyWork: Message[];
  /** The state machine after every applied entry. */
  readonly history: Snapshot[];
}

export type NodeOptions = Pick<RaftConfig, 'asyncStorageWrites'> & Partial<RaftConfig>;

export class Story {
  readonly output: Output = new Output();
  readonly nodes: StoryNode[] = [];
  messages: Message[] = [];

  node(id: number): StoryNode {
    const found = this.nodes[id - 1];
    if (found === undefined) throw new Error(`there is no node ${id}`);
    return found;
  }

  /** Adds the next node; with a snapshot it starts from there. */
  addNode(options: NodeOptions, start: Snapshot | undefined): void {
    const id = nodeId(this.nodes.length + 1);
    const storage = new StoryStorage(start ?? emptySnapshot);
    const config: RaftConfig = {
      id,
      storage,
      random: seededRandom(id),
      electionTicks: 3,
      heartbeatTicks: 1,
      preVote: false,
      checkQuorum: false,
      readOnly: 'safe',
      maxMessageBytes: Infinity,
      maxCommittedBytesPerReady: Infinity,
      maxUncommittedBytes: Infinity,
      maxInflightMessages: 2 ** 31 - 1,
      maxInflightBytes: Infinity,
      stepDownOnRemoval: false,
      applied: start?.index ?? index(0),
      trace: this.output,
      ...options,
    };
    this.nodes.push({
      id,
      config,
      storage,
      raw: new RawNode({ ...config, isNewGroup: true }),
      appendWork: [],
      applyWork: [],
      history: [start ?? emptySnapshot],
    });
  }

  /** Starts a node again from what is durable; what was under way in it is lost. */
  restart(node: StoryNode): void {
    node.appendWork.length = 0;
    node.applyWork.length = 0;
    node.raw = new RawNode({ ...node.config, applied: node.storage.latest.index });
  }

  processReady(node: StoryNode): void {
    const ready = node.raw.ready();
    this.output.write(formatReady(ready));
    if (node.config.asyncStorageWrites) {
      for (const message of ready.messages) {
        if (message.to === appendThread) node.appendWork.push(message);
        else if (message.to === applyThread) node.applyWork.push(message);
        else this.messages.push(message);
      }
      return;
    }
    if (ready.hardState !== undefined) node.storage.hardState = ready.hardState;
    if (ready.snapshot !== undefined) node.storage.restore(ready.snapshot);
    else node.storage.append(ready.entries);
    this.#apply(node, ready.committedEntries);
    this.messages.push(...ready.messages);
    node.raw.advance();
  }

  processAppendThread(node: StoryNode): void {
    const work = node.appendWork.shift();
    if (work === undefined) {
      this.output.write('no append work to perform');
      return;
    }
    this.#describeWork(work, () => {
      if (work.term !== 0 || work.vote !== 0 || work.commit !== 0) {
        node.storage.hardState = { term: work.term, vote: work.vote, commit: work.commit };
      }
      if (work.snapshot !== undefined) node.storage.restore(work.snapshot);
      else node.storage.append(work.entries);
    });
  }

  processApplyThread(node: StoryNode): void {
    const work = node.applyWork.shift();
    if (work === undefined) {
      this.output.write('no apply work to perform');
      return;
    }
    this.#describeWork(work, () => this.#apply(node, work.entries));
  }

  /** Delivers, or drops, what is under way to a node; the number of messages. */
  deliver(to: number, isDropped: boolean, type: string | undefined): number {
    const isDue = (message: Message): boolean =>
      message.to === to &&
      (type === undefined || message.type === type) &&
      !(isDropped && isLocal(message));
    const due = this.messages.filter(isDue);
    this.messages = this.messages.filter((message) => !isDue(message));
    for (const message of due) {
      this.output.write(`${isDropped ? 'dropped: ' : ''}${formatMessage(message)}\n`);
      if (isDropped) continue;
      const result = this.node(to).raw.step(message);
      if (result !== 'ok') this.output.write(`${stepErrors[result]}\n`);
    }
    return due.length;
  }

  hasMessagesTo(id: number): boolean {
    return this.messages.some((message) => message.to === id);
  }

  #describeWork(work: Message, perform: () => void): void {
    this.output.write(`Processing:\n${formatMessage({ ...work, responses: [] })}\n`);
    perform();
    this.output.write('Responses:\n');
    for (const answer of work.responses) this.output.write(`${formatMessage(answer)}\n`);
    this.messages.push(...work.responses);
  }

  #apply(node: StoryNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = node.history.at(-1) ?? emptySnapshot;
      let confState: ConfState = before.confState;
      const change = decodeConfChange(entry);
      if (change !== undefined) confState = node.raw.applyConfChange(change);
      const data = entry.type === 'normal' ? entry.data : new Uint8Array(0);
      const after: Snapshot = {
        index: entry.index,
        term: entry.term,
        confState,
        data: Buffer.concat([before.data, data]),
      };
      node.history.push(after);
      node.storage.latest = after;
    }
  }
}

export const stepErrors = {
  'proposal-dropped': 'raft proposal dropped',
  'read-dropped': 'raft read dropped',
  'peer-not-found': 'raft: cannot step as peer not found',
  'local-message': 'raft: cannot step raft local message',
} as const;

const isLocal = (message: Message): boolean =>
  message.from === message.to ||
  [message.from, message.to].some((id) => id === appendThread || id === applyThread);

/** A snapshot at `at`, of term 1, as stories start from. */
export const startSnapshot = (at: number, content: string, conf: Partial<ConfState>): Snapshot => ({
  index: index(at),
  term: term(1),
  confState: { ...emptyConfState, ...conf },
  data: Buffer.from(content, 'latin1'),
});
