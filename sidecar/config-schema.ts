/**
 * The one schema of a sidecar's configuration: a row a key. Names of environment variables and flags, help texts, the table in
 * docs/operations.md and the chart's values all come from it.
 *
 * The rows are plain: what is loaded to start a sidecar stays in its memory, and a library for schemas takes as much of it as all of a
 * proxy's own code (docs/decisions/0016).
 */

import { nodeDefaults, parseNamespaces, type Namespace } from '../src/index.ts';

/** A whole configuration. */
export interface Settings {
  /** Undefined for a proxy that takes any. */
  readonly nodeId?: number | undefined;
  readonly role: 'member' | 'proxy';
  readonly members: readonly {
    readonly id: number;
    readonly host: string;
    readonly port: number;
  }[];
  readonly bootstrap: 'new' | 'join' | 'existing';
  readonly shards: number;
  readonly engine: 'memory' | 'redis';
  readonly redisUrl: string;
  readonly redisUser?: string | undefined;
  readonly redisPassword?: string | undefined;
  readonly namespaces: readonly Namespace[];
  readonly storage: 'level' | 'memory';
  readonly dataDirectory?: string | undefined;
  readonly clientHost: string;
  readonly clientPort: number;
  readonly peerHost: string;
  readonly peerPort: number;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly healthHost: string;
  readonly healthPort: number;
  readonly adminToken?: string | undefined;
  readonly clusterSecret?: string | undefined;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly maxClients: number;
  readonly reads: 'lease' | 'read-index';
  readonly clockDriftMs: number;
  readonly clockOffsetMs: number;
  readonly logLevel: LogLevel;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Why a value is none. */
interface Misfit {
  /** Where in it, if it is a list. */
  readonly place?: number;
  readonly message: string;
}

/** One key: what it is for, and which values it takes. */
interface Rule<Value> {
  readonly description: string;
  /** What a value must be, to stand behind "is not". */
  readonly expects: string;
  /** Undefined where there is none. */
  readonly preset: Value | undefined;
  /** Must be given where there is no preset. */
  readonly isRequired: boolean;
  readonly isNumber: boolean;
  /** Its value is not to be shown. */
  readonly isSecret: boolean;
  /** The value as settings have it. */
  readonly read: (value: unknown) => { readonly value: Value } | Misfit;
}

type Said<Value> = Pick<Rule<Value>, 'description'> & Partial<Rule<Value>>;

const rule = <Value>(said: Said<Value> & Pick<Rule<Value>, 'expects' | 'read'>): Rule<Value> => ({
  preset: undefined,
  isRequired: false,
  isNumber: false,
  isSecret: false,
  ...said,
});

const misfit: Misfit = { message: '' };

const isWhole = (value: unknown, low: number, high: number): value is number =>
  Number.isSafeInteger(value) && Number(value) >= low && Number(value) <= high;

function wholeNumber(low: number, high: number, said: Said<number>): Rule<number> {
  return rule({
    expects: `a whole number from ${low} to ${high}`,
    isNumber: true,
    read: (value) => (isWhole(value, low, high) ? { value } : misfit),
    ...said,
  });
}

const port = (preset: number, what: string): Rule<number> =>
  wholeNumber(0, 65_535, { preset, description: `${what}; 0 takes any free port` });

/** A time span; an hour is more than any of them can sensibly be. */
const milliseconds = (low: number, preset: number, what: string): Rule<number> =>
  wholeNumber(low, 3_600_000, { preset, description: `${what}, in ms` });

function choice<const Value extends string>(
  values: readonly Value[],
  said: Said<Value>,
): Rule<Value> {
  return rule({
    expects: values.join(' or '),
    read: (given) => {
      const value = values.find((known) => known === given);
      return value === undefined ? misfit : { value };
    },
    ...said,
  });
}

function text(charsMin: number, said: Said<string> & Pick<Rule<string>, 'expects'>): Rule<string> {
  return rule({
    read: (value) => (typeof value === 'string' && value.length >= charsMin ? { value } : misfit),
    ...said,
  });
}

const host = (preset: string, description: string): Rule<string> =>
  text(1, { preset, description, expects: 'a host name or IP address' });

const nodeIdMax = 65_535;
const membersMax = 5;

type Member = Settings['members'][number];

function isMember(value: unknown): value is Member {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 3) return false;
  const { id, host: name, port: number } = value as Record<string, unknown>;
  const isNamed = typeof name === 'string' && name.length > 0;
  return isNamed && isWhole(id, 1, nodeIdMax) && isWhole(number, 1, 65_535);
}

