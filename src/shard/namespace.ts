/**
 * Which consistency a key gets: a table of namespaces, first match wins, in the meta group's state.
 *
 * A key that no row matches is `strong`. Rows of other levels are refused while only `strong` is built, so that a table never
 * promises what is not kept.
 */

/** How reads and writes of a namespace behave (docs/consistency). */
export type ConsistencyLevel = 'strong' | 'session' | 'bounded' | 'eventual' | 'off';

export interface Namespace {
  /** 0…15; undefined: any. */
  readonly database: number | undefined;
  /** Keys that begin with this, one char a byte; empty: any. */
  readonly prefix: string;
  readonly level: ConsistencyLevel;
}

export type ParsedNamespaces =
  | { readonly kind: 'ok'; readonly namespaces: readonly Namespace[] }
  | { readonly kind: 'invalid'; readonly reason: string };

/** From JSON as configuration and the meta group have it: a list of `{ database?, prefix, level }`. */
export function parseNamespaces(value: unknown): ParsedNamespaces {
  if (!Array.isArray(value)) return { kind: 'invalid', reason: 'namespaces must be a list' };
  const namespaces: Namespace[] = [];
  for (const [place, row] of (value as unknown[]).entries()) {
    const parsed = parseRow(row);
    if (typeof parsed === 'string')
      return { kind: 'invalid', reason: `namespaces[${place}]: ${parsed}` };
    namespaces.push(parsed);
  }
  return { kind: 'ok', namespaces };
}

function parseRow(row: unknown): Namespace | string {
  if (typeof row !== 'object' || row === null) return 'must be an object';
  const { database, prefix, level } = row as Readonly<Record<string, unknown>>;
  if (typeof prefix !== 'string') return 'prefix must be a string';
  if (level !== 'strong') return `level ${String(level)} is not supported, only strong is`;
  if (database === undefined) return { database: undefined, prefix, level };
  if (!Number.isInteger(database) || Number(database) < 0 || Number(database) > 15) {
    return 'database must be 0 to 15';
  }
  return { database: Number(database), prefix, level };
}
