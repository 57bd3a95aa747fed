/**
 * `outrigger namespace`: reads and changes the table of namespaces through a node's admin port.
 */

import { UsageError } from '../usage-error.ts';
import { adminPreset, ask, tokenOf } from './admin-client.ts';
import { columns } from './columns.ts';
import { parseFlags } from './flags.ts';
import { namespaceHelp } from './help.ts';

interface Row {
  readonly keys: string;
  readonly database?: number;
  readonly level: string;
  readonly boundMs?: number;
  readonly upstream?: string;
  readonly defaultTtlMs?: number;
  readonly isClosed?: boolean;
}

/** Prints to `out`. Throws UsageError, also where the node refuses. */
export async function namespace(
  words: readonly string[],
  outside: {
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly out: (text: string) => void;
  },
): Promise<void> {
  const [verb = '--help', ...rest] = words;
  const named = verb === 'set' || verb === 'rm';
  const [keys, ...flagWords] = named ? rest : ['', ...rest];
  const { values, switches } = parseFlags(flagWords, {
    command: 'namespace',
    valued: [
      '--admin',
      ...(named ? ['--token', '--database'] : []),
      ...(verb === 'set' ? setFlags : []),
    ],
    switches: ['--help', '-h', ...(verb === 'list' ? ['--json'] : [])],
  });
  if (
    verb === '--help' ||
    verb === '-h' ||
    keys === '--help' ||
    switches.has('--help') ||
    switches.has('-h')
  ) {
    outside.out(namespaceHelp);
    return;
  }
  const admin = values.get('--admin') ?? adminPreset;
  if (verb === 'list') {
    const text = await ask(admin, { path: '/namespaces' });
    outside.out(switches.has('--json') ? text : table(JSON.parse(text) as readonly Row[]));
    return;
  }
  if (!named)
    throw new UsageError(`namespace knows list, set and rm; see outrigger namespace --help`);
  if (keys === undefined || keys.startsWith('--'))
    throw new UsageError(`namespace ${verb} needs a pattern of keys, such as 'cart:*'`);
  const token = tokenOf(values, outside.environment);
  const name = { keys, database: numberOf(values, '--database') };
  const body =
    verb === 'rm' ? { remove: name } : { set: rowOf(name, values), at: numberOf(values, '--at') };
  await ask(admin, { path: '/namespaces', action: { token, body } });
}

const setFlags = ['--level', '--bound-ms', '--upstream', '--default-ttl-ms', '--at'];

function rowOf(name: Pick<Row, 'keys'>, values: ReadonlyMap<string, string>): object {
  return {
    ...name,
    level: values.get('--level'),
    boundMs: numberOf(values, '--bound-ms'),
    upstream: values.get('--upstream'),
    defaultTtlMs: numberOf(values, '--default-ttl-ms'),
  };
}

function numberOf(values: ReadonlyMap<string, string>, flag: string): number | undefined {
  const text = values.get(flag);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${flag} must be a whole number`);
  return Number(text);
}

function levelOf({ level, boundMs, isClosed }: Row): string {
  const bound = boundMs === undefined ? level : `${level} (${boundMs} ms)`;
  return isClosed === true ? `${bound}, closed` : bound;
}

/** A line a row, columns aligned, in the order in which they count. */
function table(rows: readonly Row[]): string {
  const cells = rows.map((row, at) => [
    `${at + 1}`,
    row.keys,
    row.database === undefined ? 'any' : `${row.database}`,
    levelOf(row),
    row.defaultTtlMs === undefined ? '-' : `${row.defaultTtlMs} ms`,
    row.upstream ?? '-',
  ]);
  const lines = [['place', 'keys', 'database', 'level', 'default TTL', 'upstream'], ...cells];
  return `${columns(lines)}other keys are strong\n`;
}
