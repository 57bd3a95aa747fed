/**
 * One process of `outrigger dev`: started, watched, its output sorted.
 *
 * Everything it prints goes to its log file; warnings and errors also to `onLine`. It is asked to stop by closing the channel between
 * us, which the system does for us where this process is killed: so no node outlives `dev`.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { devHost, type DevPlace } from './dev-options.ts';

/** A node on the same machine answers its admin port well within this. */
const statusTimeoutMs = 1_000;
/** What `start` puts before the one line that says why it gives up. */
const complaintPrefix = 'outrigger: ';

/** What `dev` reads of a node's `/status`. */
export interface DevStatus {
  readonly phase: string;
  readonly shards: readonly { readonly shard: number; readonly role: string }[];
}

/** How a process ended. */
export interface DevEnd {
  readonly pid: number;
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** The line with which it gave up, without its prefix. */
  readonly complaint: string | undefined;
  readonly aliveMs: number;
}

export interface DevNodeOptions {
  readonly place: DevPlace;
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A line worth showing; warnings are worth it or not by what goes on around. */
  onLine(line: string, isWarning: boolean): void;
  onEnd(end: DevEnd): void;
}

export class DevNode {
  readonly place: DevPlace;
  readonly #options: DevNodeOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;

  constructor(options: DevNodeOptions) {
    this.place = options.place;
    this.#options = options;
    this.#log = createWriteStream(`${options.place.directory}/outrigger.log`, { flags: 'a' });
    this.#log.on('error', (error) =>
      options.onLine(`its log cannot be written: ${error.message}`, false),
    );
  }

  /** Undefined while no process runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process; none may be running. */
  start(): void {
    const [program = '', ...words] = this.#options.command;
    const child = spawn(program, words, {
      env: this.#options.environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    const startedMs = performance.now();
    let complaint: string | undefined;
    const output = lines(child.stdout, (line) => {
      this.#log.write(`${line}\n`);
      this.#showIfGrave(line);
    });
    const errors = lines(child.stderr, (line) => {
      this.#log.write(`${line}\n`);
      if (line.startsWith(complaintPrefix)) complaint = line.slice(complaintPrefix.length);
      else this.#options.onLine(line, false);
    });
    const end = (code: number | null, signal: string | null): void => {
      this.#child = undefined;
      const aliveMs = performance.now() - startedMs;
      this.#options.onEnd({ pid: child.pid ?? 0, code, signal, complaint, aliveMs });
    };
    // Not the event `close`: it does not come where we have closed the channel ourselves.
    child.once('exit', (code, signal) => {
      void Promise.all([output, errors]).then(() => end(code, signal));
    });
    child.once('error', (error) => {
      complaint = `${program} cannot be started: ${error.message}`;
      if (child.pid === undefined) end(1, null);
    });
  }

  /** Asks the process to stop. */
  stop(): void {
    if (this.#child?.connected === true) this.#child.disconnect();
    else this.#child?.kill('SIGTERM');
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Closes the log file; after the last process. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#log.end(resolve);
    });
  }

  /** Undefined where the node does not answer. */
  status(): Promise<DevStatus | undefined> {
    return new Promise((resolve) => {
      const request = get(
        {
          host: devHost,
          port: this.place.adminPort,
          path: '/status',
          timeout: statusTimeoutMs,
          agent: false,
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('end', () => resolve(statusOf(Buffer.concat(parts).toString())));
          response.on('error', () => resolve(undefined));
        },
      );
      request.on('timeout', () => request.destroy());
      request.on('error', () => resolve(undefined));
    });
  }

  #showIfGrave(line: string): void {
    const entry = parsed(line);
    const { level, msg, time: _time, nodeId: _nodeId, ...fields } = entry;
    if (level !== 'warn' && level !== 'error') return;
    const said = Object.entries(fields).map(([key, value]) => `${key}=${String(value)}`);
    this.#options.onLine([`${level}: ${String(msg)}`, ...said].join(' '), level === 'warn');
  }
}

/** Hands over each line; resolves at the stream's end. */
function lines(stream: Readable | null, onLine: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    if (stream === null) return resolve();
    createInterface({ input: stream }).on('line', onLine).once('close', resolve);
  });
}

function statusOf(body: string): DevStatus | undefined {
  const { phase, shards } = parsed(body);
  if (typeof phase !== 'string' || !Array.isArray(shards)) return undefined;
  return { phase, shards: shards as DevStatus['shards'] };
}

/** The fields of a JSON object; none where the text is something else. */
function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
