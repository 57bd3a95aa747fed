/**
 * What a namespace is: a row that says how the keys of one pattern behave. A table of rows is kept by the meta group; the first row that
 * fits a key counts, and a key without one is `strong`.
 *
 * Pure. Checks rows from outside and says them again; `namespace-table` finds a key's row.
 */

/** How reads and writes of a namespace behave (docs/consistency). */
export type ConsistencyLevel = 'strong' | 'session' | 'bounded' | 'eventual' | 'off';

export interface Namespace {
  /** Redis's glob pattern, in UTF-8 where it is compared: `cart:*`. */
  readonly keys: string;
  /** 0…15; absent: any. */
  readonly database?: number;
  readonly level: ConsistencyLevel;
  /** With `bounded`: how old an answer may be. */
  readonly boundMs?: number;
  /** With `off`: the Redis that holds these keys, `redis://user:password@host:port`. */
  readonly upstream?: string;
  /** What a write gives a key that has no deadline; not with `off`. */
  readonly defaultTtlMs?: number;
  /** While its keys change between the cluster and an upstream, nobody may use them. */
  readonly isClosed?: true;
}

/** What names a row: no two rows of a table have the same. */
export type NamespaceName = Pick<Namespace, 'keys' | 'database'>;

export type Parsed<Value> =
  | { readonly kind: 'ok'; readonly value: Value }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Where a Redis is and how to enter it. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** Each command may look at all of them. */
export const namespacesMax = 256;
/** Of a table as JSON: it travels in greetings, whole. */
const tableCharsMax = 32 * 1024;
export const databasesMax = 16;
const boundMsMax = 3_600_000;
const ttlMsMax = 2 ** 50;
const redisPort = 6379;

const levels: readonly ConsistencyLevel[] = ['strong', 'session', 'bounded', 'eventual', 'off'];
const keysOfRow = ['keys', 'database', 'level', 'boundMs', 'upstream', 'defaultTtlMs', 'isClosed'];

/** From JSON as configuration, operators and the meta group's log have it. */
export function parseNamespaces(json: unknown): Parsed<readonly Namespace[]> {
  if (!Array.isArray(json)) return { kind: 'invalid', reason: 'namespaces must be a list' };
  const rows: Namespace[] = [];
  for (const [place, item] of (json as unknown[]).entries()) {
    const row = parseNamespace(item);
    if (row.kind === 'invalid')
      return { kind: 'invalid', reason: `namespaces[${place}]: ${row.reason}` };
    if (rows.some((other) => hasSameName(other, row.value)))
      return {
        kind: 'invalid',
        reason: `namespaces[${place}]: ${nameText(row.value)} is there twice`,
      };
    rows.push(row.value);
  }
  if (rows.length > namespacesMax || JSON.stringify(rows).length > tableCharsMax)
    return {
      kind: 'invalid',
      reason: `namespaces: at most ${namespacesMax} rows and ${tableCharsMax} characters of JSON`,
    };
  return { kind: 'ok', value: rows };
}

export function parseNamespace(json: unknown): Parsed<Namespace> {
  const invalid = (reason: string): Parsed<Namespace> => ({ kind: 'invalid', reason });
  const name = parseName(json);
  if (name.kind === 'invalid') return name;
  const row = json as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(row).find((key) => !keysOfRow.includes(key));
  if (unknown !== undefined) return invalid(`unknown key ${unknown}`);
  const level = levels.find((known) => known === row['level']);
  if (level === undefined) return invalid(`level must be one of ${levels.join(', ')}`);
  const { boundMs, upstream, defaultTtlMs, isClosed } = row;
  if (isClosed !== undefined && isClosed !== true) return invalid('isClosed is true or absent');
  if ((boundMs !== undefined) !== (level === 'bounded'))
    return invalid('boundMs belongs to level bounded, which needs it');
  if (boundMs !== undefined && !isWhole(boundMs, 1, boundMsMax))
    return invalid(`boundMs must be a whole number from 1 to ${boundMsMax}`);
  if ((upstream !== undefined) !== (level === 'off'))
    return invalid('upstream belongs to level off, which needs it');
  if (
    upstream !== undefined &&
    (typeof upstream !== 'string' || parseUpstream(upstream) === undefined)
  )
    return invalid('upstream must be of the form redis://user:password@host:port');
  if (defaultTtlMs !== undefined && !isWhole(defaultTtlMs, 1, ttlMsMax))
    return invalid(`defaultTtlMs must be a whole number from 1 to ${ttlMsMax}`);
  if (defaultTtlMs !== undefined && level === 'off')
    return invalid('defaultTtlMs does not go with level off, whose writes are not changed');
  return {
    kind: 'ok',
    value: {
      ...name.value,
      level,
      ...(boundMs === undefined ? {} : { boundMs }),
      ...(upstream === undefined ? {} : { upstream }),
      ...(defaultTtlMs === undefined ? {} : { defaultTtlMs }),
      ...(isClosed === undefined ? {} : { isClosed }),
    },
  };
}

/** Of an object that may hold more. */
export function parseName(json: unknown): Parsed<NamespaceName> {
  if (typeof json !== 'object' || json === null)
    return { kind: 'invalid', reason: 'must be an object' };
  const { keys, database } = json as Readonly<Record<string, unknown>>;
  if (typeof keys !== 'string' || keys === '' || !keys.isWellFormed())
    return { kind: 'invalid', reason: 'keys must be a pattern such as cart:*' };
  if (database === undefined) return { kind: 'ok', value: { keys } };
  if (!isWhole(database, 0, databasesMax - 1))
    return { kind: 'invalid', reason: `database must be 0 to ${databasesMax - 1}` };
  return { kind: 'ok', value: { keys, database } };
}

export function hasSameName(left: NamespaceName, right: NamespaceName): boolean {
  return left.keys === right.keys && left.database === right.database;
}

export function nameText({ keys, database }: NamespaceName): string {
  return database === undefined ? keys : `${keys} (database ${database})`;
}

const upstreamForm =
  /^redis:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?\/?$/u;

/** Undefined where the text is no address. User and password are percent-encoded. */
export function parseUpstream(text: string): Upstream | undefined {
  const match = upstreamForm.exec(text);
  if (match === null) return undefined;
  const [, user, password, ipv6, name, port] = match;
  const host = ipv6 ?? name;
  const number = port === undefined ? redisPort : Number(port);
  const parts = [user, password].map((part) => (part === undefined ? undefined : decoded(part)));
  if (host === undefined || !isWhole(number, 1, 65_535) || parts.includes(null)) return undefined;
  return { host, port: number, user: parts[0] ?? undefined, password: parts[1] ?? undefined };
}

/** The row for people's eyes: an upstream's password is left out. */
export function withoutSecrets(row: Namespace): Namespace {
  if (row.upstream === undefined) return row;
  return { ...row, upstream: row.upstream.replace(/:[^:@/]*@/u, ':…@') };
}

/** Null where it is not percent-encoded text. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

function isWhole(value: unknown, low: number, high: number): value is number {
  return Number.isInteger(value) && Number(value) >= low && Number(value) <= high;
}
