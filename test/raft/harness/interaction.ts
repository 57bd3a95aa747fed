/** The directives of a story about a whole cluster. */

import { index, nodeId, type NodeId } from '../../../src/base/ids.ts';
import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeType,
  ConfChangeV2,
  Transition,
} from '../../../src/raft/membership.ts';
import { message, type Snapshot } from '../../../src/raft/message.ts';
import { valueOf, type Directive, type Execute } from './datadriven.ts';
import { formatEntry, formatMessage } from './format.ts';
import { levels, startSnapshot, Story, type NodeOptions, type StoryNode } from './story.ts';

const stepTypes: Readonly<Record<string, ConfChangeType>> = {
  v: 'add-node',
  l: 'add-learner',
  r: 'remove-node',
  u: 'update-node',
};

/** `v1 l2 r3` as steps. */
export function parseSteps(text: string): readonly ConfChangeSingle[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      const type = stepTypes[word[0] ?? ''];
      if (type === undefined) throw new Error(`unknown input: ${word}`);
      return { type, nodeId: nodeId(Number(word.slice(1))) };
    });
}

/** An error text, or undefined. */
type Run = (story: Story, directive: Directive) => string | undefined | void;

/** Starts a new cluster and gives what runs directives on it. */
export function makeInteraction(): Execute {
  const story = new Story();
  return (directive) => {
    const run = commands[directive.command];
    if (run === undefined) throw new Error(`unknown command at ${directive.place}`);
    const error = run(story, directive);
    const printed = story.output.take();
    if (typeof error === 'string') return story.output.isSilent ? error : printed + error;
    return printed === '' ? 'ok' : printed;
  };
}

const firstNode = (story: Story, directive: Directive): StoryNode =>
  story.node(Number(directive.args[0]?.key));

/** Plain numbers among the arguments, or all nodes. */
function nodesOf(story: Story, directive: Directive): readonly StoryNode[] {
  const ids = directive.args.filter((arg) => /^\d+$/.test(arg.key));
  return ids.length === 0 ? story.nodes : ids.map((arg) => story.node(Number(arg.key)));
}

const ascending = (values: readonly string[] | undefined): readonly NodeId[] =>
  (values ?? []).map((value) => nodeId(Number(value))).sort((left, right) => left - right);

function addNodes(story: Story, directive: Directive): void {
  const listOf = (key: string): readonly string[] | undefined =>
    directive.args.find((arg) => arg.key === key)?.values;
  const isTrue = (key: string): boolean => valueOf(directive, key) === 'true';
  const readOnly = valueOf(directive, 'read-only') === 'lease-based' ? 'lease-based' : 'safe';
  const options: NodeOptions = {
    asyncStorageWrites: isTrue('async-storage-writes'),
    preVote: isTrue('prevote'),
    checkQuorum: isTrue('checkquorum'),
    holdVotes: isTrue('hold-votes'),
    stepDownOnRemoval: isTrue('step-down-on-removal'),
    disableConfChangeValidation: isTrue('disable-conf-change-validation'),
    readOnly,
    maxInflightMessages: Number(valueOf(directive, 'inflight') ?? 2 ** 31 - 1),
    maxMessageBytes: Number(valueOf(directive, 'max-message-size') ?? Infinity),
    maxInflightBytes: Number(valueOf(directive, 'inflight-size') ?? Infinity),
    maxUncommittedBytes: Number(valueOf(directive, 'max-uncommitted-size') ?? Infinity),
    maxCommittedBytesPerReady: Number(
      valueOf(directive, 'max-committed-size-per-ready') ?? Infinity,
    ),
  };
  const hasStart = ['voters', 'learners', 'index', 'content'].some(
    (key) => listOf(key) !== undefined,
  );
  const start: Snapshot | undefined = hasStart
    ? startSnapshot(Number(valueOf(directive, 'index')), valueOf(directive, 'content') ?? '', {
        voters: ascending(listOf('voters')),
        learners: ascending(listOf('learners')),
      })
    : undefined;
  const count = Number(directive.args[0]?.key);
  for (let added = 0; added < count; added += 1) story.addNode(options, start);
}

