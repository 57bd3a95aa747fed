/**
 * The one schema of a sidecar's configuration. Names of environment variables and flags, help texts, the table in
 * docs/operations.md and the chart's values all come from it.
 *
 * Loaded only while starting: zod is not needed afterwards.
 */

import { z } from 'zod';
import { nodeDefaults, parseNamespaces, type Namespace } from '../src/index.ts';

const port = (preset: number, what: string) =>
  z.int().min(0).max(65_535).default(preset).describe(`${what}; 0 takes any free port`);

const host = (preset: string, what: string) =>
  z.string().min(1).default(preset).describe(what).meta({ expects: 'a host name or IP address' });

/** A time span; an hour is more than any of them can sensibly be. */
const milliseconds = (low: number, preset: number, what: string) =>
  z.int().min(low).max(3_600_000).default(preset).describe(`${what}, in ms`);

const nodeIdSchema = z.int().min(1).max(65_535);

const memberSchema = z.strictObject({
  id: nodeIdSchema,
  host: z.string().min(1),
  port: z.int().min(1).max(65_535),
});

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

/** Keys in the order in which they are explained. */
const configSchema = z.strictObject({
  nodeId: nodeIdSchema
    .optional()
    .describe('this node, one of members; never given to another node again; a proxy needs none'),
  role: z
    .enum(['member', 'proxy'])
    .default(nodeDefaults.role)
    .describe(
      'member: holds replicas; proxy: holds nothing, needs no disk, and brings commands to the members',
    ),
  members: z
    .array(memberSchema)
    .min(1)
    .max(5)
    .describe('all members with the address of their peer port, this node included if it is one')
    .meta({
      expects: 'a list of one to five such as 1=10.0.0.1:7379,2=10.0.0.2:7379,3=10.0.0.3:7379',
    }),
  bootstrap: z
    .enum(['new', 'join', 'existing'])
    .default(nodeDefaults.bootstrap)
    .describe(
      'what an empty member does: new helps to form the cluster, join waits to be added to one, existing refuses to start',
    ),
  shards: z
    .int()
    .min(1)
    .max(64)
    .default(nodeDefaults.shards)
    .describe('parts of the keyspace, fixed when the cluster forms'),
  engine: z
    .enum(['memory', 'redis'])
    .default(nodeDefaults.engine)
    .describe(
      'where the data lives, the same on all members: in this process, or in a Redis of its own',
    ),
  redisUrl: z
    .string()
    .min(1)
    .default(nodeDefaults.redisUrl)
    .describe('with engine redis: the Redis of this node alone')
    .meta({ expects: 'redis://host:port, rediss://host:port or unix:/path', isSecret: true }),
  redisUser: z
    .string()
    .min(1)
    .optional()
    .describe('with engine redis: the user to log in as')
    .meta({ expects: 'a name' }),
  redisPassword: z
    .string()
    .min(1)
    .optional()
    .describe(
      'with engine redis: the password to log in with; better in the environment than as a flag',
    )
    .meta({ expects: 'a text', isSecret: true }),
  namespaces: z
    .array(z.unknown())
    .default([])
    .transform((value, context): readonly Namespace[] => {
      const parsed = parseNamespaces(value);
      if (parsed.kind === 'ok') return parsed.value;
      context.addIssue({ code: 'custom', message: parsed.reason });
      return z.NEVER;
    })
    .describe(
      'the table of namespaces that a cluster begins with, the same on all members; later changes are made with outrigger namespace',
    )
    .meta({ expects: 'a list such as [{"keys":"cart:*","level":"session"}]', isSecret: true }),
  storage: z
    .enum(['level', 'memory'])
    .default(nodeDefaults.storage)
    .describe(
      'level: the log is on disk; memory: nothing survives the process, for tests and caches',
    ),
  dataDirectory: z
    .string()
    .min(1)
    .optional()
    .describe('directory of the log, of this node alone; required with storage level')
    .meta({ expects: 'a path' }),
  clientHost: host(nodeDefaults.clientHost, 'address on which Redis clients are served'),
  clientPort: port(6379, 'port for Redis clients'),
  peerHost: host(
    nodeDefaults.peerHost,
    'address on which other nodes are served; beyond loopback needs clusterSecret',
  ),
  peerPort: port(7379, 'port for other nodes'),
  adminHost: host('127.0.0.1', 'address of the admin port'),
  adminPort: port(8379, 'HTTP port of /status and /namespaces'),
  healthHost: host('0.0.0.0', 'address of the health port'),
  healthPort: port(9379, 'HTTP port of /livez, /readyz, /startupz and /metrics'),
  adminToken: z
    .string()
    .min(8)
    .optional()
    .describe(
      'what the admin port wants to see before it changes anything; without one it changes nothing; better in the environment than as a flag',
    )
    .meta({ expects: 'a text of at least 8 characters', isSecret: true }),
  clusterSecret: z
    .string()
    .min(8)
    .optional()
    .describe(
      'what nodes prove to each other that they know, the same on all; better in the environment than as a flag',
    )
    .meta({ expects: 'a text of at least 8 characters', isSecret: true }),
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
  maxClients: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(nodeDefaults.maxClients)
    .describe('client connections at a time'),
  reads: z
    .enum(['lease', 'read-index'])
    .default(nodeDefaults.reads)
    .describe(
      'how a leader knows that it still is one when it answers a read: by its clock, or by asking',
    ),
  clockDriftMs: milliseconds(
    0,
    nodeDefaults.clockDriftMs,
    'by how much a lease ends early, for clocks that run unequally',
  ),
  clockOffsetMs: z
    .int()
    .min(-1e12)
    .max(1e12)
    .default(nodeDefaults.clockOffsetMs)
    .describe("shifts this node's wall clock, in ms; for tests only"),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('the least that is logged'),
}) satisfies z.ZodType<Settings>;

/** The first thing that is wrong with given values. */
export interface Wrong {
  /** Key, then place in a list and so on; empty where the values are no configuration at all. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Settings with defaults filled in, each key checked alone, or what is wrong. */
export function readSettings(values: Readonly<Record<string, unknown>>): Settings | Wrong {
  const result = configSchema.safeParse(values);
  if (result.success) return result.data;
  const { path = [], message = '' } = result.error.issues[0] ?? {};
  return { path, message };
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

interface KeySchema {
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly default?: string | number | readonly unknown[];
  readonly description?: string;
  readonly expects?: string;
  readonly isSecret?: boolean;
}

/** One row a key, in the schema's order. */
export function settingRows(): readonly SettingRow[] {
  const { properties } = z.toJSONSchema(configSchema, { io: 'input' });
  return Object.entries(properties ?? {}).map(([key, schema]) => {
    const said = schema as KeySchema;
    const words = key.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
    return {
      key,
      variable: `OUTRIGGER_${words.replaceAll('-', '_').toUpperCase()}`,
      flag: `--${words}`,
      description: said.description ?? '',
      expects: expectation(said),
      preset: Array.isArray(said.default)
        ? undefined
        : (said.default as string | number | undefined),
      isNumber: said.type === 'integer',
      isSecret: said.isSecret ?? false,
    };
  });
}

function expectation(said: KeySchema): string {
  if (said.expects !== undefined) return said.expects;
  if (said.enum !== undefined)
    return said.enum.length === 1 ? `${said.enum[0]}` : said.enum.join(' or ');
  return `a whole number from ${said.minimum} to ${said.maximum}`;
}
