/**
 * What a node that holds no replicas knows of the cluster: the meta group's state, and who leads which group.
 *
 * Members tell it to every proxy, so several of them say the same at different times, and what comes later may be older. Nothing is
 * believed against something newer: of two states of the meta group the one of the higher version counts, of two leaders of a
 * group the one of the higher term. A hint may still be wrong, as its leader may be gone: whoever is asked as leader says so himself.
 */

import { groupId, metaGroup, noNode, nodeId, term } from '../base/ids.ts';
import type { ClusterId, GroupId, NodeId, Term } from '../base/ids.ts';
import { metaFromJson, metaToJson, parseJson, type MetaState } from './meta-state.ts';
import type { Leader } from './origin.ts';

/** Who leads a group in a term, as a member knows it. `noNode`: nobody that it knows. */
export interface LeaderHint {
  readonly group: GroupId;
  readonly leader: NodeId;
  readonly term: Term;
}

/** What a member says. */
export interface ViewFrame {
  readonly clusterId: ClusterId;
  /** Undefined where it is as the member said last. */
  readonly meta: MetaState | undefined;
  readonly leaders: readonly LeaderHint[];
}

export function encodeView({ clusterId, meta, leaders }: ViewFrame): Uint8Array {
  const hints = leaders.map((hint) => [hint.group, hint.leader, hint.term]);
  const state = meta === undefined ? {} : { meta: metaToJson(meta) };
  return Buffer.from(JSON.stringify({ clusterId, ...state, leaders: hints }));
}

/** Undefined where the bytes are not what `encodeView` made. */
export function decodeView(payload: Uint8Array): ViewFrame | undefined {
  const json = parseJson(payload);
  if (typeof json !== 'object' || json === null) return undefined;
  const { clusterId, meta, leaders } = json as Record<string, unknown>;
  if (typeof clusterId !== 'string' || !Array.isArray(leaders)) return undefined;
  const state = meta === undefined ? undefined : metaFromJson(meta);
  if (meta !== undefined && state === undefined) return undefined;
  const hints = (leaders as unknown[]).map(hintOf);
  if (!hints.every((hint) => hint !== undefined)) return undefined;
  return { clusterId: clusterId as ClusterId, meta: state, leaders: hints };
}

function hintOf(value: unknown): LeaderHint | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const numbers = value as unknown[];
  if (!numbers.every((number) => Number.isSafeInteger(number) && Number(number) >= 0)) {
    return undefined;
  }
  const [group, leader, inTerm] = numbers.map(Number);
  return { group: groupId(group ?? 0), leader: nodeId(leader ?? 0), term: term(inTerm ?? 0) };
}

/** What was new in a frame. */
export interface Learned {
  readonly isMetaNew: boolean;
  /** Groups that have another leader, or term, than was known. */
  readonly groups: readonly GroupId[];
}

const nothing: Learned = { isMetaNew: false, groups: [] };

export class View {
  #meta: MetaState | undefined;
  /** By group; in bounds, as hints count only for the groups of the shard map. */
  readonly #leaders: Leader[] = [];

  get meta(): MetaState | undefined {
    return this.#meta;
  }

  /** Undefined while none is known. */
  leaderOf(group: GroupId): Leader | undefined {
    const known = this.#leaders[group];
    return known === undefined || known.node === noNode ? undefined : known;
  }

  /** The term in which the group was last heard of. */
  termOf(group: GroupId): Term {
    return this.#leaders[group]?.term ?? term(0);
  }

  learn(said: ViewFrame): Learned {
    const { meta } = said;
    if (said.clusterId !== (this.#meta ?? meta)?.clusterId) return nothing;
    const isMetaNew = meta !== undefined && meta.version > (this.#meta?.version ?? 0);
    if (isMetaNew) this.#meta = meta;
    const groups = said.leaders.filter((hint) => this.#believe(hint)).map(({ group }) => group);
    return { isMetaNew, groups };
  }

  /** True where the hint says something new. */
  #believe({ group, leader, term: inTerm }: LeaderHint): boolean {
    if (group < metaGroup || group > (this.#meta?.shardMap.shards ?? 0)) return false;
    const known = this.#leaders[group];
    if (known !== undefined) {
      // A term has one leader: who knows none knows less.
      const isNewer = inTerm > known.term;
      const isMore = inTerm === known.term && known.node === noNode && leader !== noNode;
      if (!isNewer && !isMore) return false;
    }
    this.#leaders[group] = { node: leader, term: inTerm };
    return true;
  }
}
