/**
 * Raft messages to and from the other nodes: gathered during a turn, sent at its end.
 *
 * Heartbeats of all groups to a peer share a frame, so do their answers; these and votes go by the control
 * lane, appends and their answers by the data lane. A message that cannot be sent is dropped: Raft sends again.
 *
 * An answer frame names the time at which the heartbeats that it answers were sent. Where several heartbeat frames are
 * answered together it names the earliest, so a lease can only be too short.
 */

import type { Clock } from '../base/clock.ts';
import { term, type GroupId, type NodeId } from '../base/ids.ts';
import type { Message } from '../raft/message.ts';
import type { Lane, Transport } from '../transport/transport.ts';
import type { WallClocks } from './cluster-time.ts';
import {
  decodeAnswers,
  decodeHeartbeats,
  decodeRaft,
  encodeAnswers,
  encodeHeartbeats,
  encodeRaft,
  frameKind,
  type AnswerMessage,
  type GroupMessage,
} from './peer-frames.ts';
import type { Replica } from './replica.ts';

interface Gathered {
  readonly heartbeats: GroupMessage[];
  readonly answers: AnswerMessage[];
  /** When the earliest heartbeats not yet answered were sent, by the peer's clock. */
  answersMs: number | undefined;
}

export class Peers {
  readonly #self: NodeId;
  readonly #transport: Pick<Transport, 'send'>;
  readonly #clock: Clock;
  readonly #walls: WallClocks;
  readonly #promiseMs: number;
  readonly #replicaOf: (group: GroupId) => Replica | undefined;
  readonly #gathered = new Map<NodeId, Gathered>();

  constructor(options: {
    readonly self: NodeId;
    readonly transport: Pick<Transport, 'send'>;
    readonly clock: Clock;
    readonly walls: WallClocks;
    /** How long this node grants no vote after a heartbeat; whole ms. */
    readonly promiseMs: number;
    readonly replicaOf: (group: GroupId) => Replica | undefined;
  }) {
    this.#self = options.self;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#walls = options.walls;
    this.#promiseMs = options.promiseMs;
    this.#replicaOf = options.replicaOf;
  }

  /** Sends a message of a group: heartbeats and their answers at `flush`, others at once. */
  send(group: GroupId, sent: Message): void {
    switch (sent.type) {
      case 'MsgHeartbeat':
        this.#gather(sent.to).heartbeats.push({ group, message: sent });
        return;
      case 'MsgHeartbeatResp':
        this.#gather(sent.to).answers.push({
          group,
          message: sent,
          isWell: this.#replicaOf(group)?.isEngineWell ?? false,
        });
        return;
      default:
        this.#transport.send(
          sent.to,
          laneOf(sent),
          frameKind.raft,
          encodeRaft({ group, message: sent }),
        );
    }
  }

  /** Sends what was gathered; called at the end of each turn. */
  flush(): void {
    for (const [peer, gathered] of this.#gathered) {
      const { heartbeats, answers, answersMs } = gathered;
      if (heartbeats.length > 0) {
        const sentMs = this.#clock.monotonicMs();
        const frame = encodeHeartbeats({ sentMs, messages: heartbeats });
        this.#transport.send(peer, 'control', frameKind.heartbeats, [frame]);
        heartbeats.length = 0;
      }
      if (answers.length > 0 && answersMs !== undefined) {
        const wallMs = Math.max(0, Math.floor(this.#clock.wallMs()));
        const promiseMs = this.#promiseMs;
        const frame = encodeAnswers({ sentMs: answersMs, wallMs, promiseMs, messages: answers });
        this.#transport.send(peer, 'control', frameKind.answers, [frame]);
      }
      answers.length = 0;
      gathered.answersMs = undefined;
    }
  }

  /** A frame of kind 1…15. False where it makes no sense: the peer is of another kind, or broken. */
  receive(from: NodeId, kind: number, payload: Uint8Array): boolean {
    switch (kind) {
      case frameKind.heartbeats: {
        const heartbeats = decodeHeartbeats(payload, from, this.#self);
        if (heartbeats === undefined) return false;
        const gathered = this.#gather(from);
        gathered.answersMs = Math.min(gathered.answersMs ?? Infinity, heartbeats.sentMs);
        for (const { group, message } of heartbeats.messages) {
          this.#replicaOf(group)?.step(message);
        }
        return true;
      }
      case frameKind.answers: {
        const answers = decodeAnswers(payload, from, this.#self);
        // What has not been sent yet cannot have been answered; a lease must not rest on it.
        if (answers === undefined || !(answers.sentMs <= this.#clock.monotonicMs())) return false;
        this.#walls.observe(from, answers.wallMs, answers.sentMs);
        const { sentMs, promiseMs } = answers;
        for (const { group, message, isWell } of answers.messages) {
          const replica = this.#replicaOf(group);
          replica?.step(message);
          replica?.heartbeatAnswered(from, term(message.term), { sentMs, promiseMs, isWell });
        }
        return true;
      }
      case frameKind.raft: {
        const decoded = decodeRaft(payload);
        if (decoded === undefined || decoded.message.from !== from) return false;
        if (decoded.message.to === this.#self)
          this.#replicaOf(decoded.group)?.step(decoded.message);
        return true;
      }
      default:
        return false;
    }
  }

  #gather(peer: NodeId): Gathered {
    let gathered = this.#gathered.get(peer);
    if (gathered === undefined) {
      gathered = { heartbeats: [], answers: [], answersMs: undefined };
      this.#gathered.set(peer, gathered);
    }
    return gathered;
  }
}

function laneOf(sent: Message): Lane {
  switch (sent.type) {
    case 'MsgApp':
    case 'MsgAppResp':
    case 'MsgSnap':
      return 'data';
    default:
      return 'control';
  }
}