function proposeConfChange(story: Story, directive: Directive): string | undefined {
  const changes = parseSteps(directive.input);
  const context = new Uint8Array(0);
  const transition = (valueOf(directive, 'transition') ?? 'auto') as Transition;
  const [change] = changes;
  const isFirst = valueOf(directive, 'v1') === 'true' && change !== undefined;
  const proposal: ConfChange | ConfChangeV2 = isFirst
    ? { kind: 'v1', change, context }
    : { kind: 'v2', transition, changes, context };
  const result = firstNode(story, directive).raw.proposeConfChange(proposal);
  return result === 'dropped' ? 'raft proposal dropped' : undefined;
}

/** Runs `each` for the nodes, under a headline if there are several. */
function forNodes(
  story: Story,
  directive: Directive,
  headline: string,
  each: (node: StoryNode) => void,
): void {
  const nodes = nodesOf(story, directive);
  for (const node of nodes) {
    if (nodes.length === 1) {
      each(node);
    } else {
      story.output.write(`> ${node.id} ${headline}\n`);
      story.output.indented(() => each(node));
    }
  }
}

function deliverMessages(story: Story, directive: Directive): void {
  const type = valueOf(directive, 'type');
  let count = 0;
  for (const arg of directive.args) {
    if (/^\d+$/.test(arg.key)) count += story.deliver(Number(arg.key), false, type);
    if (arg.key !== 'drop') continue;
    for (const id of arg.values) count += story.deliver(Number(id), true, type);
  }
  if (count === 0) story.output.write('no messages\n');
}

function stabilize(story: Story, directive: Directive): void {
  const { output } = story;
  const before = output.level;
  const level = valueOf(directive, 'log-level');
  if (level !== undefined) output.level = levels.indexOf(level.toUpperCase());
  const nodes = nodesOf(story, directive);
  let isDone = false;
  while (!isDone) isDone = !stabilizeOnce(story, nodes);
  output.level = before;
}

/** One pass; says whether it did anything. */
function stabilizeOnce(story: Story, nodes: readonly StoryNode[]): boolean {
  const { output } = story;
  let isBusy = false;
  const work = (node: StoryNode, headline: string, body: () => void): void => {
    isBusy = true;
    output.write(`> ${node.id} ${headline}\n`);
    output.indented(body);
  };
  for (const node of nodes) {
    if (node.raw.hasReady()) work(node, 'handling Ready', () => story.processReady(node));
  }
  for (const node of nodes) {
    if (!story.hasMessagesTo(node.id)) continue;
    work(node, 'receiving messages', () => story.deliver(node.id, false, undefined));
  }
  for (const node of nodes) {
    if (node.appendWork.length === 0) continue;
    work(node, 'processing append thread', () => {
      while (node.appendWork.length > 0) story.processAppendThread(node);
    });
  }
  for (const node of nodes) {
    if (node.applyWork.length === 0) continue;
    work(node, 'processing apply thread', () => {
      while (node.applyWork.length > 0) story.processApplyThread(node);
    });
  }
  return isBusy;
}

function printLog(story: Story, node: StoryNode): void {
  const { storage } = node;
  const first = storage.firstIndex();
  const last = storage.lastIndex();
  if (last < first) {
    story.output.write(`log is empty: first index=${first}, last index=${last}`);
    return;
  }
  const entries = storage.entries(first, index(last + 1), Infinity);
  if (typeof entries === 'string') throw new Error(`the log is ${entries}`);
  for (const entry of entries) story.output.write(`${formatEntry(entry)}\n`);
}

function printState(story: Story): void {
  for (const { id, raw } of story.nodes) {
    const conf = raw.confState();
    const isVoter = conf.voters.includes(id) || conf.votersOutgoing.includes(id);
    story.output.write(
      `${id}: ${raw.state} (${isVoter ? 'Voter' : 'Non-Voter'}) Term:${raw.term} Lead:${raw.lead}\n`,
    );
  }
}

