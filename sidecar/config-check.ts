/**
 * What must hold between several keys of a configuration; each key alone has been checked by the schema.
 */

import type { Settings } from './config-schema.ts';
import { UsageError } from './usage-error.ts';

/** Fewer heartbeats than this in an election timeout, and one lost packet makes an election. */
const heartbeatsPerTimeoutMin = 4;

/** Throws UsageError; `at` names a key with the place where it was given. */
export function checkTogether(settings: Settings, at: (key: keyof Settings) => string): void {
  const { nodeId, members, heartbeatMs, electionTimeoutMs } = settings;
  const ids = members.map(({ id }) => id);
  const addresses = members.map(({ host, port }) => `${host}:${port}`);
  const twiceId = firstTwice(ids);
  if (twiceId !== undefined)
    throw new UsageError(
      `${at('members')} lists node ${twiceId} twice; every node has an id of its own`,
    );
  const twiceAddress = firstTwice(addresses);
  if (twiceAddress !== undefined)
    throw new UsageError(
      `${at('members')} lists ${twiceAddress} twice; every node has an address of its own`,
    );
  if (!ids.includes(nodeId))
    throw new UsageError(
      `${at('members')} lists the nodes ${ids.join(', ')}, but ${at('nodeId')} is ${nodeId}; add this node or correct its id`,
    );
  if (electionTimeoutMs < heartbeatsPerTimeoutMin * heartbeatMs)
    throw new UsageError(
      `${at('electionTimeoutMs')} is ${electionTimeoutMs}, less than ${heartbeatsPerTimeoutMin} × ${at('heartbeatMs')} ${heartbeatMs}; raise it to at least ${heartbeatsPerTimeoutMin * heartbeatMs}`,
    );
  checkLease(settings, at);
  if (settings.storage === 'level' && settings.dataDirectory === undefined)
    throw new UsageError(
      'dataDirectory is missing, and storage is level; give a directory for this node as --data-directory, as OUTRIGGER_DATA_DIRECTORY or as dataDirectory in the file of --config',
    );
  if (settings.clusterSecret === undefined && !isLoopback(settings.peerHost))
    throw new UsageError(
      `${at('peerHost')} is ${settings.peerHost}, which others can reach, and there is no clusterSecret; set OUTRIGGER_CLUSTER_SECRET, the same on all nodes`,
    );
  checkPorts(settings, at);
}

function checkLease(settings: Settings, at: (key: keyof Settings) => string): void {
  const { heartbeatMs, electionTimeoutMs, clockDriftMs, reads } = settings;
  const longestMs = (Math.floor(electionTimeoutMs / heartbeatMs) - 1) * heartbeatMs;
  if (reads === 'lease' && clockDriftMs >= longestMs)
    throw new UsageError(
      `${at('clockDriftMs')} is ${clockDriftMs} and leaves nothing of the lease of ${longestMs} ms; lower it, raise electionTimeoutMs, or set reads to read-index`,
    );
}

const listeners = ['client', 'peer', 'admin', 'health'] as const;

function checkPorts(settings: Settings, at: (key: keyof Settings) => string): void {
  for (const [place, one] of listeners.entries())
    for (const other of listeners.slice(place + 1)) {
      const port = settings[`${one}Port`];
      if (port === 0 || port !== settings[`${other}Port`]) continue;
      const hosts = [settings[`${one}Host`], settings[`${other}Host`]];
      if (hosts[0] === hosts[1] || hosts.includes('0.0.0.0') || hosts.includes('::'))
        throw new UsageError(
          `${at(`${one}Port`)} and ${at(`${other}Port`)} are both ${port}; choose two ports`,
        );
    }
}

function firstTwice<Value>(values: readonly Value[]): Value | undefined {
  return values.find((value, place) => values.indexOf(value) !== place);
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
