/**
 * A sidecar's configuration from file, environment and flags; the later of these wins, key by key.
 *
 * Whatever is wrong is one UsageError that says what, where it was given, and what to do. Unknown keys are refused everywhere,
 * because a misspelt limit that is silently ignored is found out in an incident.
 */

import { readFileSync } from 'node:fs';
import { readSettings, settingRows, type SettingRow, type Settings } from './config-schema.ts';
import { checkTogether } from './config-check.ts';
import { nearest, shown, UsageError } from './usage-error.ts';

export interface ConfigSources {
  /** Path of a YAML or JSON file. */
  readonly file: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By flag, `--node-id`. */
  readonly flags: ReadonlyMap<string, string>;
}

/** A value before it is checked, and how to name the place where it was given. */
interface Given {
  readonly value: unknown;
  readonly where: string;
}

type GivenByKey = Map<string, Given>;

/** Throws UsageError. */
export async function loadConfig(sources: ConfigSources): Promise<Settings> {
  const rows = settingRows();
  const given: GivenByKey = new Map();
  if (sources.file !== undefined) await addFile(given, rows, sources.file);
  addEnvironment(given, rows, sources.environment);
  addFlags(given, rows, sources.flags);
  const settings = check(given, rows);
  checkTogether(settings, (key) => {
    const where = given.get(key)?.where;
    return where === undefined ? key : `${key} (${where})`;
  });
  return settings;
}

async function addFile(
  given: GivenByKey,
  rows: readonly SettingRow[],
  file: string,
): Promise<void> {
  const known = rows.map(({ key }) => key);
  for (const [key, value] of Object.entries(await readFile(file))) {
    if (!known.includes(key))
      throw new UsageError(`unknown key ${shown(key)} in ${file}${suggestion(key, known)}`);
    given.set(key, { value: key === 'members' ? membersOf(value) : value, where: file });
  }
}

/** The keys of a file; JSON is read as YAML, of which it is a part. */
async function readFile(file: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`cannot read the configuration file ${file} (${code}); correct --config`);
  }
  const { LineCounter, parseDocument } = await import('yaml');
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const problem = document.errors[0];
  if (problem !== undefined) {
    const { line } = lineCounter.linePos(problem.pos[0]);
    const what = problem.message.split('\n')[0];
    throw new UsageError(`${file} line ${line} is neither YAML nor JSON: ${what}`);
  }
  const value: unknown = document.toJS() ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`${file} holds no keys; write lines such as 'nodeId: 1'`);
  return value as Record<string, unknown>;
}

const prefix = 'OUTRIGGER_';
/** What Kubernetes puts into every pod's environment for a Service whose name begins with `outrigger`. */
const kubernetesLink =
  /_SERVICE_(HOST|PORT(_.+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;

function addEnvironment(
  given: GivenByKey,
  rows: readonly SettingRow[],
  environment: ConfigSources['environment'],
): void {
  const known = rows.map(({ variable }) => variable);
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(prefix) || text === undefined) continue;
    const row = rows.find((candidate) => candidate.variable === variable);
    if (row !== undefined) given.set(row.key, { value: valueOf(row, text), where: variable });
    else if (!kubernetesLink.test(`_${variable.slice(prefix.length)}`))
      throw new UsageError(
        `unknown environment variable ${variable}${suggestion(variable, known)}`,
      );
  }
}

function addFlags(
  given: GivenByKey,
  rows: readonly SettingRow[],
  flags: ConfigSources['flags'],
): void {
  for (const [flag, text] of flags) {
    const row = rows.find((candidate) => candidate.flag === flag);
    if (row === undefined) throw new UsageError(`unknown flag ${flag}`);
    given.set(row.key, { value: valueOf(row, text), where: flag });
  }
}

/** What a text of the environment or a flag stands for; a text that stands for nothing stays, and is refused later. */
function valueOf(row: SettingRow, text: string): unknown {
  if (row.key === 'members') return membersOf(text);
  if (row.key === 'namespaces') return jsonOf(text);
  return row.isNumber && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** `1=host:port,2=…` as a list; anything else as it is. */
function membersOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const parts = value.split(',').map((part) => {
    const match = /^(\d{1,9})=(?:\[([^\]]+)\]|([^:]+)):(\d{1,9})$/.exec(part.trim());
    if (match === null) return undefined;
    return { id: Number(match[1]), host: match[2] ?? match[3], port: Number(match[4]) };
  });
  return parts.includes(undefined) ? value : parts;
}

/** The value that a JSON text stands for; any other text as it is. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

function check(given: GivenByKey, rows: readonly SettingRow[]): Settings {
  const values = Object.fromEntries([...given].map(([key, { value }]) => [key, value]));
  const settings = readSettings(values);
  if (!('key' in settings)) return settings;
  const { key, place, message } = settings;
  const row = rows.find((candidate) => candidate.key === key);
  if (row === undefined) throw new TypeError(`no row of ${key}`);
  const found = given.get(row.key);
  if (found === undefined)
    throw new UsageError(
      `${row.key} is missing; give ${row.expects} as ${row.flag}, as ${row.variable} or as ${row.key} in the file of --config`,
    );
  if (row.key === 'namespaces' && Array.isArray(found.value))
    throw new UsageError(`${row.key} (${found.where}): ${message}`);
  if (place !== undefined && Array.isArray(found.value))
    throw new UsageError(
      `${row.key} (${found.where}): ${shown(found.value[place])} is not of the form {"id":1,"host":"10.0.0.1","port":7379}`,
    );
  const what = row.isSecret ? 'the value' : shown(found.value);
  throw new UsageError(`${row.key} (${found.where}): ${what} is not ${row.expects}`);
}

function suggestion(name: string, known: readonly string[]): string {
  const like = nearest(name, known);
  return like === undefined ? '; see outrigger start --help' : `; did you mean ${like}?`;
}
