/**
 * What a node says of itself beside its identity, in the handshake with a peer: a member how far it is in forming the cluster and
 * how it is configured, a proxy that it is one.
 */

import type { Identity } from '../log/log.ts';
import type { Address } from '../transport/transport.ts';
import { addressFromJson, parseJson } from './meta-state.ts';

export interface MemberGreeting {
  readonly role: 'member';
  readonly phase: Identity['phase'];
  readonly members: readonly number[];
  readonly shards: number;
  readonly engine: string;
  /** A digest of the table that a cluster would begin with. */
  readonly namespaces: string;
  /** Where it listens for peers, as it is configured. */
  readonly address: Address;
  /** An empty directory that waits to be added to a cluster. */
  readonly isJoining: boolean;
}

export type Greeting = MemberGreeting | { readonly role: 'proxy' };

export const phases: readonly Identity['phase'][] = ['new', 'agreed', 'formed'];

export const proxyGreeting: string = encodeGreeting({ role: 'proxy' });

export function encodeGreeting(greeting: Greeting): string {
  return JSON.stringify(greeting);
}

/** Undefined where another version wrote it. */
export function parseGreeting(text: string): Greeting | undefined {
  const json = parseJson(Buffer.from(text));
  if (typeof json !== 'object' || json === null) return undefined;
  const { role, phase, members, shards, engine, namespaces, isJoining, ...rest } = json as Record<
    string,
    unknown
  >;
  const address = addressFromJson(rest['address']);
  if (role === 'proxy') return { role };
  const known = phases.find((name) => name === phase);
  if (role !== 'member' || known === undefined || !Array.isArray(members)) return undefined;
  if (typeof shards !== 'number' || typeof engine !== 'string') return undefined;
  if (typeof namespaces !== 'string' || typeof isJoining !== 'boolean') return undefined;
  if (address === undefined) return undefined;
  const ids = members.map(Number);
  return { role, phase: known, members: ids, shards, engine, namespaces, address, isJoining };
}
