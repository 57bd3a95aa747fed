/**
 * Goal: every way to get the configuration wrong ends in one line that says what, where and what to do.
 * Method: a valid set of flags, changed in one place, and the whole line expected.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig, type ConfigSources } from '../../sidecar/config.ts';
import type { Settings } from '../../sidecar/config-schema.ts';
import { UsageError } from '../../sidecar/usage-error.ts';

const directory = mkdtempSync(join(tmpdir(), 'outrigger-config-'));
after(() => rmSync(directory, { recursive: true }));

const three = '1=127.0.0.1:7401,2=127.0.0.1:7402,3=127.0.0.1:7403';
const valid = { 'node-id': '1', members: three, 'data-directory': '/data' };

interface Given {
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** The text of a configuration file. */
  readonly file?: string;
}

function sources({ flags, environment, file }: Given): ConfigSources {
  const path = file === undefined ? undefined : join(directory, 'outrigger.yaml');
  if (path !== undefined) writeFileSync(path, file ?? '');
  const texts = Object.entries({ ...valid, ...flags }).flatMap(([name, value]) =>
    value === undefined ? [] : [[`--${name}`, value] as const],
  );
  return { file: path, environment: environment ?? {}, flags: new Map(texts) };
}

const load = (given: Given): Promise<Settings> => loadConfig(sources(given));

/** The line that a configuration is refused with, the temporary directory left out. */
async function refusal(given: Given): Promise<string> {
  try {
    await load(given);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.message.replaceAll(`${directory}/`, '');
  }
  return assert.fail('it was not refused');
}

test('what is not given has its default', async () => {
  const settings = await load({});
  assert.deepEqual(settings, {
    nodeId: 1,
    members: [
      { id: 1, host: '127.0.0.1', port: 7401 },
      { id: 2, host: '127.0.0.1', port: 7402 },
      { id: 3, host: '127.0.0.1', port: 7403 },
    ],
    role: 'member',
    bootstrap: 'new',
    shards: 1,
    engine: 'memory',
    redisUrl: 'redis://127.0.0.1:6380',
    namespaces: [],
    storage: 'level',
    dataDirectory: '/data',
    clientHost: '127.0.0.1',
    clientPort: 6379,
    peerHost: '127.0.0.1',
    peerPort: 7379,
    adminHost: '127.0.0.1',
    adminPort: 8379,
    healthHost: '0.0.0.0',
    healthPort: 9379,
    heartbeatMs: 50,
    electionTimeoutMs: 500,
    commandTimeoutMs: 5000,
    maxClients: 10_000,
    reads: 'lease',
    clockDriftMs: 50,
    clockOffsetMs: 0,
    logLevel: 'info',
  } satisfies Settings);
});

test('a flag wins over the environment, and that over the file', async () => {
  const file = 'shards: 2\nmaxClients: 2\nheartbeatMs: 20\n';
  const environment = { OUTRIGGER_MAX_CLIENTS: '3', OUTRIGGER_HEARTBEAT_MS: '30' };
  const settings = await load({ file, environment, flags: { 'heartbeat-ms': '40' } });
  assert.deepEqual(
    [settings.shards, settings.maxClients, settings.heartbeatMs, settings.logLevel],
    [2, 3, 40, 'info'],
  );
});

test('a file may be YAML or JSON, and members a list or a text', async () => {
  const flags = { 'node-id': undefined, members: undefined };
  const members = [{ id: 7, host: 'db-0.db', port: 7379 }];
  const list = await load({
    flags,
    file: 'nodeId: 7\nmembers:\n  - {id: 7, host: db-0.db, port: 7379}',
  });
  const text = await load({ flags, file: 'nodeId: 7\nmembers: 7=db-0.db:7379' });
  const json = await load({
    flags,
    file: `{\n\t"nodeId": 7,\n\t"members": ${JSON.stringify(members)}\n}`,
  });
  for (const settings of [list, text, json]) assert.deepEqual(settings.members, members);
});

test('an IPv6 address stands in brackets', async () => {
  const { members } = await load({ flags: { members: '1=[::1]:7401' } });
  assert.deepEqual(members, [{ id: 1, host: '::1', port: 7401 }]);
});

