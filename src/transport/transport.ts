/**
 * The port between nodes: opaque frames to a peer, in order, at most once.
 *
 * Contract (the suite in `test/contract/transport.ts` runs it against every implementation):
 * - Frames of one lane arrive in the order in which they were sent, whole, or not at all. After a connection
 *   broke some may be lost; none arrives twice. Whoever sends must be able to send again.
 * - The lanes of a peer are connections of their own: `control` carries heartbeats, votes and other small, urgent things,
 *   `data` entries and clients' commands. A full or slow `data` lane never delays `control`.
 * - `send` never waits. It takes ownership of nothing but must not see the bytes changed later. It answers false, and
 *   drops the frame, where the lane is not connected, its queue is full, or the frame is larger than peers take. A queue
 *   that is not full takes any other frame, so a large one waits no longer than small ones.
 * - Frames sent in one turn of the event loop leave in one socket write a lane.
 * - `onFrame` is called synchronously, one frame at a time; its bytes belong to the receiver and are not reused.
 * - `onDisconnected` comes once for every `onConnected`, and before the `onConnected` of a connection that replaces it.
 * - Peers are told apart by node id; a handshake has shown that they are who they say (see `Hello`).
 *   A peer that reconnects replaces its earlier connection on that lane.
 */

import type { ClusterId, MemberId, NodeId } from '../base/ids.ts';

/** Where a peer listens. */
export interface Address {
  /** A name or an IP address; a name is resolved at each connect. */
  readonly host: string;
  readonly port: number;
}

export type Lane = 'control' | 'data';

/** What each side says first, and the other verifies. */
export interface Hello {
  readonly nodeId: NodeId;
  readonly memberId: MemberId;
  /** Raised at each start of the node. */
  readonly incarnation: number;
  /** Undefined while the node belongs to no cluster. */
  readonly clusterId: ClusterId | undefined;
  /** JSON that the layer above exchanges at connect: phase of formation, configuration. At most 64 KB. */
  readonly greeting: string;
}

/** Why a hello is not accepted; said to the other side before the connection closes. */
export interface Refusal {
  /** `fatal`: it will not change by itself, the refused node stops with `reason`. `later`: try again. */
  readonly kind: 'fatal' | 'later';
  /** One line: what, where, what to do. */
  readonly reason: string;
}

export interface TransportEvents {
  /** What this node says of itself now; asked at each connect. */
  hello(): Hello;
  /** Judges a peer's hello, on both sides, after its secret has been verified. Undefined accepts. */
  verify(peer: Hello): Refusal | undefined;
  /** Both sides accepted. Called for each lane. */
  onConnected(peer: NodeId, lane: Lane, hello: Hello): void;
  onDisconnected(peer: NodeId, lane: Lane): void;
  /** `kind` is 0…239, given by the sender; kinds from 240 on are the transport's own. */
  onFrame(peer: NodeId, lane: Lane, kind: number, payload: Uint8Array): void;
  /**
   * A peer refused this node, or the secrets differ. Called at each attempt, so again and again while it lasts. `fatal`
   * only from a peer that proved itself, or where this node is outvoted about the secret.
   */
  onRefused(peer: NodeId | undefined, refusal: Refusal): void;
}

export interface Transport {
  /** Starts listening and dialling; rejects with `config-invalid` where the port is in use. */
  start(events: TransportEvents): Promise<void>;
  /** Parts are written one after the other as one frame's payload. */
  send(peer: NodeId, lane: Lane, kind: number, parts: readonly Uint8Array[]): boolean;
  isConnected(peer: NodeId, lane: Lane): boolean;
  /** Bytes that wait in the lane's queue and socket. */
  queuedBytes(peer: NodeId, lane: Lane): number;
  /** Meets those among them that are new as if they had been there from the start. An address that is known stays. */
  addPeers(peers: ReadonlyMap<NodeId, Address>): void;
  /** Closes everything; no event is called afterwards. */
  close(): Promise<void>;
}
