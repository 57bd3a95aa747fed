/**
 * Real sidecar processes for tests of the whole: started on free ports with data in a temporary directory, killed,
 * paused, started again, and all ended with the test, whatever becomes of it. What they said is shown where it failed.
 *
 * `program` is the only place that knows how a sidecar is started.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { cacheVariables, compileOnce } from '../../sidecar/cli/compile-cache.ts';
import { RawClient } from './raw-client.ts';
import { until, within } from './until.ts';

const program: readonly string[] = [
  process.execPath,
  join(import.meta.dirname, '../../sidecar/main.ts'),
  'start',
];
/** Fills the compile cache, as `outrigger dev` does; once for all tests of a file. */
let compiled: Promise<void> | undefined;

/** Starting a process takes a second on a free machine; tests share it with others. */
const readyDeadlineMs = 30_000;
const queryDeadlineMs = 1_000;
/** Of what a node prints, this much of the end is kept. */
const outputCharsMax = 200_000;
/** Of its log, this much is shown. */
const reportCharsMax = 2_000;

export interface ClusterOptions {
  /** Members. */
  readonly nodes?: number;
  /** Their ids follow those of the members. */
  readonly proxies?: number;
  readonly shards?: number;
  readonly storage?: 'level' | 'memory';
  /** Added to every node's environment: `OUTRIGGER_…`. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly environmentOf?: (id: number) => Readonly<Record<string, string>>;
}

export interface ShardLine {
  readonly role: string;
  readonly leader: number;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly voters: string;
}

/** Starts a cluster and waits until every shard has a leader that all nodes know. It ends with the test. */
export async function startCluster(
  test: TestContext,
  options: ClusterOptions = {},
): Promise<TestCluster> {
  const cluster = await prepareCluster(test, options);
  for (const node of cluster.all) node.start();
  await cluster.ready(cluster.all);
  return cluster;
}

/** Node's own type lacks what its test context has by the time that `after` is called. */
interface JudgedTest extends TestContext {
  readonly passed: boolean;
}

/** A cluster whose processes the test starts by itself. */
export async function prepareCluster(
  test: TestContext,
  options: ClusterOptions = {},
): Promise<TestCluster> {
  compiled ??= compileOnce(bareEnvironment());
  await compiled;
  const count = options.nodes ?? 3;
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-e2e-'));
  const block = await reservePorts((count + (options.proxies ?? 0)) * portsPerNode);
  const cluster = new TestCluster(directory, block.first, { ...options, nodes: count });
  test.after(async () => {
    await cluster.stop();
    block.release();
    rmSync(directory, { recursive: true, force: true });
    if (!(test as JudgedTest).passed)
      for (const node of cluster.all) test.diagnostic(node.report());
  });
  return cluster;
}

export class TestCluster {
  /** The members. */
  readonly nodes: readonly TestNode[];
  readonly proxies: readonly TestNode[];
  readonly shards: number;
  readonly directory: string;

  constructor(directory: string, firstPort: number, options: ClusterOptions & { nodes: number }) {
    const { nodes, proxies = 0, shards = 1, environment, environmentOf } = options;
    const { storage = 'level' } = options;
    this.shards = shards;
    this.directory = directory;
    const portsOf = (id: number): number => firstPort + (id - 1) * portsPerNode;
    const ids = Array.from({ length: nodes + proxies }, (_, at) => at + 1);
    const members = ids
      .slice(0, nodes)
      .map((id) => `${id}=127.0.0.1:${portsOf(id) + 1}`)
      .join(',');
    const all = ids.map((id) => {
      const port = portsOf(id);
      const isProxy = id > nodes;
      return new TestNode({
        id,
        clientPort: port,
        peerPort: port + 1,
        adminPort: port + 2,
        healthPort: port + 3,
        dataDirectory: join(directory, `node-${id}`),
        settings: isProxy
          ? { members, role: 'proxy' }
          : { members, shards: String(shards), storage },
        environment: { ...environment, ...environmentOf?.(id) },
      });
    });
    this.nodes = all.slice(0, nodes);
    this.proxies = all.slice(nodes);
  }

  get all(): readonly TestNode[] {
    return [...this.nodes, ...this.proxies];
  }

