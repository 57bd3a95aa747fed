/**
 * What must hold between several keys of a configuration; each key alone has been checked by the schema.
 */

import type { Settings } from './config-schema.ts';
import { UsageError } from './usage-error.ts';

/** Fewer heartbeats than this in an election timeout, and one lost packet makes an election. */
const heartbeatsPerTimeoutMin = 4;

/** Throws UsageError; `at` names a key with the place where it was given. */
export function checkTogether(settings: Settings, at: (key: keyof Settings) => string): void {
  const { members, heartbeatMs, electionTimeoutMs } = settings;
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
  checkNodeId(settings, at);
  if (electionTimeoutMs < heartbeatsPerTimeoutMin * heartbeatMs)
    throw new UsageError(
      `${at('electionTimeoutMs')} is ${electionTimeoutMs}, less than ${heartbeatsPerTimeoutMin} × ${at('heartbeatMs')} ${heartbeatMs}; raise it to at least ${heartbeatsPerTimeoutMin * heartbeatMs}`,
    );
  if (settings.role === 'member') checkMember(settings, at);
  checkPorts(settings, at);
}

function checkNodeId(
  { role, nodeId, members }: Settings,
  at: (key: keyof Settings) => string,
): void {
  const ids = members.map(({ id }) => id);
  const isListed = nodeId !== undefined && ids.includes(nodeId);
  if (role === 'proxy') {
    if (isListed)
      throw new UsageError(
        `${at('members')} lists node ${nodeId}, but ${at('role')} is proxy; give the proxy another nodeId, or none`,
      );
    return;
  }
  if (nodeId === undefined)
    throw new UsageError(
      'nodeId is missing; give a whole number from 1 to 65535 as --node-id, as OUTRIGGER_NODE_ID or as nodeId in the file of --config',
    );
  if (!isListed)
    throw new UsageError(
      `${at('members')} lists the nodes ${ids.join(', ')}, but ${at('nodeId')} is ${nodeId}; add this node or correct its id`,
    );
}

/** What a proxy does without: a lease, a directory, a port for peers. */
function checkMember(settings: Settings, at: (key: keyof Settings) => string): void {
  checkLease(settings, at);
  if (settings.storage === 'level' && settings.dataDirectory === undefined)
    throw new UsageError(
      'dataDirectory is missing, and storage is level; give a directory for this node as --data-directory, as OUTRIGGER_DATA_DIRECTORY or as dataDirectory in the file of --config',
    );
  if (settings.clusterSecret === undefined && !isLoopback(settings.peerHost))
    throw new UsageError(
      `${at('peerHost')} is ${settings.peerHost}, which others can reach, and there is no clusterSecret; set OUTRIGGER_CLUSTER_SECRET, the same on all nodes`,
    );
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
  const used = settings.role === 'proxy' ? listeners.filter((use) => use !== 'peer') : listeners;
  for (const [place, one] of used.entries())
    for (const other of used.slice(place + 1)) {
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
