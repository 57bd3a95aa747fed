/**
 * The state machine of the meta group: what the whole cluster must agree on, changed only through its log.
 *
 * It is an engine like any other, so that log, sessions and replicas treat it alike. Its commands are JSON. The first
 * entry that counts is `form`: cluster id, members, shard map and namespaces; repeated, it changes nothing, so that
 * every leader that finds the state empty may propose it.
 */

import { NodeError } from '../base/errors.ts';
import { clusterId, memberId, nodeId, type ClusterId } from '../base/ids.ts';
import type {
  Applied,
  Engine,
  EngineCommand,
  EngineEntry,
  EngineHost,
  EngineRead,
  EngineStatistics,
  ReadReply,
  Reply,
} from '../engine/engine.ts';
import type { MemberIdentity } from '../log/log.ts';
import { parseNamespaces, type Namespace } from '../shard/namespace.ts';
import { shardMapFromJson, shardMapToJson, type ShardMap } from '../shard/shard-map.ts';

export interface MetaState {
  readonly clusterId: ClusterId;
  readonly members: readonly MemberIdentity[];
  readonly shardMap: ShardMap;
  readonly namespaces: readonly Namespace[];
}

const ok: Reply = '+OK\r\n';

/** The bytes of the command that forms a cluster. */
export function encodeForm(state: MetaState): Uint8Array {
  const form = {
    kind: 'form',
    clusterId: state.clusterId,
    members: state.members,
    shardMap: shardMapToJson(state.shardMap),
    namespaces: state.namespaces,
  };
  return Buffer.from(JSON.stringify(form));
}

export class MetaEngine implements Engine {
  readonly #onChanged: (state: MetaState) => void;
  #state: MetaState | undefined;
  #applied: Applied = { index: 0, term: 0, timeMs: 0 };

  /** `onChanged` is called as entries are applied, with a whole new state. */
  constructor(options: { readonly onChanged: (state: MetaState) => void }) {
    this.#onChanged = options.onChanged;
  }

  get state(): MetaState | undefined {
    return this.#state;
  }

  open(host: EngineHost): void {
    host.onWell(this.#applied);
  }

  apply(entry: EngineEntry, done: (replies: readonly Reply[]) => void): void {
    const { index, term, timeMs } = entry;
    this.#applied = { index, term, timeMs };
    done(entry.commands.map(({ bytes }) => this.#execute(bytes)));
  }

  read(read: EngineRead, done: (replies: readonly ReadReply[]) => void): void {
    done(read.commands.map(() => '-ERR the meta group answers no reads by command\r\n'));
  }

  resolve(
    command: EngineCommand,
    _timeMs: number,
    done: (logged: EngineCommand | undefined) => void,
  ): void {
    done(command);
  }

  nextDeadlineMs(): number | undefined {
    return undefined;
  }

  digest(): Promise<string> {
    return Promise.resolve(JSON.stringify(this.#state ?? null));
  }

  statistics(): EngineStatistics {
    return { databases: [], bytes: 0, hits: 0, misses: 0, expired: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A committed command that does not parse stops the node: whoever wrote it applies it, so skipping it would differ. */
  #execute(bytes: Uint8Array): Reply {
    const form = parseForm(bytes);
    if (form === undefined) {
      throw new NodeError(
        'damaged',
        `entry ${this.#applied.index} of the meta group holds a command that this version does not know; ` +
          'run the version that wrote it',
      );
    }
    if (this.#state !== undefined) return ok;
    this.#state = form;
    this.#onChanged(form);
    return ok;
  }
}

function parseForm(bytes: Uint8Array): MetaState | undefined {
  const json = parseJson(bytes);
  if (typeof json !== 'object' || json === null) return undefined;
  const { kind, clusterId: id, members, shardMap, namespaces } = json as Record<string, unknown>;
  const map = shardMapFromJson(shardMap);
  const identities = parseMembers(members);
  const rows = parseNamespaces(namespaces);
  if (kind !== 'form' || typeof id !== 'string') return undefined;
  if (map === undefined || identities === undefined || rows.kind === 'invalid') return undefined;
  return {
    clusterId: clusterId(id),
    members: identities,
    shardMap: map,
    namespaces: rows.namespaces,
  };
}

/** Undefined where the value is not a list of node and member ids. */
export function parseMembers(value: unknown): readonly MemberIdentity[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const members: MemberIdentity[] = [];
  for (const item of value as unknown[]) {
    if (typeof item !== 'object' || item === null) return undefined;
    const { nodeId: node, memberId: member } = item as Record<string, unknown>;
    if (!Number.isInteger(node) || typeof member !== 'string') return undefined;
    members.push({ nodeId: nodeId(Number(node)), memberId: memberId(member) });
  }
  return members;
}

/** Undefined where the bytes are not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
