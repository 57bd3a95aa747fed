/**
 * A small HTTP server: a table of paths for reading (GET, HEAD), and one of actions, which change something (POST, a JSON body).
 *
 * It serves scrapers, kubelets and people with curl, so it is bounded where those are not: connections, time for a request, size of a body.
 * An action needs the token, whoever asks; without a configured one there is none.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UsageError } from './usage-error.ts';

/** Scrapers and probes need a handful; beyond that somebody is lost. */
const connectionsMax = 64;
/** A request of this size arrives at once or not at all. */
const requestTimeoutMs = 5_000;
const bodyBytesMax = 64 * 1024;

export interface Answer {
  readonly status: number;
  /** Content type; plain text where it is not said. */
  readonly type?: string;
  readonly body: string;
  /** With 405: the methods there are. */
  readonly allow?: string;
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
  /** By path, with what the body's JSON says. Exceptions as for `routes`. */
  readonly actions?: ReadonlyMap<string, (body: unknown) => Promise<Answer>>;
  /** Undefined where no action may be taken. */
  readonly token?: string | undefined;
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
  const { routes, actions } = options;
  const route = routes.get(path);
  const action = actions?.get(path);
  if (route === undefined && action === undefined)
    return {
      status: 404,
      body: `no such page; there are ${[...routes.keys()].join(' ')}\n`,
    };
  if (request.method === 'POST' && action !== undefined) return await act(options, request, action);
  if (route !== undefined && (request.method === 'GET' || request.method === 'HEAD'))
    return await route();
  const methods = [...(route === undefined ? [] : ['GET', 'HEAD']), ...(action ? ['POST'] : [])];
  const allow = methods.join(', ');
  return { status: 405, body: `only ${allow}\n`, allow };
}

async function act(
  { token }: HttpOptions,
  request: IncomingMessage,
  action: (body: unknown) => Promise<Answer>,
): Promise<Answer> {
  if (token === undefined)
    return {
      status: 403,
      body: 'this node changes nothing, as it has no adminToken; set OUTRIGGER_ADMIN_TOKEN and start it again\n',
    };
  if (!isSame(request.headers.authorization ?? '', `Bearer ${token}`))
    return { status: 401, body: "the token is not this node's adminToken\n" };
  const text = await bodyOf(request);
  if (text === undefined) return { status: 413, body: `at most ${bodyBytesMax} bytes\n` };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { status: 400, body: 'the body is not JSON\n' };
    throw error;
  }
  return await action(body);
}

/** Takes as long whatever is given. */
function isSame(given: string, wanted: string): boolean {
  const [left, right] = [given, wanted].map((text) => createHash('sha256').update(text).digest());
  return left !== undefined && right !== undefined && timingSafeEqual(left, right);
}

/** Undefined where it is too large. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > bodyBytesMax) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': answer.type ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    ...(answer.allow === undefined ? {} : { allow: answer.allow }),
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}
