/** How stories print entries, messages and Readys. Ids in hex, everything else decimal. */

import { decodeConfChange } from '../../../src/raft/conf-codec.ts';
import type { ConfChangeType } from '../../../src/raft/membership.ts';
import type {
  ConfState,
  Entry,
  EntryType,
  HardState,
  Message,
  Snapshot,
} from '../../../src/raft/message.ts';
import { appendThread, applyThread, type Ready } from '../../../src/raft/ready.ts';

const steps: Readonly<Record<ConfChangeType, string>> = {
  'add-node': 'v',
  'add-learner': 'l',
  'remove-node': 'r',
  'update-node': 'u',
};

const entryTypes: Readonly<Record<EntryType, string>> = {
  normal: 'EntryNormal',
  'conf-change': 'EntryConfChange',
  'conf-change-v2': 'EntryConfChangeV2',
};

export function formatNode(id: number): string {
  if (id === 0) return 'None';
  if (id === appendThread) return 'AppendThread';
  return id === applyThread ? 'ApplyThread' : id.toString(16);
}

export function formatEntry(entry: Entry): string {
  const head = `${entry.term}/${entry.index} ${entryTypes[entry.type]}`;
  if (entry.type === 'normal') {
    return `${head} ${JSON.stringify(Buffer.from(entry.data).toString('latin1'))}`;
  }
  const change = decodeConfChange(entry);
  if (change === undefined) throw new Error('an entry is not a conf change');
  return [head, ...change.changes.map(({ type, nodeId }) => `${steps[type]}${nodeId}`)].join(' ');
}

export function formatSnapshot(snapshot: Snapshot): string {
  const conf: ConfState = snapshot.confState;
  const list = (ids: readonly number[]): string => `[${ids.join(' ')}]`;
  return (
    `Index:${snapshot.index} Term:${snapshot.term} ConfState:Voters:${list(conf.voters)} ` +
    `VotersOutgoing:${list(conf.votersOutgoing)} Learners:${list(conf.learners)} ` +
    `LearnersNext:${list(conf.learnersNext)} AutoLeave:${conf.autoLeave}`
  );
}

/** Without a newline at the end; `indent` is put before the lines that follow the first. */
export function formatMessage(message: Message, indent = ''): string {
  let text =
    `${formatNode(message.from)}->${formatNode(message.to)} ${message.type} ` +
    `Term:${message.term} Log:${message.logTerm}/${message.index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (message.commit !== 0) text += ` Commit:${message.commit}`;
  if (message.vote !== 0) text += ` Vote:${message.vote}`;
  const [first, ...more] = message.entries;
  if (first !== undefined && more.length === 0) {
    text += ` Entries:[${formatEntry(first)}]`;
  } else if (first !== undefined) {
    const lines = message.entries.map((entry) => `\n${indent}  ${formatEntry(entry)}`);
    text += ` Entries:[${lines.join('')}\n${indent}]`;
  }
  if (message.snapshot !== undefined) {
    text += `\n${indent}  Snapshot: ${formatSnapshot(message.snapshot)}`;
  }
  if (message.responses.length > 0) {
    const lines = message.responses.map(
      (answer) => `\n${indent}  ${formatMessage(answer, `${indent}  `)}`,
    );
    text += ` Responses:[${lines.join('')}\n${indent}]`;
  }
  return text;
}

function formatHardState(hardState: HardState): string {
  const vote = hardState.vote === 0 ? '' : ` Vote:${hardState.vote}`;
  return `HardState Term:${hardState.term}${vote} Commit:${hardState.commit}`;
}

export function formatReady(ready: Ready): string {
  const lines: string[] = [];
  if (ready.softState !== undefined) {
    lines.push(`Lead:${ready.softState.lead} State:${ready.softState.state}`);
  }
  if (ready.hardState !== undefined) lines.push(formatHardState(ready.hardState));
  if (ready.readStates.length > 0) {
    const states = ready.readStates.map(
      ({ index, context }) => `${index}:${Buffer.from(context).toString('latin1')}`,
    );
    lines.push(`ReadStates ${states.join(' ')}`);
  }
  if (ready.entries.length > 0) lines.push('Entries:', ...ready.entries.map(formatEntry));
  if (ready.snapshot !== undefined) lines.push(`Snapshot ${formatSnapshot(ready.snapshot)}`);
  if (ready.committedEntries.length > 0) {
    lines.push('CommittedEntries:', ...ready.committedEntries.map(formatEntry));
  }
  if (ready.messages.length > 0) {
    lines.push('Messages:', ...ready.messages.map((each) => formatMessage(each)));
  }
  if (lines.length === 0) return '<empty Ready>';
  return `Ready MustSync=${ready.mustSync}:\n${lines.map((line) => `${line}\n`).join('')}`;
}
