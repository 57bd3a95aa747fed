/**
 * A small HTTP server for reading: a table of paths, GET and HEAD, plain answers.
 *
 * It serves scrapers, kubelets and people with curl, so it is bounded where those are not: connections, time for a request, no bodies.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from './usage-error.ts';

/** Scrapers and probes need a handful; beyond that somebody is lost. */
const connectionsMax = 64;
/** A request without a body arrives at once or not at all. */
const requestTimeoutMs = 5_000;

export interface Answer {
  readonly status: number;
  /** Content type; plain text where it is not said. */
  readonly type?: string;
  readonly body: string;
}

export interface HttpOptions {
  /** What the port is called in messages: `health port`. */
  readonly name: string;
  /** The flag with which another port is chosen. */
  readonly flag: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** By path, `/livez`. An exception is answered with 500 and handed to `onError`. */
  readonly routes: ReadonlyMap<string, () => Answer | Promise<Answer>>;
  onError(path: string, error: unknown): void;
}

export interface HttpServer {
  readonly port: number;
  /** Cuts open connections: whoever scrapes asks again. */
  close(): Promise<void>;
}

/** Throws UsageError where the port cannot be had. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
    (request, response) => {
      respond(options, request).then(
        (answer) => send(request, response, answer),
        (error: unknown) => {
          options.onError(request.url ?? '', error);
          send(request, response, { status: 500, body: 'internal error; see the log\n' });
        },
      );
    },
  );
  server.maxConnections = connectionsMax;
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, options: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(portError(options, error)));
    server.listen(options.port, options.host, resolve);
  });
}

function portError(options: HttpOptions, { code }: NodeJS.ErrnoException): UsageError {
  const where = `${options.name} ${options.port} on ${options.host}`;
  return new UsageError(
    code === 'EADDRINUSE'
      ? `${where} is in use by another process; stop it, or choose another port with ${options.flag}`
      : `${where} cannot be opened (${code}); choose another with ${options.flag}, or another address with ${options.flag.replace('-port', '-host')}`,
  );
}

async function respond(options: HttpOptions, request: IncomingMessage): Promise<Answer> {
  const path = (request.url ?? '').split('?')[0] ?? '';
  const route = options.routes.get(path);
  if (route === undefined)
    return {
      status: 404,
      body: `no such page; there are ${[...options.routes.keys()].join(' ')}\n`,
    };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, body: 'only GET and HEAD\n' };
  return await route();
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': answer.type ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}
