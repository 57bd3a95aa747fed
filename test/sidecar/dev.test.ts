/**
 * Goal: `outrigger dev` starts, announces, restarts and stops its processes, whatever they do.
 * Method: the real supervisor with a small program in place of a sidecar, in real processes.
 */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { dev, type DevSurroundings } from '../../sidecar/cli/dev.ts';
import { UsageError } from '../../sidecar/usage-error.ts';
import type { FakeBehaviour } from '../support/fake-sidecar.ts';
import { devPortOffsets, freePortBlock } from '../support/free-ports.ts';

const fake = join(import.meta.dirname, '../support/fake-sidecar.ts');
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'outrigger-dev-test-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Surroundings for what must fail before a process is started. */
const nowhere: DevSurroundings = {
  nodeCommand: [],
  environment: {},
  prepare: () => Promise.resolve(),
  signals: new EventEmitter(),
  parentPid: () => 1,
  out: () => undefined,
  err: () => undefined,
};

interface Run {
  readonly port: number;
  /** Everything printed so far, standard output and error. */
  text(): string;
  /** Waits until a printed line fits, and returns the match. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  signal(name: string): void;
  readonly exitCode: Promise<number>;
  /** What the processes did: `id pid what`. */
  trace(): readonly string[];
  setParent(pid: number): void;
}

interface RunOptions {
  readonly words?: readonly string[];
  readonly behaviour?: Readonly<Record<number, FakeBehaviour>>;
  readonly environment?: Readonly<Record<string, string>>;
}

async function run({ words = [], behaviour = {}, environment = {} }: RunOptions): Promise<Run> {
  const port = await freePortBlock(devPortOffsets(3));
  const trace = join(directory, 'trace');
  writeFileSync(trace, '');
  const signals = new EventEmitter();
  const printed = new EventEmitter();
  let text = '';
  let parent = 1;
  const print = (more: string): void => {
    text += more;
    printed.emit('text');
  };
  const exitCode = dev(['--port', `${port}`, ...words], {
    nodeCommand: [process.execPath, fake],
    environment: {
      PATH: process.env['PATH'],
      FAKE_SIDECAR: JSON.stringify(behaviour),
      FAKE_TRACE: trace,
      ...environment,
    },
    prepare: () => Promise.resolve(),
    signals,
    parentPid: () => parent,
    out: print,
    err: print,
  });
  return {
    port,
    text: () => text,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(text);
          if (match !== null) resolve(match);
        };
        printed.on('text', look);
        exitCode.then(() => reject(new Error(`it ended without ${pattern}:\n${text}`)), reject);
        look();
      }),
    signal: (name) => void signals.emit(name),
    exitCode,
    trace: () => readFileSync(trace, 'utf8').trimEnd().split('\n'),
    setParent: (pid) => {
      parent = pid;
    },
  };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
    return false;
  }
};

const pidsOf = (trace: readonly string[]): readonly number[] =>
  trace.filter((line) => line.includes(' start ')).map((line) => Number(line.split(' ')[1]));

test('it prints ports, pids and leaders, then a line that starts with ready, and stops on SIGTERM', async () => {
  const cluster = await run({ words: ['--data', join(directory, 'data')] });
  await cluster.until(/^ready.*\n/m);
  const { port } = cluster;
  const rows = [
    ...cluster.text().matchAll(/^(\d) +member +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\S+)$/gm),
  ];
  const pids = pidsOf(cluster.trace());
  assert.deepEqual(
    rows.map((row) => row.slice(1, 6).map(Number)),
    [0, 1, 2].map((at) => [
      at + 1,
      port + at,
      port + 1000 + at,
      port + 2000 + at,
      port + 3000 + at,
    ]),
  );
  assert.deepEqual(new Set(rows.map((row) => Number(row[6]))), new Set(pids));
  assert.deepEqual(
    rows.map((row) => row[7]),
    ['0', '-', '-'],
  );
  assert.match(
    cluster.text(),
    new RegExp(`redis-cli -p ${port} set a 1\n.*redis-cli -p ${port + 1} get a`),
  );
  assert.ok(!cluster.text().includes('\u001B'));
  cluster.signal('SIGTERM');
  assert.equal(await cluster.exitCode, 0);
  assert.ok(!pids.some(isAlive));
  assert.equal(cluster.trace().filter((line) => line.endsWith('stop disconnect')).length, 3);
});

test('nodes get their own ports and directories, and the settings that were given', async () => {
  const data = join(directory, 'data');
  const cluster = await run({ words: ['--data', data, '--shards', '4', '--nodes', '2'] });
  await cluster.until(/^ready: 2 nodes, 1 shard/m);
  cluster.signal('SIGINT');
  await cluster.exitCode;
  const starts = cluster.trace().filter((line) => line.includes(' start '));
  const [first = '', second = ''] = starts.toSorted();
  const { port } = cluster;
  assert.ok(first.includes(`--members 1=127.0.0.1:${port + 1000},2=127.0.0.1:${port + 1001} `));
  assert.ok(second.includes(`--node-id 2 `));
  assert.ok(second.includes(`--data-directory ${join(data, 'node-2', 'data')} `));
  assert.ok(second.includes(`--client-port ${port + 1} `));
  assert.ok(second.endsWith('--shards 4'));
  assert.ok(existsSync(join(data, 'node-2', 'outrigger.log')));
});

