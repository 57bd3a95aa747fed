/**
 * Commands on keys of level `off`: they pass to the upstream Redis unchanged, and its replies come back unchanged.
 *
 * Whether a command passes depends on its keys alone, never on the connection. One that names keys of both kinds, or of two upstreams, is
 * refused. Commands that Outrigger does not have pass, too, as long as they leave nothing behind on the connection but their reply.
 */

import type { CommandSpec } from '../../command/table.ts';
import { keyIndexes } from '../../command/keys.ts';
import { destinationDatabase } from '../../command/written-keys.ts';
import { parseUpstream } from '../../shard/namespace.ts';
import type { NamespaceTable } from '../../shard/namespace-table.ts';
import { errorReply } from '../../resp/encoder.ts';
import type { Connection } from '../connection.ts';
import { failureReply } from '../error-replies.ts';
import type { FrontState } from '../front-state.ts';
import type { Slot } from '../order-queue.ts';
import { UpstreamLink, type PassFailure, type Passed } from './link.ts';

/** Where a command goes; undefined: to the shards. */
type Passage =
  | { readonly kind: 'pass'; readonly upstream: string }
  | { readonly kind: 'refused'; readonly reply: string }
  | undefined;

const mixedReply = errorReply(
  'CROSSSLOT Keys in request belong to the cluster and to an upstream, or to two upstreams; name them in separate commands',
);
const upstreamDownReply = errorReply(
  'CLUSTERDOWN the upstream Redis of this namespace does not answer; nothing was changed, try again',
);

const closedReply = errorReply(
  'TRYAGAIN keys of this namespace are changing their place; the command did not run, try again',
);
const keptReply = errorReply(
  'ERR some namespaces are kept in an upstream Redis, which is not flushed or swapped from here; delete keys by name, or do it there',
);

/** They have keys, and wait, subscribe, or change what the connection does. */
const unpassedFlags: readonly string[] = ['blocking', 'pubsub', 'admin'];
const unpassedNames: readonly string[] = ['watch', 'migrate', 'restore-asking'];

/** Takes a command where some namespaces are off or closed; undefined where it goes on like any other. */
export function takeOff(
  spec: CommandSpec,
  connection: Connection,
  state: FrontState,
): boolean | undefined {
  const { namespaces } = state.cluster;
  const isFlush = spec.spread === 'all-ok' || spec.spread === 'lone';
  const passage =
    isFlush && namespaces.hasOff
      ? ({ kind: 'refused', reply: keptReply } as const)
      : passageOf(spec, connection, namespaces);
  if (passage === undefined) return undefined;
  if (passage.kind === 'pass') return pass(spec, passage.upstream, connection, state);
  state.statistics.commandsRejected += 1;
  connection.reply(passage.reply);
  return true;
}

function passageOf(spec: CommandSpec, connection: Connection, table: NamespaceTable): Passage {
  if (spec.kind === 'front') return undefined;
  const { request, client } = connection;
  const keys = keyIndexes(spec, request);
  const elsewhere = destinationDatabase(spec, request);
  let found: string | undefined;
  let count = 0;
  let isAnyClosed = false;
  const see = (database: number, key: Uint8Array): void => {
    const { upstream, isClosed } = table.find(database, key);
    if (isClosed === true) isAnyClosed = true;
    if (count === 0) found = upstream;
    else if (found !== upstream) found = '';
    count += 1;
  };
  // The key that MOVE and COPY write has the name that stands last; MOVE's is that of the one it takes.
  const last = elsewhere === undefined ? undefined : keys.at(-1);
  for (const at of keys) {
    if (at !== last || keys.length === 1) see(client.database, request.arg(at));
  }
  if (elsewhere !== undefined && last !== undefined) see(elsewhere, request.arg(last));
  if (isAnyClosed) return { kind: 'refused', reply: closedReply };
  if (found === undefined) return undefined;
  if (found === '') return { kind: 'refused', reply: mixedReply };
  const isUnpassed =
    spec.kind === 'refused' &&
    (unpassedNames.includes(spec.name) || spec.flags.some((flag) => unpassedFlags.includes(flag)));
  return isUnpassed ? undefined : { kind: 'pass', upstream: found };
}

/** The links of one client connection, by the address of their upstream. */
export class UpstreamLinks {
  readonly #connection: Connection;
  readonly #state: FrontState;
  readonly #links = new Map<string, UpstreamLink>();

  constructor(connection: Connection, state: FrontState) {
    this.#connection = connection;
    this.#state = state;
  }

  to(address: string): UpstreamLink {
    let link = this.#links.get(address);
    if (link === undefined) {
      link = linkTo(address, this.#state, () => this.#connection.resume('upstream'));
      this.#links.set(address, link);
    }
    return link;
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }
}

export function upstreamsOf(connection: Connection, state: FrontState): UpstreamLinks {
  return (connection.upstreams ??= new UpstreamLinks(connection, state));
}

/** @param address - of a row of the table, so it has the form */
export function linkTo(
  address: string,
  state: Pick<FrontState, 'timers' | 'commandTimeoutMs'>,
  onDrained: () => void,
): UpstreamLink {
  const upstream = parseUpstream(address);
  if (upstream === undefined) throw new Error('an upstream in the table has the right form');
  const { timers, commandTimeoutMs: replyTimeoutMs } = state;
  return new UpstreamLink({ upstream, timers, replyTimeoutMs, onDrained });
}

/** Passes the connection's current command. False: it waits, and the connection holds. */
function pass(
  spec: CommandSpec,
  upstream: string,
  connection: Connection,
  state: FrontState,
): boolean {
  const link = upstreamsOf(connection, state).to(upstream);
  if (link.isFull) {
    connection.hold('upstream');
    return false;
  }
  const isWrite = !spec.flags.includes('readonly');
  if (isWrite) state.statistics.commandsWrite += 1;
  else state.statistics.commandsRead += 1;
  connection.client.lastCommand = spec.name;
  const slot = new PassSlot(isWrite, connection, state);
  connection.expect(slot);
  link.pass(slot);
  return true;
}

class PassSlot implements Slot, Passed {
  reply: string | undefined = undefined;
  next: Slot | undefined = undefined;
  readonly isSilent: boolean;
  /** The upstream has answered in the client's protocol. */
  readonly resp3Shape = undefined;
  readonly bytes: Uint8Array;
  readonly database: number;
  readonly protocol: 2 | 3;
  readonly isWrite: boolean;
  readonly #connection: Connection;
  readonly #state: FrontState;

  constructor(isWrite: boolean, connection: Connection, state: FrontState) {
    const { client, request } = connection;
    this.isSilent = client.isSilent;
    this.bytes = request.commandBytes();
    this.database = client.database;
    this.protocol = client.protocol;
    this.isWrite = isWrite;
    this.#connection = connection;
    this.#state = state;
  }

  settle(reply: string): void {
    this.#connection.settled(this, reply);
  }

  fail(failure: PassFailure): void {
    const { statistics } = this.#state;
    if (failure === 'in-doubt') statistics.failedInDoubt += 1;
    else statistics.failedDefinite += 1;
    this.settle(failure === 'in-doubt' ? failureReply('in-doubt') : upstreamDownReply);
  }
}
