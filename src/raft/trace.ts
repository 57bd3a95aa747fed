/**
 * Where the core says what it decides, for replayed stories and simulations.
 *
 * Sites write `raft.trace?.note('info', …)`: without a sink the text is never built, so production pays one
 * comparison. Ids are printed in hex, everything else in decimal; the wording is that of the conformance vectors.
 */

import type { NodeId } from '../base/ids.ts';

export type TraceLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Trace {
  /** Called synchronously, in the order of the decisions; must not call back into the core. */
  note(level: TraceLevel, text: string): void;
}

/** An id as the trace prints it. */
export const hex = (id: NodeId): string => id.toString(16);
