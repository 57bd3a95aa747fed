/**
 * Where the fronted Redis is, and what is shown to it. The password leaves this file only towards the socket.
 */

import { NodeError } from '../../base/errors.ts';

/** What a node is told of its Redis. */
export interface RedisPlace {
  /** `redis://host:port`, `rediss://host:port` (TLS) or `unix:/path`; user and password may stand in it. */
  readonly url: string;
  /** Stand above those of the URL. */
  readonly user: string | undefined;
  readonly password: string | undefined;
}

export interface RedisAddress {
  readonly endpoint:
    | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number }
    | { readonly kind: 'unix'; readonly path: string };
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Without secrets, for people. */
  readonly shown: string;
}

const defaultPort = 6379;

/** Throws `config-invalid`; the message does not repeat what it was given, which may hold a password. */
export function redisAddress({ url, user, password }: RedisPlace): RedisAddress {
  if (url.startsWith('unix:')) {
    const path = url.slice('unix:'.length).replace(/^\/\/(?=\/)/u, '');
    if (!path.startsWith('/')) throw invalid('unix: is followed by an absolute path');
    return { endpoint: { kind: 'unix', path }, user, password, shown: `unix:${path}` };
  }
  const parsed = URL.parse(url);
  if (parsed === null || !['redis:', 'rediss:'].includes(parsed.protocol) || parsed.hostname === '')
    throw invalid('it is none of redis://host:port, rediss://host:port, unix:/path');
  if (!['', '/'].includes(parsed.pathname))
    throw invalid('it names a database, but all databases of the Redis are used');
  const host = parsed.hostname.replace(/^\[(.*)\]$/u, '$1');
  const port = parsed.port === '' ? defaultPort : Number(parsed.port);
  return {
    endpoint: { kind: parsed.protocol === 'rediss:' ? 'tls' : 'tcp', host, port },
    user: user ?? decoded(parsed.username),
    password: password ?? decoded(parsed.password),
    shown: `${parsed.protocol}//${parsed.host}`,
  };
}

function decoded(part: string): string | undefined {
  if (part === '') return undefined;
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw invalid('user or password hold a % that is no escape; write it as %25', cause);
  }
}

const invalid = (what: string, cause?: unknown): NodeError =>
  new NodeError('config-invalid', `redisUrl cannot be used: ${what}`, cause);
