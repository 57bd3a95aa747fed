/**
 * The admin port, on loopback by default: what operators and tools ask of one node.
 */

import type { HttpOptions } from './http.ts';

/** `/status`: JSON of what this node knows, its own view only. */
export function adminRoutes(status: () => object): HttpOptions['routes'] {
  return new Map([
    [
      '/status',
      () => ({
        status: 200,
        type: 'application/json; charset=utf-8',
        body: `${JSON.stringify(status(), undefined, 2)}\n`,
      }),
    ],
  ]);
}