function readMembers(value: unknown): { readonly value: readonly Member[] } | Misfit {
  if (!Array.isArray(value)) return misfit;
  const members: readonly unknown[] = value;
  const place = members.findIndex((member) => !isMember(member));
  if (place >= 0) return { place, message: '' };
  if (members.length < 1 || members.length > membersMax) return misfit;
  return { value: members.filter(isMember) };
}

function readNamespaces(value: unknown): { readonly value: readonly Namespace[] } | Misfit {
  const parsed = parseNamespaces(value);
  return parsed.kind === 'ok' ? parsed : { message: parsed.reason };
}

type Rules = { readonly [Key in keyof Settings]-?: Rule<NonNullable<Settings[Key]>> };

/** Keys in the order in which they are explained. */
const rules: Rules = {
  nodeId: wholeNumber(1, nodeIdMax, {
    description: 'this node, one of members; never given to another node again; a proxy needs none',
  }),
  role: choice(['member', 'proxy'], {
    preset: nodeDefaults.role,
    description:
      'member: holds replicas; proxy: holds nothing, needs no disk, and brings commands to the members',
  }),
  members: rule({
    isRequired: true,
    description: 'all members with the address of their peer port, this node included if it is one',
    expects: 'a list of one to five such as 1=10.0.0.1:7379,2=10.0.0.2:7379,3=10.0.0.3:7379',
    read: readMembers,
  }),
  bootstrap: choice(['new', 'join', 'existing'], {
    preset: nodeDefaults.bootstrap,
    description:
      'what an empty member does: new helps to form the cluster, join waits to be added to one, existing refuses to start',
  }),
  shards: wholeNumber(1, 64, {
    preset: nodeDefaults.shards,
    description: 'parts of the keyspace, fixed when the cluster forms',
  }),
  engine: choice(['memory', 'redis'], {
    preset: nodeDefaults.engine,
    description:
      'where the data lives, the same on all members: in this process, or in a Redis of its own',
  }),
  redisUrl: text(1, {
    preset: nodeDefaults.redisUrl,
    description: 'with engine redis: the Redis of this node alone',
    expects: 'redis://host:port, rediss://host:port or unix:/path',
    isSecret: true,
  }),
  redisUser: text(1, {
    description: 'with engine redis: the user to log in as',
    expects: 'a name',
  }),
  redisPassword: text(1, {
    description:
      'with engine redis: the password to log in with; better in the environment than as a flag',
    expects: 'a text',
    isSecret: true,
  }),
  namespaces: rule({
    preset: [],
    description:
      'the table of namespaces that a cluster begins with, the same on all members; later changes are made with outrigger namespace',
    expects: 'a list such as [{"keys":"cart:*","level":"session"}]',
    isSecret: true,
    read: readNamespaces,
  }),
  storage: choice(['level', 'memory'], {
    preset: nodeDefaults.storage,
    description:
      'level: the log is on disk; memory: nothing survives the process, for tests and caches',
  }),
  dataDirectory: text(1, {
    description: 'directory of the log, of this node alone; required with storage level',
    expects: 'a path',
  }),
  clientHost: host(nodeDefaults.clientHost, 'address on which Redis clients are served'),
  clientPort: port(6379, 'port for Redis clients'),
  peerHost: host(
    nodeDefaults.peerHost,
    'address on which other nodes are served; beyond loopback needs clusterSecret',
  ),
  peerPort: port(7379, 'port for other nodes'),
  adminHost: host('127.0.0.1', 'address of the admin port'),
  adminPort: port(8379, 'HTTP port of /status, /namespaces and /members'),
  healthHost: host('0.0.0.0', 'address of the health port'),
  healthPort: port(9379, 'HTTP port of /livez, /readyz, /startupz and /metrics'),
  adminToken: text(8, {
    description:
      'what the admin port wants to see before it changes anything; without one it changes nothing; better in the environment than as a flag',
    expects: 'a text of at least 8 characters',
    isSecret: true,
  }),
  clusterSecret: text(8, {
    description:
      'what nodes prove to each other that they know, the same on all; better in the environment than as a flag',
    expects: 'a text of at least 8 characters',
    isSecret: true,
  }),
  heartbeatMs: milliseconds(
    10,
    nodeDefaults.heartbeatMs,
    'how often a leader tells its followers that it lives; an idle one half as often',
  ),
  electionTimeoutMs: milliseconds(
    40,
    nodeDefaults.electionTimeoutMs,
    'how long followers wait for that before they elect, up to twice; at least 4 × heartbeatMs',
  ),
  commandTimeoutMs: milliseconds(
    100,
    nodeDefaults.commandTimeoutMs,
    'how long a command waits for a leader',
  ),
  maxClients: wholeNumber(1, 1_000_000, {
    preset: nodeDefaults.maxClients,
    description: 'client connections at a time',
  }),
  reads: choice(['lease', 'read-index'], {
    preset: nodeDefaults.reads,
    description:
      'how a leader knows that it still is one when it answers a read: by its clock, or by asking',
  }),
  clockDriftMs: milliseconds(
    0,
    nodeDefaults.clockDriftMs,
    'by how much a lease ends early, for clocks that run unequally',
  ),
  clockOffsetMs: wholeNumber(-1e12, 1e12, {
    preset: nodeDefaults.clockOffsetMs,
    description: "shifts this node's wall clock, in ms; for tests only",
  }),
  logLevel: choice(['debug', 'info', 'warn', 'error'], {
    preset: 'info',
    description: 'the least that is logged',
  }),
};