test("Kubernetes' links to a Service named outrigger are no settings", async () => {
  const environment = {
    OUTRIGGER_SERVICE_HOST: '10.0.0.1',
    OUTRIGGER_SERVICE_PORT: '6379',
    OUTRIGGER_PORT: 'tcp://10.0.0.1:6379',
    OUTRIGGER_PORT_6379_TCP_ADDR: '10.0.0.1',
    OUTRIGGER_PEERS_SERVICE_PORT_RAFT: '7379',
    OUTRIGGERS_OTHER: 'x',
  };
  assert.equal((await load({ environment })).clientPort, 6379);
});

const refusals: readonly (readonly [given: Given, line: string])[] = [
  [
    { file: 'heartbeatMS: 50' },
    'unknown key "heartbeatMS" in outrigger.yaml; did you mean heartbeatMs?',
  ],
  [{ file: 'banana: 50' }, 'unknown key "banana" in outrigger.yaml; see outrigger start --help'],
  [
    { environment: { OUTRIGGER_HEARBEAT_MS: '50' } },
    'unknown environment variable OUTRIGGER_HEARBEAT_MS; did you mean OUTRIGGER_HEARTBEAT_MS?',
  ],
  [
    { file: 'shards: 1\nstorage: "level' },
    'outrigger.yaml line 2 is neither YAML nor JSON: Missing closing "quote',
  ],
  [
    { file: 'shards: 1\nshards: 2' },
    'outrigger.yaml line 2 is neither YAML nor JSON: Map keys must be unique',
  ],
  [{ file: '- a\n- b' }, "outrigger.yaml holds no keys; write lines such as 'nodeId: 1'"],
  [
    { file: 'heartbeatMs: fast' },
    'heartbeatMs (outrigger.yaml): "fast" is not a whole number from 10 to 3600000',
  ],
  [
    { file: 'heartbeatMs: "50"' },
    'heartbeatMs (outrigger.yaml): "50" is not a whole number from 10 to 3600000',
  ],
  [{ flags: { shards: '65' } }, 'shards (--shards): 65 is not a whole number from 1 to 64'],
  [{ flags: { shards: '1.5' } }, 'shards (--shards): "1.5" is not a whole number from 1 to 64'],
  [
    { environment: { OUTRIGGER_SHARDS: '' } },
    'shards (OUTRIGGER_SHARDS): "" is not a whole number from 1 to 64',
  ],
  [{ flags: { storage: 'disk' } }, 'storage (--storage): "disk" is not level or memory'],
  [{ flags: { engine: 'mysql' } }, 'engine (--engine): "mysql" is not memory or redis'],
  [
    { flags: { 'cluster-secret': 'short' } },
    'clusterSecret (--cluster-secret): the value is not a text of at least 8 characters',
  ],
  [
    { flags: { 'node-id': undefined } },
    'nodeId is missing; give a whole number from 1 to 65535 as --node-id, as OUTRIGGER_NODE_ID or as nodeId in the file of --config',
  ],
  [
    { flags: { members: 'a:7379,b:7379' } },
    'members (--members): "a:7379,b:7379" is not a list of one to five such as 1=10.0.0.1:7379,2=10.0.0.2:7379,3=10.0.0.3:7379',
  ],
  [
    { flags: { members: '1=a:1,2=b:1,3=c:1,4=d:1,5=e:1,6=f:1' } },
    'members (--members): [{"id":1,"host":"a","port":1},{"id":2,"host":"b","port":1},{… is not a list of one to five such as 1=10.0.0.1:7379,2=10.0.0.2:7379,3=10.0.0.3:7379',
  ],
  [
    { flags: { members: undefined }, file: 'members: [{id: 1, host: a, prot: 7379}]' },
    'members (outrigger.yaml): {"id":1,"host":"a","prot":7379} is not of the form {"id":1,"host":"10.0.0.1","port":7379}',
  ],
  [
    { flags: { members: '1=a:7379,2=b:99999' } },
    'members (--members): {"id":2,"host":"b","port":99999} is not of the form {"id":1,"host":"10.0.0.1","port":7379}',
  ],
  [
    { flags: { 'node-id': '4' } },
    'members (--members) lists the nodes 1, 2, 3, but nodeId (--node-id) is 4; add this node or correct its id',
  ],
  [
    { flags: { members: '1=a:7379,1=b:7379' } },
    'members (--members) lists node 1 twice; every node has an id of its own',
  ],
  [
    { flags: { members: '1=a:7379,2=a:7379' } },
    'members (--members) lists a:7379 twice; every node has an address of its own',
  ],
  [
    { flags: { 'election-timeout-ms': '199' } },
    'electionTimeoutMs (--election-timeout-ms) is 199, less than 4 × heartbeatMs 50; raise it to at least 200',
  ],
  [
    { flags: { 'clock-drift-ms': '450' } },
    'clockDriftMs (--clock-drift-ms) is 450 and leaves nothing of the lease of 450 ms; lower it, raise electionTimeoutMs, or set reads to read-index',
  ],
  [
    { flags: { 'data-directory': undefined } },
    'dataDirectory is missing, and storage is level; give a directory for this node as --data-directory, as OUTRIGGER_DATA_DIRECTORY or as dataDirectory in the file of --config',
  ],
  [
    { flags: { 'peer-host': '0.0.0.0' } },
    'peerHost (--peer-host) is 0.0.0.0, which others can reach, and there is no clusterSecret; set OUTRIGGER_CLUSTER_SECRET, the same on all nodes',
  ],
  [
    { flags: { 'client-port': '9379' } },
    'clientPort (--client-port) and healthPort are both 9379; choose two ports',
  ],
];

