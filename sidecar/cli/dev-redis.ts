/**
 * One redis-server of `outrigger dev --engine redis`: a member's own, without persistence. It is back, empty, within a second of its death.
 *
 * It ends with `dev`, however that ends: a shell beside it reads from a pipe whose other end is ours, and kills it at the end of that.
 */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { UsageError } from '../usage-error.ts';
import { devHost } from './dev-options.ts';

const restartDelayMs = 250;
/** `$0` and what follows is the server's command line. */
const script =
  'exec 3<&0; "$0" "$@" </dev/null & server=$!; { read -r _ <&3; kill -9 $server; } & wait $server; kill $! 2>/dev/null';

export interface DevRedisOptions {
  readonly port: number;
  /** Where its log goes. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** It died, and comes back. */
  onDeath(): void;
}

/** The program, or one named in the environment. Throws UsageError where it cannot be run. */
export function requireRedisServer(
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const { error } = spawnSync(programIn(environment), ['--version'], { env: environment });
  if (error === undefined) return;
  throw new UsageError(
    `${programIn(environment)} cannot be run (${error.message}); install it (Debian: apt-get install redis-server), name it in REDIS_SERVER, or leave out --engine redis`,
  );
}

const programIn = (environment: Readonly<Record<string, string | undefined>>): string =>
  environment['REDIS_SERVER'] ?? 'redis-server';

export class DevRedis {
  readonly #options: DevRedisOptions;
  #shell: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;
  #onStopped: () => void = () => undefined;

  constructor(options: DevRedisOptions) {
    this.#options = options;
  }

  start(): void {
    const { port, directory, environment } = this.#options;
    const words = ['--port', `${port}`, '--bind', devHost, '--save', '', '--appendonly', 'no'];
    const places = ['--dir', directory, '--logfile', `${directory}/redis.log`];
    const shell = spawn('/bin/sh', ['-c', script, programIn(environment), ...words, ...places], {
      env: environment,
      stdio: ['pipe', 'ignore', 'ignore'],
      // Out of reach of the terminal's Ctrl-C, which the nodes need it for until they have stopped.
      detached: true,
    });
    this.#shell = shell;
    // Writing is not what the pipe is for; it breaks when the shell ends.
    shell.stdin.on('error', () => shell.stdin.destroy());
    shell.once('exit', () => this.#ended());
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    if (this.#shell === undefined) return;
    const stopped = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
    });
    this.#shell.stdin?.end();
    await stopped;
  }

  #ended(): void {
    this.#shell = undefined;
    if (this.#isStopping) {
      this.#onStopped();
      return;
    }
    this.#options.onDeath();
    this.#timer = setTimeout(() => this.start(), restartDelayMs);
  }
}
