/**
 * Starts a real redis-server for tests that compare with it: on a free port of 127.0.0.1, in a temporary directory, without
 * persistence. `REDIS_SERVER` names the program; otherwise it is `redis-server` on the path.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  readonly directory: string;
  /** Ends the process as a crash does; the directory stays. */
  kill(): Promise<void>;
  /** Ends the process and removes its directory. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Further arguments of redis-server, one element each. */
  readonly args?: readonly string[];
  /** Where one that was killed stood, to start again in its place. */
  readonly after?: RedisServer;
}

const attemptsMax = 3;

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { after } = options;
  if (after !== undefined) return await run(options.args ?? [], after);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(options.args ?? []);
    } catch (error) {
      // Between choosing the port and listening on it, another process may have taken it.
      const isTaken = error instanceof Error && error.message.includes('Address already in use');
      if (!isTaken || attempt === attemptsMax) throw error;
    }
  }
}

async function startOnce(args: readonly string[]): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'outrigger-redis-'));
  try {
    return await run(args, { port: await freePort(), directory });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function run(
  args: readonly string[],
  { port, directory }: { readonly port: number; readonly directory: string },
): Promise<RedisServer> {
  const program = process.env['REDIS_SERVER'] ?? 'redis-server';
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory];
  const child = spawn(program, [...fixed, '--save', '', '--appendonly', 'no', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await isReady(child, program);
  return {
    port,
    pid: child.pid ?? 0,
    directory,
    kill: () => kill(child),
    stop: () => stop(child, directory),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Resolves when the server says that it accepts connections. */
function isReady(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('Ready to accept connections')) resolve();
    });
    child.once('error', (cause) =>
      reject(
        new Error(
          `cannot run ${program}; install it (apt-get install redis-server) or name one in REDIS_SERVER`,
          { cause },
        ),
      ),
    );
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}:\n${output}`)));
  });
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  await kill(child);
  await rm(directory, { recursive: true, force: true });
}