for (const [given, line] of refusals) {
  test(`it is refused: ${line}`, async () => {
    assert.equal(await refusal(given), line);
  });
}

test('a file that is not there is named with the reason', async () => {
  const missing = { ...sources({}), file: '/nowhere/outrigger.yaml' };
  await assert.rejects(loadConfig(missing), {
    message:
      'cannot read the configuration file /nowhere/outrigger.yaml (ENOENT); correct --config',
  });
});

test('a peer port that others can reach is accepted with a secret', async () => {
  const { peerHost } = await load({
    flags: { 'peer-host': '0.0.0.0' },
    environment: { OUTRIGGER_CLUSTER_SECRET: 'correct horse' },
  });
  assert.equal(peerHost, '0.0.0.0');
});

test('equal ports on different addresses are no conflict', async () => {
  const settings = await load({
    flags: { 'admin-port': '9379', 'health-host': '10.0.0.1' },
  });
  assert.equal(settings.adminPort, settings.healthPort);
});

test('namespaces are a list in the file, and JSON in the environment and as a flag', async () => {
  const rows = [
    { keys: 'lock:*', level: 'strong' },
    { keys: '*', database: 3, level: 'strong' },
  ];
  const text = JSON.stringify(rows);
  const file =
    'namespaces:\n- { keys: "lock:*", level: strong }\n- { keys: "*", database: 3, level: strong }\n';
  assert.deepEqual((await load({ file })).namespaces, rows);
  assert.deepEqual((await load({ flags: { namespaces: text } })).namespaces, rows);
  assert.deepEqual((await load({ environment: { OUTRIGGER_NAMESPACES: text } })).namespaces, rows);
});

test('a wrong table of namespaces is refused without showing it, as it may hold a password', async () => {
  assert.equal(
    await refusal({ flags: { namespaces: '[{"keys":"a*","level":"stronger"}]' } }),
    'namespaces (--namespaces): namespaces[0]: level must be one of strong, session, bounded, eventual, off',
  );
  assert.equal(
    await refusal({ flags: { namespaces: '{' } }),
    'namespaces (--namespaces): the value is not a list such as [{"keys":"cart:*","level":"session"}]',
  );
});

test('a proxy needs neither an id nor a directory, and its peer port counts for nothing', async () => {
  const flags = {
    role: 'proxy',
    'node-id': undefined,
    'data-directory': undefined,
    'peer-host': '0.0.0.0',
    'peer-port': '6379',
  };
  const { role, nodeId } = await load({ flags });
  assert.deepEqual({ role, nodeId }, { role: 'proxy', nodeId: undefined });
  assert.equal((await load({ flags: { ...flags, 'node-id': '9' } })).nodeId, 9);
  assert.equal(
    await refusal({ flags: { ...flags, 'node-id': '2' } }),
    'members (--members) lists node 2, but role (--role) is proxy; give the proxy another nodeId, or none',
  );
  assert.equal(
    await refusal({ flags: { ...flags, role: 'leader' } }),
    'role (--role): "leader" is not member or proxy',
  );
});