/** The first thing that is wrong with given values. */
export interface Wrong extends Misfit {
  readonly key: string;
}

/** Settings with defaults filled in, each key checked alone, or what is wrong. Keys must be known. */
export function readSettings(values: Readonly<Record<string, unknown>>): Settings | Wrong {
  const settings: Record<string, unknown> = {};
  for (const [key, { preset, isRequired, read }] of Object.entries(rules)) {
    const given = values[key] === undefined ? preset : values[key];
    if (given === undefined) {
      if (isRequired) return { key, message: 'is missing' };
      continue;
    }
    const said = read(given);
    if (!('value' in said)) return { key, ...said };
    settings[key] = said.value;
  }
  return settings as unknown as Settings;
}

export interface SettingRow {
  readonly key: string;
  /** `OUTRIGGER_NODE_ID`. */
  readonly variable: string;
  /** `--node-id`. */
  readonly flag: string;
  readonly description: string;
  /** What a value must be, to stand behind "is not". */
  readonly expects: string;
  /** Undefined where there is none. */
  readonly preset: string | number | undefined;
  readonly isNumber: boolean;
  readonly isSecret: boolean;
}

/** One row a key, in the schema's order. */
export function settingRows(): readonly SettingRow[] {
  return Object.entries(rules).map(([key, said]) => {
    const words = key.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
    const { description, expects, preset, isNumber, isSecret } = said;
    return {
      key,
      variable: `OUTRIGGER_${words.replaceAll('-', '_').toUpperCase()}`,
      flag: `--${words}`,
      description,
      expects,
      preset: typeof preset === 'object' ? undefined : preset,
      isNumber,
      isSecret,
    };
  });
}
