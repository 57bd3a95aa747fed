/**
 * What a node is behind its ports: the part that differs between a member, which holds replicas, and a proxy.
 */

import type { NodeError } from './base/errors.ts';
import type { ClusterId, MemberId, NodeId } from './base/ids.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Member } from './cluster/member.ts';
import type { Membership } from './members.ts';
import type { NodeConfig } from './node.ts';
import type { System } from './system.ts';
import type { Hello, Lane, Refusal, Transport } from './transport/transport.ts';

/** The node's part in the cluster, for those who submit commands in-process. */
export type NodeCluster = Cluster & Pick<Member, 'pendingCommands' | 'meta' | 'submitMeta'>;

export interface NodePart {
  readonly cluster: NodeCluster;
  readonly memberId: MemberId;
  readonly incarnation: number;
  /** Undefined until it is known. */
  readonly clusterId: ClusterId | undefined;
  readonly phase: 'forming' | 'joining' | 'running';
  /** Undefined where the node looks after no members. */
  readonly membership: Membership | undefined;
  hello(): Hello;
  verify(peer: Hello): Refusal | undefined;
  /** All ports are open. */
  start(): void;
  connected(peer: NodeId, lane: Lane, hello: Hello): void;
  disconnected(peer: NodeId, lane: Lane): void;
  /** False where the frame makes no sense. */
  receive(peer: NodeId, kind: number, payload: Uint8Array): boolean;
  /** Offers what others can take over; true while that is under way. */
  handOver(): boolean;
  close(): Promise<void>;
}

/** What a part is given by the node around it. */
export interface PartSurroundings {
  readonly config: NodeConfig;
  readonly system: System;
  readonly transport: Transport;
  readonly isStopping: () => boolean;
  /** The node must stop. */
  readonly fail: (error: unknown) => void;
  /** The node has no part in the cluster any more: it stops as if it was told to, and then says why. */
  readonly leave: (error: NodeError) => void;
}

/** A part that can be made: what it needs of this machine is there. */
export interface PreparedPart {
  make(surroundings: PartSurroundings): NodePart;
  /** Gives back what was prepared, after the part has been closed, or where none was made. */
  release(): Promise<void>;
}
