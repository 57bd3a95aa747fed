/**
 * The admin port, on loopback by default: what operators and tools ask of one node, and what they change through it.
 */

import {
  NodeError,
  parseName,
  parseNamespace,
  type ChangeOutcome,
  type NamespaceChange,
  type OutriggerNode,
} from '../src/index.ts';
import type { Answer, HttpOptions } from './http.ts';

/** What the admin port needs of a node. */
export type AdminNode = Pick<
  OutriggerNode,
  'namespaces' | 'changeNamespaces' | 'members' | 'changeMembers' | 'transferLeadership'
>;

export interface AdminOptions {
  readonly status: () => object;
  /** Undefined while it is being opened. */
  readonly node: () => AdminNode | undefined;
}

/**
 * - `/status`: JSON of what this node knows, its own view only.
 * - `/namespaces`: the table as JSON; POST changes a row of it: `{"set": row, "at": place}` or `{"remove": {"keys": …}}`.
 * - `/members`: who holds the data; POST `{"add": 4}`, also `promote`, `demote` and `remove`, or `{"transfer": 2, "shard": 0}`.
 */
export function adminRoutes({
  status,
  node,
}: AdminOptions): Required<Pick<HttpOptions, 'routes' | 'actions'>> {
  return {
    routes: new Map([
      ['/status', () => json(status())],
      ['/namespaces', () => json(node()?.namespaces() ?? [])],
      ['/members', () => json(node()?.members() ?? {})],
    ]),
    actions: new Map([
      ['/namespaces', (body: unknown) => act(node(), body, changeNamespaces)],
      ['/members', (body: unknown) => act(node(), body, changeMembers)],
    ]),
  };
}

/** A text where the body makes no sense. */
type Action = (node: AdminNode, body: Record<string, unknown>) => Promise<ChangeOutcome> | string;

async function act(node: AdminNode | undefined, body: unknown, action: Action): Promise<Answer> {
  if (node === undefined) return { status: 503, body: 'starting: the log is being read\n' };
  try {
    const outcome = await action(node, (body ?? {}) as Record<string, unknown>);
    if (typeof outcome === 'string') return { status: 400, body: `${outcome}\n` };
    if (outcome.kind === 'refused') return { status: 409, body: `${outcome.reason}\n` };
    return { status: 200, body: 'changed\n' };
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    return { status: 503, body: `${error.message}\n` };
  }
}

function changeNamespaces(
  node: AdminNode,
  body: Record<string, unknown>,
): Promise<ChangeOutcome> | string {
  const parsed = parseChange(body);
  return typeof parsed === 'string' ? parsed : node.changeNamespaces(parsed);
}

const memberCommands = ['add', 'promote', 'demote', 'remove'] as const;

function changeMembers(
  node: AdminNode,
  body: Record<string, unknown>,
): Promise<ChangeOutcome> | string {
  const { shard, transfer } = body;
  const given = memberCommands.filter((kind) => body[kind] !== undefined);
  const [kind] = given;
  if (given.length + (transfer === undefined ? 0 : 1) !== 1) {
    return `give one of ${memberCommands.join(', ')} and transfer`;
  }
  if (kind !== undefined) {
    const id = body[kind];
    return isNodeId(id) ? node.changeMembers({ kind, nodeId: id }) : `${kind} must be a node id`;
  }
  if (!isNodeId(transfer)) return 'transfer must be a node id';
  if (shard !== undefined && !isShard(shard)) return 'shard must be a whole number from 0';
  return Promise.resolve(node.transferLeadership(transfer, shard));
}

const isNodeId = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) < 2 ** 31;
const isShard = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;

function parseChange(body: Record<string, unknown>): NamespaceChange | string {
  const { set, at, remove } = body;
  if ((set === undefined) === (remove === undefined)) return 'give either set or remove';
  if (remove !== undefined) {
    const name = parseName(remove);
    return name.kind === 'ok' ? { kind: 'remove', name: name.value } : name.reason;
  }
  if (at !== undefined && !Number.isSafeInteger(at)) return 'at must be a whole number';
  const row = parseNamespace(set);
  if (row.kind === 'invalid') return row.reason;
  return { kind: 'set', row: row.value, at: at === undefined ? undefined : Number(at) };
}

const json = (value: object): Answer => ({
  status: 200,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value, undefined, 2)}\n`,
});
