/**
 * Brings the groups of this node, where it leads them, to the members that the meta group wants, and their leaderships to where an
 * operator or a stop wants them. What comes next is `membership`'s to say; this looks on every so many ticks, and does it.
 */

import { metaGroup, type GroupId, type NodeId } from '../base/ids.ts';
import type { Replica } from '../replica/replica.ts';
import type { Transport } from '../transport/transport.ts';
import { decodeTransferFrame, encodeTransferFrame, frameKind } from './frames.ts';
import { nextStep } from './membership.ts';
import type { MetaState } from './meta-state.ts';

/** Ticks between two looks. */
const placementTicks = 4;

export interface PlacerOptions {
  readonly self: NodeId;
  readonly transport: Transport;
  /** By group; the same list as it grows. */
  readonly replicas: readonly Replica[];
  readonly meta: () => MetaState | undefined;
  /** Another of the removed is in no group any more. */
  readonly onGone: () => void;
}

export class Placer {
  readonly #options: PlacerOptions;
  #ticks = 0;
  /** Of the removed members, how many are in no group any more. */
  #gone = 0;

  constructor(options: PlacerOptions) {
    this.#options = options;
  }

  /** Called every heartbeat interval. */
  tick(): void {
    this.#ticks += 1;
    if (this.#ticks % placementTicks !== 0) return;
    const { replicas, meta, onGone } = this.#options;
    for (const replica of replicas) this.#place(replica);
    const gone = meta()?.removed.filter((node) => this.isGone(node)).length ?? 0;
    if (gone === this.#gone) return;
    this.#gone = gone;
    onGone();
  }

  /** The node was removed, and is in no group any more as far as this one has applied. */
  isGone(node: NodeId): boolean {
    const { replicas, meta } = this.#options;
    if (meta()?.removed.includes(node) !== true || replicas[metaGroup] === undefined) return false;
    return replicas.every(({ members: { voters, votersOutgoing, learners } }) =>
      [voters, votersOutgoing, learners].every((some) => !some.includes(node)),
    );
  }

  /**
   * Offers every leadership to the connected voter that has most of the log. True while there is one that could
   * still be taken over.
   */
  handOver(): boolean {
    const underWay = this.#options.replicas.filter((replica) => this.#handOver(replica));
    return underWay.length > 0;
  }

  /** Asks the group's leader, wherever it is, to hand over to `to`; lost where none is known. */
  transfer(group: GroupId, to: NodeId): void {
    const { self, transport, replicas } = this.#options;
    const leader = replicas[group]?.leader;
    if (leader === self) replicas[group]?.transferTo(to);
    else if (leader !== undefined && leader !== to) {
      const frame = encodeTransferFrame({ group, to });
      transport.send(leader, 'control', frameKind.transfer, [frame]);
    }
  }

  /** False where the frame makes no sense. */
  receive(payload: Uint8Array): boolean {
    const asked = decodeTransferFrame(payload);
    if (asked === undefined) return false;
    this.#options.replicas[asked.group]?.transferTo(asked.to);
    return true;
  }

  /** One step closer to the table. */
  #place(replica: Replica): void {
    const wanted = this.#options.meta()?.members;
    if (!replica.isServing || wanted === undefined) return;
    const step = nextStep(wanted, {
      self: this.#options.self,
      conf: replica.members,
      isCaughtUp: (node) => replica.progressOf(node).isCaughtUp,
      isActive: (node) => replica.progressOf(node).isActive,
    });
    if (step?.kind === 'hand-over') this.#handOver(replica);
    else if (step !== undefined) replica.changeMembers(step.steps);
  }

  /** False where this node does not lead, or there is nobody to take over. */
  #handOver(replica: Replica): boolean {
    if (!replica.isLeader) return false;
    const successor = replica.bestSuccessor((node) => this.#canLead(node));
    if (successor === undefined) return false;
    replica.transferTo(successor);
    return true;
  }

  /** Whoever is to leave should not lead first; without a table all stay. */
  #canLead(node: NodeId): boolean {
    const { meta, transport } = this.#options;
    const isVoter = meta()?.members.some(({ nodeId, role }) => nodeId === node && role === 'voter');
    return (isVoter ?? true) && transport.isConnected(node, 'data');
  }
}
