/**
 * Starting a proxy without compilers. What runs at the start runs once, so there is nothing to gain, and V8's compilers
 * bring 9 MB of their own code into memory, which a sidecar that is hardly called never needs (docs/decisions/0016).
 *
 * V8 looks at these flags each time it considers a function, so they may be changed while it runs.
 */

import { setFlagsFromString } from 'node:v8';

const compilers = ['opt', 'maglev', 'sparkplug'] as const;

/** From now on no function is optimised. */
export function stopOptimizing(): void {
  for (const compiler of compilers) setFlagsFromString(`--no-${compiler}`);
}

/** Functions that are called often are optimised again. */
export function optimize(): void {
  for (const compiler of compilers) setFlagsFromString(`--${compiler}`);
}
