/**
 * What `--help` prints. The settings of `start` come from the schema, so they cannot be out of date.
 */

import type { SettingRow } from '../config-schema.ts';

export const overview = `Outrigger: a Redis sidecar whose writes go through Raft.

outrigger dev [flags]      a cluster on this machine, to try it and to develop against
outrigger start [flags]    one sidecar
outrigger namespace …      which keys are how consistent: list, set, rm
outrigger member …         who holds the data: list, add, promote, demote, remove, transfer
outrigger --version
outrigger COMMAND --help   the flags of a command
`;

export const devHelp = `outrigger dev: a cluster of separate processes on this machine, all on 127.0.0.1.

  --nodes N        how many members, 1 to 5 (3)
  --proxies N      nodes without replicas, on the next ports, 0 to 50 (0)
  --port P         the first node's port for Redis clients (6401); its other ports are P+1000 for
                   peers, P+2000 for admin, P+3000 for health; the next node has the next numbers
  --engine ENGINE  memory, or redis: each node fronts a redis-server on P+4000, empty at each start
                   (memory); REDIS_SERVER names the program
  --shards N       parts of the keyspace, 1 to 64 (1)
  --storage WHERE  level or memory (level)
  --data DIR       keeps data and logs in DIR/node-1 and so on, and finds them again
                   (a temporary directory that is removed at the end)
  --no-restart     a node that dies stays dead

Other settings reach the nodes through the environment, as in OUTRIGGER_LOG_LEVEL=debug.
Logs are in outrigger.log beside each node's data; warnings and errors are shown here too.
Ctrl-C stops everything.
`;

export const namespaceHelp = `outrigger namespace: which keys are how consistent, for the whole cluster.

outrigger namespace list [--json]
outrigger namespace set KEYS --level LEVEL [flags]
outrigger namespace rm KEYS [--database N]

  KEYS                a glob pattern, as in 'cart:*'; the first row that fits a key counts
  --database N        only keys of this database (any)
  --level LEVEL       strong, session, bounded, eventual or off
  --bound-ms N        with bounded: how old a read may be
  --upstream URL      with off: the Redis that has these keys, redis://user:password@host:port
  --default-ttl-ms N  given to keys that are written without a TTL
  --at PLACE          where the row stands, from 1 (its old place, or behind all others)
  --admin HOST:PORT   the admin port of any node (127.0.0.1:8379)
  --token TOKEN       that node's adminToken; better as OUTRIGGER_ADMIN_TOKEN
`;

export const memberHelp = `outrigger member: who holds the data of a cluster, and who votes.

outrigger member list [--json]
outrigger member add ID           a node that was started with bootstrap join; it learns
outrigger member promote ID       a learner votes, once it has caught up
outrigger member demote ID        a voter only learns
outrigger member remove ID        for good: the node stops, and its id is never used again
outrigger member transfer ID      offers it the leadership of all groups
      [--shard N]                 or of one shard

  --no-wait           does not wait until all groups have come to it
  --admin HOST:PORT   the admin port of any member (127.0.0.1:8379)
  --token TOKEN       that node's adminToken; better as OUTRIGGER_ADMIN_TOKEN
`;

export function startHelp(rows: readonly SettingRow[]): string {
  const lines = rows.map(({ key, flag, variable, description, expects, preset }) => {
    const standard = preset === undefined ? '' : ` (${preset})`;
    return `  ${flag}\n      ${description}${standard}\n      ${expects}; also ${variable}, or ${key} in the file\n`;
  });
  return `outrigger start: one sidecar.

  --config FILE
      a YAML or JSON file of settings; a flag wins over the environment, and that over the file
  --wipe
      with engine redis: clears a Redis that is not this node's, once; without it such a one is refused

${lines.join('')}`;
}
