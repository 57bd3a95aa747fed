/**
 * The admin port, on loopback by default: what operators and tools ask of one node, and what they change through it.
 */

import {
  NodeError,
  parseName,
  parseNamespace,
  type NamespaceChange,
  type OutriggerNode,
} from '../src/index.ts';
import type { Answer, HttpOptions } from './http.ts';

/** What the admin port needs of a node. */
export type AdminNode = Pick<OutriggerNode, 'namespaces' | 'changeNamespaces'>;

export interface AdminOptions {
  readonly status: () => object;
  /** Undefined while it is being opened. */
  readonly node: () => AdminNode | undefined;
}

/**
 * - `/status`: JSON of what this node knows, its own view only.
 * - `/namespaces`: the table as JSON; POST changes a row of it: `{"set": row, "at": place}` or `{"remove": {"keys": …}}`.
 */
export function adminRoutes({
  status,
  node,
}: AdminOptions): Required<Pick<HttpOptions, 'routes' | 'actions'>> {
  return {
    routes: new Map([
      ['/status', () => json(status())],
      ['/namespaces', () => json(node()?.namespaces() ?? [])],
    ]),
    actions: new Map([['/namespaces', (body: unknown) => change(node(), body)]]),
  };
}

async function change(node: AdminNode | undefined, body: unknown): Promise<Answer> {
  if (node === undefined) return { status: 503, body: 'starting: the log is being read\n' };
  const parsed = parseChange(body);
  if (typeof parsed === 'string') return { status: 400, body: `${parsed}\n` };
  try {
    const outcome = await node.changeNamespaces(parsed);
    if (outcome.kind === 'refused') return { status: 409, body: `${outcome.reason}\n` };
    return { status: 200, body: 'changed\n' };
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    return { status: 503, body: `${error.message}\n` };
  }
}

function parseChange(body: unknown): NamespaceChange | string {
  const { set, at, remove } = (body ?? {}) as Record<string, unknown>;
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
