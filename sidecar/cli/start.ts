/**
 * `outrigger start`: one sidecar, from its configuration to the last port closed.
 */

import { drawProxyId, openNode, type NodeError, type OutriggerNode } from '../../src/index.ts';
import { adminRoutes } from '../admin.ts';
import { loadConfig } from '../config.ts';
import { settingRows, type Settings } from '../config-schema.ts';
import { healthRoutes, type NodeHealth } from '../health.ts';
import { serveHttp, type HttpServer } from '../http.ts';
import { createLogger } from '../logger.ts';
import { createMetrics } from '../metrics.ts';
import { stopOnRequest } from '../shutdown.ts';
import { readVersion } from '../version.ts';
import { parseFlags } from './flags.ts';
import { optimize } from './quiet-start.ts';
import { startHelp } from './help.ts';

/** What the program looks like to the outside while the node is being opened, and afterwards. */
interface Running {
  node: OutriggerNode | undefined;
  isStopping: boolean;
}

/**
 * Returns once the node serves, or when only help was asked for; the process then lives until it is told to stop. Throws UsageError and NodeError.
 * `giveUp` ends the process at once, with one line.
 */
export async function start(
  words: readonly string[],
  giveUp: (error: NodeError) => void,
): Promise<void> {
  const rows = settingRows();
  const { values, switches } = parseFlags(words, {
    command: 'start',
    valued: ['--config', ...rows.map(({ flag }) => flag)],
    switches: ['--wipe', '--help', '-h'],
  });
  if (switches.has('--help') || switches.has('-h')) {
    process.stdout.write(startHelp(rows));
    return;
  }
  const flags = new Map([...values].filter(([flag]) => flag !== '--config'));
  const file = values.get('--config');
  const settings = await loadConfig({ file, environment: process.env, flags });
  await run(settings, { wipe: switches.has('--wipe'), giveUp });
}

async function run(
  settings: Settings,
  { wipe, giveUp }: { readonly wipe: boolean; readonly giveUp: (error: NodeError) => void },
): Promise<void> {
  const version = readVersion();
  const { role, members } = settings;
  // A member may have a long log to read.
  if (role === 'member') optimize();
  const nodeId = settings.nodeId ?? drawProxyId();
  const logger = createLogger({ level: settings.logLevel, nodeId });
  const running: Running = { node: undefined, isStopping: false };
  const servers: HttpServer[] = [];
  stopOnRequest({
    process,
    stop: async () => {
      running.isStopping = true;
      await running.node?.stop();
      await Promise.all(servers.map((server) => server.close()));
    },
    onStopping: (reason) => logger.info({ reason }, 'stopping'),
    onFailed: (error) => logger.error({ error: String(error) }, 'stopping failed'),
    monotonicMs: () => performance.now(),
    after: (delayMs, call) => void setTimeout(call, delayMs).unref(),
  });
  servers.push(...(await servePorts(settings, running, version, logger)));
  running.node = await openNode({
    ...settings,
    nodeId,
    dataDirectory: settings.dataDirectory,
    clusterSecret: settings.clusterSecret,
    redisUser: settings.redisUser,
    redisPassword: settings.redisPassword,
    wipe,
    logger,
    version,
    onFatal: (error) => {
      logger.error({ code: error.code }, error.message);
      giveUp(error);
    },
  });
  optimize();
  const { clientPort, peerPort } = running.node;
  logger.info({ version, role, members: members.length, clientPort, peerPort }, 'serving');
}

type Log = ReturnType<typeof createLogger>;

/** Opens the health and the admin port, before the node itself, which may wait for its peers. */
async function servePorts(
  settings: Settings,
  running: Running,
  version: string,
  logger: Log,
): Promise<readonly HttpServer[]> {
  const onError = (path: string, error: unknown): void =>
    logger.error({ path, error: String(error) }, 'a request could not be answered');
  const metrics = createMetrics(processNumbers(version), () => running.node?.metrics());
  const health = await serveHttp({
    name: 'health port',
    flag: '--health-port',
    host: settings.healthHost,
    port: settings.healthPort,
    routes: healthRoutes(() => healthOf(running), metrics),
    onError,
  });
  const admin = await serveHttp({
    name: 'admin port',
    flag: '--admin-port',
    host: settings.adminHost,
    port: settings.adminPort,
    ...adminRoutes({
      status: () => statusOf(running, settings, version),
      node: () => running.node,
    }),
    token: settings.adminToken,
    onError,
  });
  return [health, admin];
}

function healthOf({ node, isStopping }: Running): NodeHealth {
  const unknown = { shardCount: undefined, engineProblem: undefined };
  if (isStopping) return { phase: 'stopping', ...unknown };
  if (node === undefined) return { phase: 'starting', ...unknown };
  const { phase, shards } = node.status();
  return {
    phase,
    shardCount: shards.length === 0 ? undefined : shards.length,
    engineProblem: shards.find((shard) => shard.engineProblem !== undefined)?.engineProblem,
  };
}

function statusOf({ node, isStopping }: Running, settings: Settings, version: string): object {
  const program = {
    version,
    pid: process.pid,
    residentBytes: process.memoryUsage.rss(),
    role: settings.role,
    ...(settings.role === 'member' ? { engine: settings.engine, storage: settings.storage } : {}),
  };
  if (node === undefined)
    return {
      ...program,
      phase: isStopping ? 'stopping' : 'starting',
      shards: [],
    };
  return { ...program, clientPort: node.clientPort, peerPort: node.peerPort, ...node.status() };
}

function processNumbers(version: string): Parameters<typeof createMetrics>[0] {
  const startedSeconds = Date.now() / 1_000 - process.uptime();
  return {
    version,
    startedSeconds,
    cpuSeconds: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    residentBytes: () => process.memoryUsage.rss(),
    heapUsedBytes: () => process.memoryUsage().heapUsed,
  };
}
