/**
 * Configurations and how they change: who votes, who learns, and the steps between two memberships.
 *
 * One voter at a time may change directly: any majority before overlaps any majority after (dissertation, 4.1). Anything
 * bigger goes through a joint configuration in which old and new voters must both agree (4.3). A voter of the old half that
 * is to become a learner waits in `learnersNext` until the joint configuration is left. Pure functions over
 * ascending lists: a change that is refused leaves nothing behind.
 */

import { unreachable } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { hex } from './trace.ts';
import type { ConfState } from './message.ts';

export type ConfChangeType = 'add-node' | 'add-learner' | 'remove-node' | 'update-node';

/** One step; node 0 means nothing. `update-node` changes no membership, it only travels through the log. */
export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
}

/** The first form: one step, never joint. */
export interface ConfChange {
  readonly kind: 'v1';
  readonly change: ConfChangeSingle;
  /** The application's own bytes. */
  readonly context: Uint8Array;
}

/** `auto`: joint only where more than one step asks for it, and left by itself. `implicit`: joint, left by itself. `explicit`: joint, left on demand. */
export type Transition = 'auto' | 'implicit' | 'explicit';

/** The second form: any number of steps. None, with transition `auto`, leaves a joint configuration. */
export interface ConfChangeV2 {
  readonly kind: 'v2';
  readonly transition: Transition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

const noBytes = new Uint8Array(0);

export const leaveJointChange: ConfChangeV2 = {
  kind: 'v2',
  transition: 'auto',
  changes: [],
  context: noBytes,
};

/** The second form of either. */
export function asV2(change: ConfChange | ConfChangeV2): ConfChangeV2 {
  if (change.kind === 'v2') return change;
  return { kind: 'v2', transition: 'auto', changes: [change.change], context: change.context };
}

export const emptyConfState: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export const isJoint = (conf: ConfState): boolean => conf.votersOutgoing.length > 0;

/** Whether `id` may vote in either half. */
export const isVoter = (conf: ConfState, id: NodeId): boolean =>
  conf.voters.includes(id) || conf.votersOutgoing.includes(id);

/** The voters of both halves, ascending, each once. */
export function allVoters(conf: ConfState): readonly NodeId[] {
  if (conf.votersOutgoing.length === 0) return conf.voters;
  return ascending([...conf.voters, ...conf.votersOutgoing]);
}

/** Everybody a leader replicates to, ascending, each once. */
export const allMembers = (conf: ConfState): readonly NodeId[] =>
  ascending([...conf.voters, ...conf.votersOutgoing, ...conf.learners]);

/** Why a change is refused; in the vectors' words. */
export interface Refused {
  readonly refused: string;
}

/** What `conf` becomes under `change`, or why not. */
export function changeConf(conf: ConfState, change: ConfChangeV2): ConfState | Refused {
  if (change.transition === 'auto' && change.changes.length === 0) return leaveJoint(conf);
  if (change.transition !== 'auto' || change.changes.length > 1) {
    return enterJoint(conf, change.changes, change.transition !== 'explicit');
  }
  return simpleChange(conf, change.changes);
}

/** Makes the voters of now the old half and applies the steps to the new one. */
export function enterJoint(
  conf: ConfState,
  changes: readonly ConfChangeSingle[],
  autoLeave: boolean,
): ConfState | Refused {
  if (isJoint(conf)) return { refused: 'config is already joint' };
  if (conf.voters.length === 0) return { refused: "can't make a zero-voter config joint" };
  const draft = new Draft({ ...conf, votersOutgoing: conf.voters, autoLeave });
  draft.apply(changes);
  return draft.done();
}

/** Drops the old half; who waited to become a learner becomes one. */
export function leaveJoint(conf: ConfState): ConfState | Refused {
  if (!isJoint(conf)) return { refused: "can't leave a non-joint config" };
  return {
    voters: conf.voters,
    votersOutgoing: [],
    learners: ascending([...conf.learners, ...conf.learnersNext]),
    learnersNext: [],
    autoLeave: false,
  };
}

/** Applies steps that together change at most one voter. */
export function simpleChange(
  conf: ConfState,
  changes: readonly ConfChangeSingle[],
): ConfState | Refused {
  if (isJoint(conf)) return { refused: "can't apply simple config change in joint config" };
  const draft = new Draft(conf);
  draft.apply(changes);
  const next = draft.done();
  if ('refused' in next) return next;
  const added = next.voters.filter((id) => !conf.voters.includes(id)).length;
  const removed = conf.voters.filter((id) => !next.voters.includes(id)).length;
  if (added + removed > 1) {
    return { refused: 'more than one voter changed without entering joint config' };
  }
  return next;
}

/** Whether lists ascend without doubles and no node has two parts; for configurations that come from outside. */
export function isValidConf(conf: ConfState): boolean {
  for (const list of [conf.voters, conf.votersOutgoing, conf.learners, conf.learnersNext]) {
    for (let place = 1; place < list.length; place += 1) {
      if ((list[place - 1] ?? 0) >= (list[place] ?? 0)) return false;
    }
  }
  if (conf.learners.some((id) => isVoter(conf, id) || conf.learnersNext.includes(id))) return false;
  if (conf.learnersNext.some((id) => !conf.votersOutgoing.includes(id))) return false;
  if (conf.learnersNext.some((id) => conf.voters.includes(id))) return false;
  return isJoint(conf) || !conf.autoLeave;
}

/** `voters=(1 2)&&(1) learners=(3) autoleave`, as the trace prints it; new half first. */
export function describeConf(conf: ConfState): string {
  const list = (ids: readonly NodeId[]): string => `(${ids.map(hex).join(' ')})`;
  let text = `voters=${list(conf.voters)}`;
  if (isJoint(conf)) text += `&&${list(conf.votersOutgoing)}`;
  if (conf.learners.length > 0) text += ` learners=${list(conf.learners)}`;
  if (conf.learnersNext.length > 0) text += ` learners_next=${list(conf.learnersNext)}`;
  return conf.autoLeave ? `${text} autoleave` : text;
}

/** A change as the trace prints it. */
export function describeChange(change: ConfChangeV2): string {
  const transition = { auto: 'Auto', implicit: 'JointImplicit', explicit: 'JointExplicit' };
  let text = `transition:ConfChangeTransition${transition[change.transition]}`;
  for (const step of change.changes) {
    text += ` changes:{type:${stepNames[step.type]} node_id:${step.nodeId}}`;
  }
  return text;
}

const stepNames: Readonly<Record<ConfChangeType, string>> = {
  'add-node': 'ConfChangeAddNode',
  'add-learner': 'ConfChangeAddLearnerNode',
  'remove-node': 'ConfChangeRemoveNode',
  'update-node': 'ConfChangeUpdateNode',
};

/** A configuration being changed, as sets. */
class Draft {
  readonly #voters: Set<NodeId>;
  readonly #outgoing: ReadonlySet<NodeId>;
  readonly #learners: Set<NodeId>;
  readonly #learnersNext: Set<NodeId>;
  readonly #autoLeave: boolean;

