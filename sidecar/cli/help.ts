/**
 * What `--help` prints. The settings of `start` come from the schema, so they cannot be out of date.
 */

import type { SettingRow } from '../config-schema.ts';

export const overview = `Outrigger: a Redis sidecar whose writes go through Raft.

outrigger dev [flags]      a cluster on this machine, to try it and to develop against
outrigger start [flags]    one sidecar
outrigger --version
outrigger COMMAND --help   the flags of a command
`;

export const devHelp = `outrigger dev: a cluster of separate processes on this machine, all on 127.0.0.1.

  --nodes N        how many, 1 to 5 (3)
  --port P         the first node's port for Redis clients (6401); its other ports are P+1000 for
                   peers, P+2000 for admin, P+3000 for health; the next node has the next numbers
  --shards N       parts of the keyspace, 1 to 64 (1)
  --storage WHERE  level or memory (level)
  --data DIR       keeps data and logs in DIR/node-1 and so on, and finds them again
                   (a temporary directory that is removed at the end)
  --no-restart     a node that dies stays dead

Other settings reach the nodes through the environment, as in OUTRIGGER_LOG_LEVEL=debug.
Logs are in outrigger.log beside each node's data; warnings and errors are shown here too.
Ctrl-C stops everything.
`;

export function startHelp(rows: readonly SettingRow[]): string {
  const lines = rows.map(({ key, flag, variable, description, expects, preset }) => {
    const standard = preset === undefined ? '' : ` (${preset})`;
    return `  ${flag}\n      ${description}${standard}\n      ${expects}; also ${variable}, or ${key} in the file\n`;
  });
  return `outrigger start: one sidecar.

  --config FILE
      a YAML or JSON file of settings; a flag wins over the environment, and that over the file

${lines.join('')}`;
}
