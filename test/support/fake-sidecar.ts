/**
 * A program that takes the flags of `outrigger start` and answers `/status`, without a cluster behind: what `outrigger dev` needs to
 * see of a node. Started by tests with `FAKE_SIDECAR`, JSON by node id, that says how it behaves.
 */

import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

export interface FakeBehaviour {
  /** Exits with code 1 after this line on standard error. */
  readonly complaint?: string;
  /** Ignores every request to stop. */
  readonly isDeaf?: boolean;
  /** The same at SIGUSR2. */
  readonly lastComplaint?: string;
  /** Lines on standard output. */
  readonly logs?: readonly string[];
  /** Such lines at SIGUSR2. */
  readonly later?: readonly string[];
}

const words = process.argv.slice(2);
const flag = (name: string): string => words[words.indexOf(`--${name}`) + 1] ?? '';
const id = Number(flag('node-id'));
const all = JSON.parse(process.env['FAKE_SIDECAR'] ?? '{}') as Record<string, FakeBehaviour>;
const { complaint, lastComplaint, isDeaf = false, logs = [], later = [] } = all[id] ?? {};
const trace = process.env['FAKE_TRACE'];
const note = (what: string): void => {
  if (trace !== undefined) appendFileSync(trace, `${id} ${process.pid} ${what}\n`);
};

note(`start ${words.join(' ')}`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
logs.forEach(print);
if (complaint !== undefined) {
  process.stderr.write(`outrigger: ${complaint}\n`);
  process.exit(1);
}
const stop = (why: string): void => {
  note(`stop ${why}`);
  if (!isDeaf) process.exit(0);
};
process.on('disconnect', () => stop('disconnect'));
process.on('SIGUSR2', () => {
  later.forEach(print);
  if (lastComplaint === undefined) return;
  process.stderr.write(`outrigger: ${lastComplaint}\n`);
  process.exit(1);
});
process.on('SIGTERM', () => stop('SIGTERM'));
process.on('SIGINT', () => stop('SIGINT'));
createServer((_, response) => {
  const role = id === 1 ? 'leader' : 'follower';
  response.end(JSON.stringify({ phase: 'running', shards: [{ shard: 0, role, leader: 1 }] }));
}).listen(Number(flag('admin-port')), '127.0.0.1');
