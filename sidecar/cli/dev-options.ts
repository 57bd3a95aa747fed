/**
 * The flags of `outrigger dev`, and which ports and directories follow from them.
 */

import { createServer } from 'node:net';
import { join } from 'node:path';
import { shown, UsageError } from '../usage-error.ts';
import { parseFlags } from './flags.ts';

const nodesMax = 5;
const portPreset = 6401;
const portMax = 65_535;
/** Distances from a node's client port. */
const peerOffset = 1_000;
const adminOffset = 2_000;
const healthOffset = 3_000;

export const devHost = '127.0.0.1';

export interface DevOptions {
  readonly nodes: number;
  /** The first node's client port. */
  readonly port: number;
  /** Passed on to the nodes as they are, if given; they check them. */
  readonly passedOn: readonly string[];
  /** Undefined for a temporary directory. */
  readonly data: string | undefined;
  /** Why a node that dies stays dead; undefined where it is started again. */
  readonly staysDead: string | undefined;
  readonly help: boolean;
}

/** Throws UsageError. */
export function devOptions(words: readonly string[]): DevOptions {
  const { values, switches } = parseFlags(words, {
    command: 'dev',
    valued: ['--nodes', '--port', '--shards', '--storage', '--data'],
    switches: ['--no-restart', '--help', '-h'],
  });
  const nodes = wholeNumber('--nodes', values.get('--nodes') ?? '3', 1, nodesMax);
  const portLimit = portMax - healthOffset - nodes + 1;
  const passedOn = ['--shards', '--storage'].flatMap((flag) => {
    const value = values.get(flag);
    return value === undefined ? [] : [flag, value];
  });
  return {
    nodes,
    port: wholeNumber('--port', values.get('--port') ?? `${portPreset}`, 1, portLimit),
    passedOn,
    data: values.get('--data'),
    staysDead: staysDead(switches, values.get('--storage')),
    help: switches.has('--help') || switches.has('-h'),
  };
}

/** A node without storage comes back as another member, which the others refuse. */
function staysDead(switches: ReadonlySet<string>, storage: string | undefined): string | undefined {
  if (switches.has('--no-restart')) return '--no-restart';
  if (storage !== 'memory') return undefined;
  return '--storage memory: what it held is gone with it, and the others would refuse it; start the whole cluster anew';
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
  readonly clientPort: number;
  readonly peerPort: number;
  readonly adminPort: number;
  readonly healthPort: number;
  /** Holds its log file, and its data beside it. */
  readonly directory: string;
}

/** One place a node, in order of their ids. */
export function devPlaces(options: DevOptions, data: string): readonly DevPlace[] {
  return Array.from({ length: options.nodes }, (_, at) => ({
    id: at + 1,
    clientPort: options.port + at,
    peerPort: options.port + peerOffset + at,
    adminPort: options.port + adminOffset + at,
    healthPort: options.port + healthOffset + at,
    directory: join(data, `node-${at + 1}`),
  }));
}

/** What `outrigger start` is given for this place. */
export function startFlags(
  place: DevPlace,
  places: readonly DevPlace[],
  passedOn: readonly string[],
): readonly string[] {
  const flags = {
    'node-id': place.id,
    members: places.map(({ id, peerPort }) => `${id}=${devHost}:${peerPort}`).join(','),
    'data-directory': join(place.directory, 'data'),
    'client-host': devHost,
    'client-port': place.clientPort,
    'peer-host': devHost,
    'peer-port': place.peerPort,
    'admin-host': devHost,
    'admin-port': place.adminPort,
    'health-host': devHost,
    'health-port': place.healthPort,
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  return [...words, ...passedOn];
}

/** Throws UsageError for the first port that is taken: better than nodes that fail one by one. */
export async function requireFreePorts(places: readonly DevPlace[]): Promise<void> {
  for (const place of places)
    for (const use of ['client', 'peer', 'admin', 'health'] as const) {
      const port = place[`${use}Port`];
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
