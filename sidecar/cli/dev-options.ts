/**
 * The flags of `outrigger dev`, and which ports and directories follow from them.
 */

import { createServer } from 'node:net';
import { join } from 'node:path';
import { shown, UsageError } from '../usage-error.ts';
import { parseFlags } from './flags.ts';

const nodesMax = 5;
/** Each is a process of some 60 MB. */
const proxiesMax = 50;
const portPreset = 6401;
const portMax = 65_535;
/** Distances from a node's client port. */
const peerOffset = 1_000;
const adminOffset = 2_000;
const healthOffset = 3_000;
const redisOffset = 4_000;

export const devHost = '127.0.0.1';

export type DevRole = 'member' | 'proxy';

export interface DevOptions {
  readonly nodes: number;
  readonly proxies: number;
  /** The first node's client port. */
  readonly port: number;
  readonly engine: 'memory' | 'redis';
  /** Passed on to the members as they are, if given; they check them. */
  readonly passedOn: readonly string[];
  /** Undefined for a temporary directory. */
  readonly data: string | undefined;
  /** Why a member, or a proxy, that dies stays dead; undefined where it is started again. */
  readonly staysDead: Readonly<Record<DevRole, string | undefined>>;
  readonly help: boolean;
}

/** Throws UsageError. */
export function devOptions(words: readonly string[]): DevOptions {
  const { values, switches } = parseFlags(words, {
    command: 'dev',
    valued: ['--nodes', '--proxies', '--port', '--engine', '--shards', '--storage', '--data'],
    switches: ['--no-restart', '--help', '-h'],
  });
  const nodes = wholeNumber('--nodes', values.get('--nodes') ?? '3', 1, nodesMax);
  const proxies = wholeNumber('--proxies', values.get('--proxies') ?? '0', 0, proxiesMax);
  const engine = engineOf(values.get('--engine'));
  const farthest = engine === 'redis' ? redisOffset : healthOffset;
  const portLimit = portMax - farthest - nodes - proxies + 1;
  const passedOn = ['--engine', '--shards', '--storage'].flatMap((flag) => {
    const value = values.get(flag);
    return value === undefined ? [] : [flag, value];
  });
  return {
    nodes,
    proxies,
    port: wholeNumber('--port', values.get('--port') ?? `${portPreset}`, 1, portLimit),
    engine,
    passedOn,
    data: values.get('--data'),
    staysDead: staysDead(switches, values.get('--storage')),
    help: switches.has('--help') || switches.has('-h'),
  };
}

/** A member without storage comes back as another member, which the others refuse. */
function staysDead(
  switches: ReadonlySet<string>,
  storage: string | undefined,
): DevOptions['staysDead'] {
  if (switches.has('--no-restart')) return { member: '--no-restart', proxy: '--no-restart' };
  const member = storage === 'memory' ? memberWithoutStorage : undefined;
  return { member, proxy: undefined };
}

const memberWithoutStorage =
  '--storage memory: what it held is gone with it, and the others would refuse it; start the whole cluster anew';

function engineOf(text = 'memory'): DevOptions['engine'] {
  if (text === 'memory' || text === 'redis') return text;
  throw new UsageError(`--engine: ${shown(text)} is not memory or redis`);
}

function wholeNumber(flag: string, text: string, low: number, high: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= low && value <= high))
    throw new UsageError(`${flag}: ${shown(text)} is not a whole number from ${low} to ${high}`);
  return value;
}

/** One node's place on this machine. */
export interface DevPlace {
  readonly id: number;
  readonly role: DevRole;
  readonly clientPort: number;
  /** Undefined for a proxy, which nobody dials. */
  readonly peerPort: number | undefined;
  readonly adminPort: number;
  readonly healthPort: number;
  /** Of the redis-server that this node fronts. */
  readonly redisPort: number | undefined;
  /** Holds its log file, and its data beside it. */
  readonly directory: string;
}

/** One place a node, in order of their ids: proxies after the members. */
export function devPlaces(options: DevOptions, data: string): readonly DevPlace[] {
  const hasRedis = (at: number): boolean => options.engine === 'redis' && at < options.nodes;
  return Array.from({ length: options.nodes + options.proxies }, (_, at) => ({
    id: at + 1,
    role: at < options.nodes ? 'member' : 'proxy',
    clientPort: options.port + at,
    peerPort: at < options.nodes ? options.port + peerOffset + at : undefined,
    adminPort: options.port + adminOffset + at,
    healthPort: options.port + healthOffset + at,
    redisPort: hasRedis(at) ? options.port + redisOffset + at : undefined,
    directory: join(data, `node-${at + 1}`),
  }));
}

/** What `outrigger start` is given for this place. */
export function startFlags(
  place: DevPlace,
  places: readonly DevPlace[],
  passedOn: readonly string[],
): readonly string[] {
  const members = places.filter(({ role }) => role === 'member');
  const flags = {
    'node-id': place.id,
    members: members.map(({ id, peerPort }) => `${id}=${devHost}:${peerPort}`).join(','),
    'client-host': devHost,
    'client-port': place.clientPort,
    'admin-host': devHost,
    'admin-port': place.adminPort,
    'health-host': devHost,
    'health-port': place.healthPort,
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  if (place.peerPort === undefined) return [...words, '--role', place.role];
  const own = ['--data-directory', join(place.directory, 'data'), '--peer-host', devHost];
  const redis =
    place.redisPort === undefined ? [] : ['--redis-url', `redis://${devHost}:${place.redisPort}`];
  return [...words, ...own, '--peer-port', `${place.peerPort}`, ...redis, ...passedOn];
}

/** Throws UsageError for the first port that is taken: better than nodes that fail one by one. */
export async function requireFreePorts(places: readonly DevPlace[]): Promise<void> {
  for (const place of places)
    for (const use of ['client', 'peer', 'admin', 'health', 'redis'] as const) {
      const port = place[`${use}Port`];
      if (port === undefined) continue;
      const code = await whyNotFree(port);
      if (code === undefined) continue;
      const what = `port ${port}, the ${use} port of node ${place.id},`;
      throw new UsageError(
        code === 'EADDRINUSE'
          ? `${what} is in use by another process; stop it, or choose other ports with --port`
          : `${what} cannot be opened (${code}); choose other ports with --port`,
      );
    }
}

function whyNotFree(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'unknown'));
    server.listen(port, devHost, () => server.close(() => resolve(undefined)));
  });
}