  constructor(conf: ConfState) {
    this.#voters = new Set(conf.voters);
    this.#outgoing = new Set(conf.votersOutgoing);
    this.#learners = new Set(conf.learners);
    this.#learnersNext = new Set(conf.learnersNext);
    this.#autoLeave = conf.autoLeave;
  }

  apply(changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      if (nodeId === 0) continue;
      switch (type) {
        case 'add-node':
          this.#forget(nodeId);
          this.#voters.add(nodeId);
          break;
        case 'add-learner':
          this.#forget(nodeId);
          // In the old half it still votes, and nobody is voter and learner at once.
          (this.#outgoing.has(nodeId) ? this.#learnersNext : this.#learners).add(nodeId);
          break;
        case 'remove-node':
          this.#forget(nodeId);
          break;
        case 'update-node':
          break;
        default:
          unreachable(type);
      }
    }
  }

  done(): ConfState | Refused {
    if (this.#voters.size === 0) return { refused: 'removed all voters' };
    return {
      voters: ascending([...this.#voters]),
      votersOutgoing: ascending([...this.#outgoing]),
      learners: ascending([...this.#learners]),
      learnersNext: ascending([...this.#learnersNext]),
      autoLeave: this.#autoLeave,
    };
  }

  #forget(id: NodeId): void {
    this.#voters.delete(id);
    this.#learners.delete(id);
    this.#learnersNext.delete(id);
  }
}

/** Sorted, each once. */
const ascending = (ids: readonly NodeId[]): readonly NodeId[] =>
  [...new Set(ids)].sort((left, right) => left - right);