  node(id: number): TestNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  others(...of: readonly TestNode[]): readonly TestNode[] {
    return this.nodes.filter((node) => !of.includes(node));
  }

  /** Waits until each of `nodes` knows a leader of every shard, and all the same. */
  async ready(nodes: readonly TestNode[] = this.nodes): Promise<void> {
    await until('all nodes know all leaders', readyDeadlineMs, async () => {
      const dead = nodes.find((node) => !node.isRunning);
      if (dead !== undefined) throw new Error(`node ${dead.id} does not run:\n${dead.stderr}`);
      const views = await Promise.all(nodes.map((node) => node.shardLines()));
      return views.every(
        (lines) =>
          lines.length === this.shards &&
          lines.every(
            (line, shard) => line.leader !== 0 && line.leader === views[0]?.[shard]?.leader,
          ),
      );
    });
  }

  /** Waits until one of `nodes` says that it leads the shard; the one with the highest term, where several do. */
  leader(nodes: readonly TestNode[] = this.nodes, shard = 0): Promise<TestNode> {
    return until(`shard ${shard} has a leader`, readyDeadlineMs, async () => {
      const views = await Promise.all(
        nodes.map(async (node) => ({ node, line: (await node.shardLines())[shard] })),
      );
      return views
        .filter(({ line }) => line?.role === 'leader')
        .sort((left, right) => (right.line?.term ?? 0) - (left.line?.term ?? 0))[0]?.node;
    });
  }

  /** Waits until no replica of `nodes` has anything left to apply, and all have applied the same. */
  async settled(nodes: readonly TestNode[] = this.nodes): Promise<readonly string[]> {
    return await until('all replicas have applied the same', readyDeadlineMs, async () => {
      const views = await Promise.all(nodes.map((node) => node.shardLines()));
      const applied = views.map((lines) => lines.map((line) => line.applied).join(' '));
      const isDone = views.every((lines) => lines.every((line) => line.applied === line.commit));
      return isDone && new Set(applied).size === 1 ? applied : undefined;
    });
  }

  /** Ends all processes at once and waits until they are gone. */
  async stop(): Promise<void> {
    for (const node of this.all) if (node.isRunning) node.kill('SIGKILL');
    await Promise.all(this.all.map((node) => node.ended));
  }
}

export interface NodeOptions {
  readonly id: number;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly adminPort: number;
  readonly healthPort: number;
  readonly dataDirectory: string;
  /** By configuration key in lower case words: `members`, `shards`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

export class TestNode {
  readonly id: number;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly adminPort: number;
  readonly healthPort: number;
  readonly dataDirectory: string;
  /** As the next start will have it; a test may change it. */
  environment: Readonly<Record<string, string>>;
  /** Flags of the next start, behind the usual ones. */
  flags: readonly string[] = [];
  readonly #settings: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #ended: Promise<Ending> = Promise.resolve({ code: null, signal: null });
  #isRunning = false;
  #stdout = '';
  #stderr = '';

  constructor(options: NodeOptions) {
    this.id = options.id;
    this.clientPort = options.clientPort;
    this.peerPort = options.peerPort;
    this.adminPort = options.adminPort;
    this.healthPort = options.healthPort;
    this.dataDirectory = options.dataDirectory;
    this.environment = options.environment;
    this.#settings = options.settings;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined || !this.#isRunning) throw new Error(`node ${this.id} does not run`);
    return pid;
  }

  /** How the last process ended. */
  get ended(): Promise<Ending> {
    return this.#ended;
  }

