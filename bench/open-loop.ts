/**
 * Open-loop load: commands at a fixed rate over a few connections, sent when they are due even if earlier ones wait.
 *
 * What is due and how long it took is kept by the account; here are the sockets and the clock.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { until } from '../test/support/until.ts';
import { OpenLoopAccount, type OpenLoopFigures, type OpenLoopPlan } from './open-loop-account.ts';

/** Commands that become due in less than this leave together. */
const tickMs = 0.25;
const answersDeadlineMs = 20_000;

export interface OpenLoopOptions extends OpenLoopPlan {
  readonly port: number;
  /** Sent in turn. */
  readonly commands: readonly Buffer[];
  /** Every reply has this length and starts with this byte; anything else is an error reply. */
  readonly reply: { readonly bytes: number; readonly first: string };
  readonly signal: AbortSignal;
}

/** Undefined where the server does not keep up with the rate. */
export async function openLoop(options: OpenLoopOptions): Promise<OpenLoopFigures | undefined> {
  const sockets = await Promise.all(
    Array.from({ length: options.connections }, () => opened(options.port)),
  );
  const ticker = new Worker(new URL('ticker.ts', import.meta.url), {
    workerData: { periodMs: Math.max(tickMs, 1_000 / options.ratePerSecond) },
  });
  try {
    return await drive(options, sockets, ticker);
  } finally {
    await ticker.terminate();
    for (const socket of sockets) socket.destroy();
  }
}

async function drive(
  options: OpenLoopOptions,
  sockets: readonly Socket[],
  ticker: Worker,
): Promise<OpenLoopFigures | undefined> {
  await once(ticker, 'online');
  const account = new OpenLoopAccount(options, performance.now());
  const failing = new AbortController();
  for (const [at, socket] of sockets.entries()) {
    const answers = countReplies(options.reply, () => account.answer(at, performance.now()));
    const fail = (error: unknown): void => failing.abort(error);
    socket.on('data', (chunk: Buffer) => {
      try {
        answers(chunk);
      } catch (error) {
        fail(error);
      }
    });
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the server closed a connection')));
  }
  let next = 0;
  ticker.on('message', () => {
    const nowMs = performance.now();
    while (!account.isOverrun) {
      const connection = account.takeDue(nowMs);
      if (connection === undefined) return;
      const command = options.commands[next % options.commands.length];
      if (command !== undefined) sockets[connection]?.write(command);
      next += 1;
    }
  });
  const ends = AbortSignal.any([failing.signal, options.signal]);
  const deadlineMs = (options.warmUpSeconds + options.seconds) * 1_000 + answersDeadlineMs;
  await until('all commands are answered', deadlineMs, () => {
    return account.isAnswered || account.isOverrun || ends.aborted;
  });
  ends.throwIfAborted();
  return account.isAnswered ? account.figures() : undefined;
}

async function opened(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Calls back for each whole reply in a stream of replies that are all alike. Throws on another one. */
export function countReplies(
  reply: OpenLoopOptions['reply'],
  onReply: () => void,
): (chunk: Buffer) => void {
  const first = reply.first.charCodeAt(0);
  let missing = 0;
  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (missing === 0) {
        if (chunk[at] !== first)
          throw new Error(`an unexpected reply: ${chunk.toString('latin1', at, at + 80)}`);
        missing = reply.bytes;
      }
      const taken = Math.min(missing, chunk.length - at);
      missing -= taken;
      at += taken;
      if (missing === 0) onReply();
    }
  };
}
