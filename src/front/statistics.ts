/**
 * What the front counts: plain numbers, raised on the hot path and read when somebody asks.
 */

export interface FrontStatistics {
  /** Open client connections now. */
  connections: number;
  connectionsAccepted: number;
  /** Turned away at `maxClients`. */
  connectionsRefused: number;
  commandsFront: number;
  commandsRead: number;
  commandsWrite: number;
  /** Refused, unknown or malformed commands: answered with an error before anything was submitted. */
  commandsRejected: number;
  bytesIn: number;
  bytesOut: number;
  protocolErrors: number;
  /** Commands that got no reply of their shard, by what the client was told. */
  failedDefinite: number;
  failedInDoubt: number;
  /** Connections closed because their replies grew beyond the bound. */
  outputOverruns: number;
}

export const noStatistics = (): FrontStatistics => ({
  connections: 0,
  connectionsAccepted: 0,
  connectionsRefused: 0,
  commandsFront: 0,
  commandsRead: 0,
  commandsWrite: 0,
  commandsRejected: 0,
  bytesIn: 0,
  bytesOut: 0,
  protocolErrors: 0,
  failedDefinite: 0,
  failedInDoubt: 0,
  outputOverruns: 0,
});