test('proxies come behind the members, on the next ports, and are told their role and the members', async () => {
  const words = [
    '--data',
    join(directory, 'data'),
    '--nodes',
    '2',
    '--proxies',
    '2',
    '--shards',
    '4',
  ];
  const cluster = await run({ words });
  await cluster.until(/^ready: 2 nodes, 2 proxies, 1 shard/m);
  cluster.signal('SIGINT');
  await cluster.exitCode;
  const { port } = cluster;
  const rows = [
    ...cluster.text().matchAll(/^(\d) +(\w+) +(\d+) +(\S+) +(\d+) +(\d+) +\d+ +\S+$/gm),
  ];
  assert.deepEqual(
    rows.slice(2).map((row) => row.slice(1, 7)),
    [2, 3].map((at) => [
      `${at + 1}`,
      'proxy',
      `${port + at}`,
      '-',
      `${port + 2000 + at}`,
      `${port + 3000 + at}`,
    ]),
  );
  const start = cluster.trace().find((line) => line.includes('--node-id 4 ')) ?? '';
  assert.ok(start.includes(`--members 1=127.0.0.1:${port + 1000},2=127.0.0.1:${port + 1001} `));
  assert.ok(start.endsWith('--role proxy'));
  for (const flag of ['--data-directory', '--peer-port', '--shards'])
    assert.ok(!start.includes(flag));
});

test('a proxy that dies is started again, also where members without storage are not', async () => {
  const cluster = await run({
    words: ['--nodes', '1', '--proxies', '1', '--storage', 'memory'],
  });
  await cluster.until(/^ready/m);
  const proxy = cluster.trace().find((line) => line.includes('--role proxy')) ?? '';
  process.kill(Number(proxy.split(' ')[1]), 'SIGKILL');
  await cluster.until(/^node 2 \(pid \d+\) was ended by SIGKILL; starting it again/m);
  await cluster.until(/^node 2 is back/m);
  cluster.signal('SIGINT');
  await cluster.exitCode;
});

test('without --data the data is in a temporary directory that is removed at the end', async () => {
  const cluster = await run({});
  const match = await cluster.until(/data in (\S+), removed at the end/);
  const temporary = match[1] ?? '';
  await cluster.until(/^ready/m);
  assert.ok(existsSync(join(temporary, 'node-3')));
  cluster.signal('SIGHUP');
  await cluster.exitCode;
  assert.ok(!existsSync(temporary));
});

test('a node that is killed is started again, and both are said', async () => {
  const cluster = await run({});
  await cluster.until(/^ready/m);
  const [pid = 0] = pidsOf(cluster.trace().filter((line) => line.startsWith('2 ')));
  process.kill(pid, 'SIGKILL');
  await cluster.until(
    new RegExp(`^node 2 \\(pid ${pid}\\) was ended by SIGKILL; starting it again$`, 'm'),
  );
  const back = await cluster.until(/^node 2 is back \(pid (\d+)\)$/m);
  assert.ok(isAlive(Number(back[1])));
  cluster.signal('SIGTERM');
  await cluster.exitCode;
  assert.ok(!isAlive(Number(back[1])));
});

test('with --no-restart a node stays dead, and when none is left it ends with code 1', async () => {
  const cluster = await run({ words: ['--no-restart', '--nodes', '1'] });
  await cluster.until(/^ready/m);
  const [pid = 0] = pidsOf(cluster.trace());
  process.kill(pid, 'SIGKILL');
  assert.equal(await cluster.exitCode, 1);
  assert.match(
    cluster.text(),
    new RegExp(`node 1 \\(pid ${pid}\\) was ended by SIGKILL; it stays dead`),
  );
  assert.match(cluster.text(), /^outrigger: no node is left$/m);
});

test('a member that was removed stays dead', async () => {
  const lastComplaint = 'node 2 was removed from the cluster: its data directory is of no more use';
  const cluster = await run({ behaviour: { 2: { lastComplaint } } });
  await cluster.until(/^ready/m);
  const started = cluster.trace().filter((line) => line.startsWith('2 '));
  const [pid = 0] = pidsOf(started);
  process.kill(pid, 'SIGUSR2');
  await cluster.until(/node 2 \(pid \d+\) exited .* it stays dead \(it is no member any more\)/);
  cluster.signal('SIGTERM');
  assert.equal(await cluster.exitCode, 0);
});

