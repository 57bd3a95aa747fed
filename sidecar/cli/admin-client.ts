/**
 * How commands of the program speak with a node's admin port.
 */

import { request } from 'node:http';
import { UsageError } from '../usage-error.ts';

export const adminPreset = '127.0.0.1:8379';
/** A change waits for a leader, and may have to look through all keys of a namespace. */
const replyTimeoutMs = 120_000;

export interface Question {
  readonly path: string;
  /** What is to be done, with the token that allows it; without it something is only read. */
  readonly action?: { readonly token: string; readonly body: object };
}

/** The token of a change. Throws UsageError where there is none. */
export function tokenOf(
  values: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const token = values.get('--token') ?? environment['OUTRIGGER_ADMIN_TOKEN'];
  if (token !== undefined) return token;
  throw new UsageError(
    'a change needs the adminToken of the node; set OUTRIGGER_ADMIN_TOKEN or give --token',
  );
}

/** The body of a 200; anything else is a UsageError with what the node said. */
export function ask(admin: string, question: Question): Promise<string> {
  const address = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(admin);
  if (address === null) throw new UsageError(`--admin: ${admin} is not of the form host:port`);
  const { path, action } = question;
  const body = action === undefined ? '' : JSON.stringify(action.body);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: address[1] ?? address[2],
        port: Number(address[3]),
        path,
        method: action === undefined ? 'GET' : 'POST',
        timeout: replyTimeoutMs,
        agent: false,
        headers: {
          'content-length': Buffer.byteLength(body),
          ...(action === undefined ? {} : { authorization: `Bearer ${action.token}` }),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(parts).toString();
          if (response.statusCode === 200) resolve(text);
          else reject(new UsageError(text.trimEnd()));
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new UsageError(
          `no answer from the admin port ${admin} (${error.code ?? error.message}); name the port of a running node with --admin`,
        ),
      ),
    );
    sent.end(body);
  });
}
