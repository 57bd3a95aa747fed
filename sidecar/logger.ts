/**
 * Logs as JSON lines on standard output, written before the call returns: the last line before a crash is there.
 *
 * Never keys or values of clients, never the secret.
 */

import { pino, destination } from 'pino';
import type { Logger } from '../src/index.ts';
import type { LogLevel } from './config-schema.ts';

/** `nodeId` stands in every line. */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly nodeId: number;
}): Logger {
  const output = destination({ dest: 1, sync: true });
  // A reader that went away must not take the node with it; there is nobody left to tell.
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return pino(
    {
      level: options.level,
      base: { nodeId: options.nodeId },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    output,
  );
}
