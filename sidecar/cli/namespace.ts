/**
 * `outrigger namespace`: reads and changes the table of namespaces through a node's admin port.
 */

import { request } from 'node:http';
import { UsageError } from '../usage-error.ts';
import { parseFlags } from './flags.ts';
import { namespaceHelp } from './help.ts';

const adminPreset = '127.0.0.1:8379';
/** A change waits for a leader, and may have to look through all keys of the namespace. */
const replyTimeoutMs = 120_000;

interface Row {
  readonly keys: string;
  readonly database?: number;
  readonly level: string;
  readonly boundMs?: number;
  readonly upstream?: string;
  readonly defaultTtlMs?: number;
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
    const text = await ask(admin, { method: 'GET' });
    outside.out(switches.has('--json') ? text : table(JSON.parse(text) as readonly Row[]));
    return;
  }
  if (!named)
    throw new UsageError(`namespace knows list, set and rm; see outrigger namespace --help`);
  if (keys === undefined || keys.startsWith('--'))
    throw new UsageError(`namespace ${verb} needs a pattern of keys, such as 'cart:*'`);
  const token = values.get('--token') ?? outside.environment['OUTRIGGER_ADMIN_TOKEN'];
  if (token === undefined)
    throw new UsageError(
      'a change needs the adminToken of the node; set OUTRIGGER_ADMIN_TOKEN or give --token',
    );
  const name = { keys, database: numberOf(values, '--database') };
  const body =
    verb === 'rm' ? { remove: name } : { set: rowOf(name, values), at: numberOf(values, '--at') };
  await ask(admin, { method: 'POST', token, body: JSON.stringify(body) });
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

interface Question {
  readonly method: 'GET' | 'POST';
  readonly token?: string;
  readonly body?: string;
}

/** The body of a 200; anything else is a UsageError with what the node said. */
function ask(admin: string, question: Question): Promise<string> {
  const address = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(admin);
  if (address === null) throw new UsageError(`--admin: ${admin} is not of the form host:port`);
  const { method, token, body = '' } = question;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: address[1] ?? address[2],
        port: Number(address[3]),
        path: '/namespaces',
        method,
        timeout: replyTimeoutMs,
        agent: false,
        headers: {
          'content-length': Buffer.byteLength(body),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(parts).toString();
          if (response.statusCode === 200) resolve(text);
          else reject(new UsageError(text.trimEnd()));
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new UsageError(
          `no answer from the admin port ${admin} (${error.code ?? error.message}); name the port of a running node with --admin`,
        ),
      ),
    );
    sent.end(body);
  });
}

/** A line a row, columns aligned, in the order in which they count. */
function table(rows: readonly Row[]): string {
  const cells = rows.map((row, at) => [
    `${at + 1}`,
    row.keys,
    row.database === undefined ? 'any' : `${row.database}`,
    row.boundMs === undefined ? row.level : `${row.level} (${row.boundMs} ms)`,
    row.defaultTtlMs === undefined ? '-' : `${row.defaultTtlMs} ms`,
    row.upstream ?? '-',
  ]);
  const lines = [['place', 'keys', 'database', 'level', 'default TTL', 'upstream'], ...cells];
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const text = lines.map(
    (line) =>
      `${line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
  );
  return `${text.join('')}other keys are strong\n`;
}
