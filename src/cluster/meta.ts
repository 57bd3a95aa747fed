/**
 * The state machine of the meta group: what the whole cluster must agree on, changed only through its log.
 *
 * It is an engine like any other, so that log, sessions and replicas treat it alike. Its commands are JSON:
 *
 * - `form` (cluster id, members, shard map, namespaces, engine) is the first that counts; repeated, it changes nothing, so that
 *   every leader that finds the state empty may propose it.
 * - `namespaces` and `members` put a table in the place of another. They name the version of the state that it was made from, and are
 *   refused where that has changed since, so that of two operators nobody undoes what he has not seen.
 */

import { NodeError } from '../base/errors.ts';
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
import { parseNamespaces, type Namespace } from '../shard/namespace.ts';
import type { Members } from './membership.ts';
import {
  membersFromJson,
  metaFromJson,
  metaToJson,
  parseJson,
  type MetaState,
} from './meta-state.ts';

/** What makes a cluster: a state before it has a version. */
export type Form = Omit<MetaState, 'version'>;

type MetaCommand =
  | { readonly kind: 'form'; readonly form: Form }
  | {
      readonly kind: 'namespaces';
      readonly version: number;
      readonly namespaces: readonly Namespace[];
    }
  | { readonly kind: 'members'; readonly version: number; readonly members: Members };

const ok: Reply = '+OK\r\n';
/** The state is of another version than the one that a change was made from. */
export const staleReply: Reply = '-STALE the state has changed since it was read\r\n';

/** The bytes of the command that forms a cluster. */
export function encodeForm(form: Form): Uint8Array {
  return Buffer.from(JSON.stringify({ kind: 'form', form: metaToJson({ ...form, version: 0 }) }));
}

/** The bytes of the command that replaces the table of namespaces, as it was in the state of `version`. */
export function encodeNamespaces(version: number, namespaces: readonly Namespace[]): Uint8Array {
  return Buffer.from(JSON.stringify({ kind: 'namespaces', version, namespaces }));
}

/** The bytes of the command that replaces the table of members, as it was in the state of `version`. */
export function encodeMembers(version: number, { members, removed }: Members): Uint8Array {
  return Buffer.from(JSON.stringify({ kind: 'members', version, members, removed }));
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
    const command = parseCommand(bytes);
    if (command === undefined) {
      throw new NodeError(
        'damaged',
        `entry ${this.#applied.index} of the meta group holds a command that this version does not know; ` +
          'run the version that wrote it',
      );
    }
    switch (command.kind) {
      case 'form':
        if (this.#state === undefined) this.#become(command.form);
        return ok;
      case 'namespaces': {
        const { version, namespaces } = command;
        if (this.#state?.version !== version) return staleReply;
        this.#become({ ...this.#state, namespaces });
        return ok;
      }
      case 'members': {
        const { version, members } = command;
        if (this.#state?.version !== version) return staleReply;
        this.#become({ ...this.#state, ...members });
        return ok;
      }
    }
  }

  #become(next: Form): void {
    this.#state = { ...next, version: this.#applied.index };
    this.#onChanged(this.#state);
  }
}

function parseCommand(bytes: Uint8Array): MetaCommand | undefined {
  const json = parseJson(bytes);
  if (typeof json !== 'object' || json === null) return undefined;
  const { kind, form, version, namespaces } = json as Record<string, unknown>;
  if (kind === 'form') {
    const state = metaFromJson(form);
    return state === undefined ? undefined : { kind, form: state };
  }
  if (!Number.isSafeInteger(version)) return undefined;
  if (kind === 'members') {
    const members = membersFromJson(json);
    return members && { kind, version: Number(version), members };
  }
  const rows = parseNamespaces(namespaces);
  if (kind !== 'namespaces' || rows.kind === 'invalid') return undefined;
  return { kind, version: Number(version), namespaces: rows.value };
}