  /** Of the last process alone. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Starts the process without waiting for anything. `settings` replace those of the cluster. */
  start(settings: Readonly<Record<string, string>> = {}): void {
    if (this.#isRunning) throw new Error(`node ${this.id} runs`);
    const all = {
      'node-id': String(this.id),
      'client-port': String(this.clientPort),
      'peer-port': String(this.peerPort),
      'admin-port': String(this.adminPort),
      'health-port': String(this.healthPort),
      'health-host': '127.0.0.1',
      'data-directory': this.dataDirectory,
      ...this.#settings,
      ...settings,
    };
    const flags = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
    // The channel tells the sidecar when this process is gone, so that it never outlives a test.
    const [command = '', ...words] = program;
    const child = spawn(command, [...words, ...flags, ...this.flags], {
      env: { ...bareEnvironment(), ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#isRunning = true;
    this.#stderr = '';
    living.add(child);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-outputCharsMax);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-outputCharsMax);
    });
    this.#ended = ending(child).finally(() => {
      this.#isRunning = false;
      living.delete(child);
    });
  }

  /** Starts the process again, on the same ports and data; resolves when it knows every shard's leader. */
  async restart(): Promise<void> {
    await this.#ended;
    this.start();
    await this.serving();
  }

  /** Waits until the node knows a leader of every shard. */
  async serving(): Promise<void> {
    await until(`node ${this.id} serves`, readyDeadlineMs, async () => {
      if (!this.#isRunning) throw new Error(`node ${this.id} ended:\n${this.#stderr}`);
      const lines = await this.shardLines();
      return lines.length > 0 && lines.every((line) => line.leader !== 0);
    });
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.clientPort);
  }

  /** One command on a connection of its own. */
  async ask(...args: readonly (string | number)[]): Promise<unknown> {
    const client = await this.connect();
    try {
      return await within(
        `${args.join(' ')} at node ${this.id}`,
        readyDeadlineMs,
        client.must(...args),
      );
    } finally {
      client.close();
    }
  }

  /** What `INFO outrigger` says of each shard, by shard. Rejects where the node does not answer soon. */
  async shardLines(): Promise<readonly ShardLine[]> {
    const client = await this.connect();
    try {
      const info = await within('INFO', queryDeadlineMs, client.must('INFO', 'outrigger'));
      return [...String(info).matchAll(/^shard\d+:(.*)\r$/gm)].map(([, fields = '']) =>
        shardLine(fields),
      );
    } finally {
      client.close();
    }
  }

  /** The end of what it printed, for the report of a failed test. */
  report(): string {
    return `--- node ${this.id}, standard error:\n${this.#stderr}\n--- node ${this.id}, log:\n${this.#stdout.slice(-reportCharsMax)}`;
  }
}

function shardLine(fields: string): ShardLine {
  const by = new Map(fields.split(',').map((field) => field.split('=') as [string, string]));
  return {
    role: by.get('role') ?? '',
    leader: Number(by.get('leader')),
    term: Number(by.get('term')),
    commit: Number(by.get('commit')),
    applied: Number(by.get('applied')),
    voters: by.get('voters') ?? '',
  };
}

/** With the compile cache, and without what the surroundings may have set for a sidecar of their own. */
function bareEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('OUTRIGGER_'));
  return { ...cacheVariables(), ...Object.fromEntries(entries) };
}

async function ending(child: ChildProcess): Promise<Ending> {
  // 'close' comes when the output has been read to its end, too.
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal };
}

/** Processes that run now. A paused one does not see that its parent is gone, so they are killed on the way out. */
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

const portsPerNode = 4;
const blockSize = 32;
/** Above what `free-ports` hands out to others, below what the system takes for outgoing connections. */
const firstBlock = 31_104;
const blocks = 50;

interface PortBlock {
  readonly first: number;
  release(): void;
}

/**
 * Ports that stay this cluster's while its processes come and go: whoever listens on the first port of a block owns the rest,
 * as long as all go by this function.
 */
async function reservePorts(count: number): Promise<PortBlock> {
  if (count >= blockSize) throw new Error(`a block has ${blockSize - 1} ports`);
  for (let attempt = 0; attempt < blocks; attempt += 1) {
    const base = firstBlock + ((process.pid + attempt) % blocks) * blockSize;
    const owner = await listen(base);
    if (owner === undefined) continue;
    owner.unref();
    const rest = Array.from({ length: count }, (_, at) => base + 1 + at);
    const trials = await Promise.all(rest.map(listen));
    const opened = trials.filter((server) => server !== undefined);
    await Promise.all(opened.map(close));
    if (opened.length === count) {
      return { first: base + 1, release: () => void owner.close() };
    }
    await close(owner);
  }
  throw new Error('no free block of ports is left');
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