test('a node that gives up before the cluster is ready ends everything with its own line', async () => {
  const complaint = 'shards (--shards): 99 is not a whole number from 1 to 64';
  const cluster = await run({ behaviour: { 1: { complaint }, 2: { complaint } } });
  assert.equal(await cluster.exitCode, 1);
  const complaints = cluster
    .text()
    .split('\n')
    .filter((line) => line.includes(complaint));
  assert.deepEqual(complaints, [`outrigger: ${complaint}`]);
  assert.ok(!pidsOf(cluster.trace()).some(isAlive));
});

test('a node that does not stop when asked is killed', async () => {
  const cluster = await run({ behaviour: { 3: { isDeaf: true } } });
  await cluster.until(/^ready/m);
  cluster.signal('SIGTERM');
  assert.equal(await cluster.exitCode, 0);
  assert.ok(!pidsOf(cluster.trace()).some(isAlive));
  assert.ok(
    cluster.trace().some((line) => line.startsWith('3 ') && line.includes('stop disconnect')),
  );
});

test("errors of a node are shown, and warnings once it is ready; the rest is in the node's log", async () => {
  const logs = [
    '{"level":"info","msg":"quiet"}',
    '{"level":"warn","msg":"nobody is there yet"}',
    '{"level":"error","time":"t","nodeId":1,"peer":2,"msg":"bad"}',
    'not JSON',
  ];
  const later = ['{"level":"warn","time":"t","nodeId":1,"peer":2,"msg":"loud"}'];
  const data = join(directory, 'data');
  const cluster = await run({ words: ['--data', data], behaviour: { 1: { logs, later } } });
  await cluster.until(/^ready/m);
  process.kill(pidsOf(cluster.trace().filter((line) => line.startsWith('1 ')))[0] ?? 0, 'SIGUSR2');
  await cluster.until(/^node 1: warn: loud peer=2$/m);
  cluster.signal('SIGTERM');
  await cluster.exitCode;
  assert.match(cluster.text(), /^node 1: error: bad peer=2$/m);
  assert.ok(!/quiet|nobody/.test(cluster.text()));
  assert.ok(readFileSync(join(data, 'node-1/outrigger.log'), 'utf8').startsWith(logs.join('\n')));
});

test('a port that is taken is named with its node before anything starts', async () => {
  const port = await freePortBlock(devPortOffsets(3));
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(port + 1001, '127.0.0.1', resolve));
  await assert.rejects(dev(['--port', `${port}`], nowhere), {
    message: `port ${port + 1001}, the peer port of node 2, is in use by another process; stop it, or choose other ports with --port`,
  });
  await new Promise((resolve) => blocker.close(resolve));
});

test('a data directory that cannot be made is named with the reason', async () => {
  const port = await freePortBlock(devPortOffsets(3));
  writeFileSync(join(directory, 'file'), '');
  await assert.rejects(dev(['--port', `${port}`, '--data', join(directory, 'file')], nowhere), {
    message: `cannot create the data directory ${join(directory, 'file', 'node-1')} (ENOTDIR); choose another with --data`,
  });
});

test('without a redis-server, --engine redis says how to get one', async () => {
  const words = ['--engine', 'redis', '--port', `${await freePortBlock(devPortOffsets(3))}`];
  await assert.rejects(
    dev(words, { ...nowhere, environment: { REDIS_SERVER: '/nowhere/redis-server' } }),
    (error: Error) =>
      error instanceof UsageError &&
      /\/nowhere\/redis-server cannot be run .*apt-get install redis-server/.test(error.message),
  );
});

test('started by npm, it stops when npm is gone', async () => {
  const cluster = await run({ environment: { npm_lifecycle_event: 'start' } });
  await cluster.until(/^ready/m);
  cluster.setParent(2);
  assert.equal(await cluster.exitCode, 0);
  assert.ok(!pidsOf(cluster.trace()).some(isAlive));
});

const refused: readonly (readonly [words: readonly string[], line: string])[] = [
  [['--nodes', '6'], '--nodes: "6" is not a whole number from 1 to 5'],
  [['--nodes', 'many'], '--nodes: "many" is not a whole number from 1 to 5'],
  [['--port', '62534'], '--port: "62534" is not a whole number from 1 to 62533'],
  [['--node', '3'], 'unknown flag --node; did you mean --nodes?'],
  [['--shard=3'], 'unknown flag --shard; did you mean --shards?'],
  [['--data'], '--data needs a value; see outrigger dev --help'],
  [['--data', '--no-restart'], '--data needs a value; see outrigger dev --help'],
  [['--data', 'a', '--data', 'b'], '--data is given twice; give it once'],
  [['--no-restart=1'], '--no-restart takes no value'],
  [['--engine', 'mysql'], '--engine: "mysql" is not memory or redis'],
  [['3'], 'unexpected argument "3"; see outrigger dev --help'],
];

for (const [words, line] of refused)
  test(`dev refuses: ${line}`, async () => {
    await assert.rejects(
      dev(words, nowhere),
      (error) => error instanceof UsageError && error.message === line,
    );
  });
