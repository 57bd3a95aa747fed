/**
 * Operating failures: one class, one union of codes, and what to do about each.
 *
 * A client's mistake is a RESP error value, returned and not thrown; our own bug is a failed assertion.
 * Match on `code`. `front/error-replies` is the one place that turns a code into reply text.
 */

/** Whether the same call may be made again, and where. */
export type Retry = 'never' | 'elsewhere' | 'later';

/** Checklist: a new code needs its row in `retryByCode` and in `front/error-replies`. */
export type ErrorCode =
  /** No leader in time, and the command was never proposed: it did not happen. */
  | 'cluster-down'
  /** The command may have been logged: it may have happened. Never reported as failed. */
  | 'in-doubt'
  /** A bound of this node is reached (pending commands, bytes): it did not happen. */
  | 'busy'
  /** This node stops: it did not happen. */
  | 'closing'
  /** A write to disk failed or could not be made durable. The process stops. */
  | 'storage-failed'
  /** What the disk holds is not what was written. The replica neither votes nor acknowledges. */
  | 'damaged'
  /** Configuration that cannot be used, said in one line with what to do. Exit code 1. */
  | 'config-invalid'
  /** The data directory is used by another process. */
  | 'locked'
  /** The fronted Redis is not to be applied to: somebody else's, too old, or not allowed what is needed. */
  | 'redis-refused'
  /** Something of ours does not hold that must: a bug. The process stops. */
  | 'assertion-failed'
  /** A peer refused us, or we refused a peer, for good: wrong cluster, secret, member or configuration. */
  | 'peer-refused'
  /** An operator took this node out of its cluster. */
  | 'removed';

const retryByCode: Readonly<Record<ErrorCode, Retry>> = {
  'cluster-down': 'later',
  'in-doubt': 'never',
  busy: 'later',
  closing: 'elsewhere',
  'storage-failed': 'never',
  damaged: 'never',
  'config-invalid': 'never',
  locked: 'never',
  'redis-refused': 'never',
  'assertion-failed': 'never',
  'peer-refused': 'never',
  removed: 'never',
};

/** An operating failure. `message` says what happened, where, and what to do, in one line. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code: ErrorCode;
  readonly retry: Retry;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retry = retryByCode[code];
  }
}
