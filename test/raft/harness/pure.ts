/** The directives of stories about pure functions: changes of configuration, and quorums. */

import { index, nodeId, type NodeId } from '../../../src/base/ids.ts';
import {
  describeConf,
  enterJoint,
  leaveJoint,
  simpleChange,
  type Refused,
} from '../../../src/raft/membership.ts';
import type { ConfState } from '../../../src/raft/message.ts';
import { jointCommitted, jointVote } from '../../../src/raft/quorum.ts';
import { Tracker } from '../../../src/raft/tracker.ts';
import { valueOf, type Directive, type Execute } from './datadriven.ts';
import { parseSteps } from './interaction.ts';

/** A configuration that changes, and the progress of its members. */
export function makeConfChange(): Execute {
  const tracker = new Tracker({ messagesMax: 10, bytesMax: Infinity });
  let lastIndex = -1;
  return (directive) => {
    lastIndex += 1;
    if (directive.command === 'leave-joint' && directive.input !== '') {
      return 'this command takes no input';
    }
    const next = change(tracker.conf, directive);
    if ('refused' in next) return next.refused;
    tracker.switchTo(next, index(lastIndex));
    const members = tracker.members.map((each) => `${each.id}: ${each.toString()}\n`);
    return `${describeConf(next)}\n${members.join('')}`;
  };
}

function change(conf: ConfState, directive: Directive): ConfState | Refused {
  const steps = parseSteps(directive.input);
  switch (directive.command) {
    case 'simple':
      return simpleChange(conf, steps);
    case 'enter-joint':
      return enterJoint(conf, steps, valueOf(directive, 'autoleave') === 'true');
    case 'leave-joint':
      return leaveJoint(conf);
    default:
      throw new Error(`unknown command at ${directive.place}`);
  }
}

export function makeQuorum(): Execute {
  return (directive) => {
    const incoming = idsOf(directive, 'cfg');
    const outgoing = idsOf(directive, 'cfgj');
    const ids = [...new Set([...incoming, ...outgoing])];
    const key = directive.command === 'vote' ? 'votes' : 'idx';
    const values = directive.args.find((arg) => arg.key === key)?.values ?? [];
    if (values.length !== ids.length) {
      const voters = sorted(ids).map((id) => `${id}:{}`);
      return `error: mismatched input (explicit or _) for voters map[${voters.join(' ')}]: [${values.join(' ')}]`;
    }
    if (directive.command === 'vote') {
      const votes = new Map<NodeId, boolean>();
      ids.forEach((id, place) => {
        if (values[place] !== '_') votes.set(id, values[place] === 'y');
      });
      return jointVote(sorted(incoming), sorted(outgoing), votes);
    }
    return describeCommitted(incoming, outgoing, ids, values);
  };
}

function describeCommitted(
  incoming: readonly NodeId[],
  outgoing: readonly NodeId[],
  ids: readonly NodeId[],
  values: readonly string[],
): string {
  const acked = new Map<NodeId, number>();
  ids.forEach((id, place) => {
    if (values[place] !== '_') acked.set(id, Number(values[place]));
  });
  const committed = jointCommitted(sorted(incoming), sorted(outgoing), {
    acknowledged: (id) => acked.get(id),
  });
  const shown = committed === Infinity ? '∞' : String(committed);
  return `${describeTable(sorted(ids), acked)}${shown}`;
}

function describeTable(ids: readonly NodeId[], acked: ReadonlyMap<NodeId, number>): string {
  if (ids.length === 0) return '<empty majority quorum>';
  const lines = [`${' '.repeat(ids.length)}    idx\n`];
  for (const id of ids) {
    const value = acked.get(id);
    const bar = ids.filter((other) => (acked.get(other) ?? 0) < (value ?? 0)).length;
    const drawn =
      value === undefined
        ? `?${' '.repeat(ids.length)}`
        : `${'x'.repeat(bar)}>${' '.repeat(ids.length - bar)}`;
    lines.push(`${drawn} ${String(value ?? 0).padStart(5)}    (id=${id.toString(16)})\n`);
  }
  return lines.join('');
}

const idsOf = (directive: Directive, key: string): readonly NodeId[] =>
  (directive.args.find((arg) => arg.key === key)?.values ?? [])
    .filter((value) => value !== '' && value !== 'zero')
    .map((value) => nodeId(Number(value)));

const sorted = (ids: readonly NodeId[]): readonly NodeId[] =>
  [...ids].sort((left, right) => left - right);