function sendSnapshot(story: Story, directive: Directive): void {
  const from = firstNode(story, directive);
  const snapshot = from.history.at(-1);
  if (snapshot === undefined) throw new Error('every node has a history');
  const sent = message({
    type: 'MsgSnap',
    from: from.id,
    to: nodeId(Number(directive.args[1]?.key)),
    term: from.raw.term,
    snapshot,
  });
  story.messages.push(sent);
  story.output.write(`${formatMessage(sent)}\n`);
}

function tick(story: Story, directive: Directive, count: number): void {
  const { raw } = firstNode(story, directive);
  for (let ticks = 0; ticks < count; ticks += 1) raw.tick();
}

const bytesOf = (directive: Directive): Uint8Array =>
  Buffer.from(directive.args[1]?.key ?? '', 'latin1');

const commands: Readonly<Record<string, Run>> = {
  'add-nodes': addNodes,
  campaign: (story, directive) => firstNode(story, directive).raw.campaign(),
  propose: (story, directive) =>
    firstNode(story, directive).raw.propose(bytesOf(directive)) === 'ok'
      ? undefined
      : 'raft proposal dropped',
  'propose-conf-change': proposeConfChange,
  'process-ready': (story, directive) =>
    forNodes(story, directive, 'handling Ready', (node) => story.processReady(node)),
  'deliver-msgs': deliverMessages,
  stabilize,
  'process-append-thread': (story, directive) =>
    forNodes(story, directive, 'processing append thread', (node) =>
      story.processAppendThread(node),
    ),
  'process-apply-thread': (story, directive) =>
    forNodes(story, directive, 'processing apply thread', (node) => story.processApplyThread(node)),
  'tick-heartbeat': (story, directive) =>
    tick(story, directive, firstNode(story, directive).config.heartbeatTicks),
  'tick-election': (story, directive) =>
    tick(story, directive, firstNode(story, directive).config.electionTicks),
  'set-randomized-election-timeout': (story, directive) =>
    firstNode(story, directive).raw.setElectionTimeout(Number(valueOf(directive, 'timeout'))),
  'transfer-leadership': (story, directive) =>
    story
      .node(Number(valueOf(directive, 'from')))
      .raw.transferLeader(nodeId(Number(valueOf(directive, 'to')))),
  'forget-leader': (story, directive) => firstNode(story, directive).raw.forgetLeader(),
  'report-unreachable': (story, directive) =>
    firstNode(story, directive).raw.reportUnreachable(nodeId(Number(directive.args[1]?.key))),
  'send-snapshot': sendSnapshot,
  compact: (story, directive) => {
    const node = firstNode(story, directive);
    node.storage.compact(index(Number(directive.args[1]?.key)));
    printLog(story, node);
  },
  'raft-log': (story, directive) => printLog(story, firstNode(story, directive)),
  'raft-state': printState,
  status: (story, directive) => {
    const { raw } = firstNode(story, directive);
    if (!raw.isLeader) return;
    for (const peer of raw.peers()) {
      story.output.write(`${peer.id.toString(16)}: ${peer.text}\n`);
    }
  },
  'log-level': (story, directive) => {
    story.output.level = levels.indexOf(directive.args[0]?.key.toUpperCase() ?? '');
  },
  // Not in the vectors, as are the limits `max-message-size`, `inflight-size`, `max-uncommitted-size` and the option `hold-votes`.
  'read-index': (story, directive) =>
    firstNode(story, directive).raw.readIndex(bytesOf(directive)) === 'ok'
      ? undefined
      : 'raft read dropped',
  'report-snapshot': (story, directive) =>
    firstNode(story, directive).raw.reportSnapshot(
      nodeId(Number(directive.args[1]?.key)),
      valueOf(directive, 'ok') === 'true',
    ),
  restart: (story, directive) => story.restart(firstNode(story, directive)),
};
