/**
 * docs/compatibility.md, made from the command table. `node test/command/compatibility-page.ts > docs/compatibility.md` writes it.
 */

import { allCommands, lookupCommand } from '../../src/command/table.ts';
import type { CommandEffect, CommandSpec, CommandSpread } from '../../src/command/table.ts';
import { added, redis7 } from './versions.ts';

const opening = `# Compatibility

Made from the command table by \`node test/command/compatibility-page.ts > docs/compatibility.md\`; \`test/command/compatibility.test.ts\` fails where this page says
something else, and where a command of the installed Redis, or of a list in \`test/command/versions.ts\` (Redis 6.2 to 8.10, Valkey 8 and 9), has no row.

Replies and errors are those of Redis 7.0, byte for byte, in RESP2 and RESP3: \`test/differential\`, \`test/front/resp3.test.ts\`, and through
nodes \`test/e2e/differential.test.ts\` (memory) and \`test/e2e/differential-redis.test.ts\` (redis).

## How commands are answered

- **here**: by the node that the client is connected to, without the log.
- **read**, **write**: by the shard of its keys; writes through its log. With several shards all keys of a command must belong to one (\`-CROSSSLOT\` otherwise), unless the last
  column says more. Commands without keys go to the first shard.
- **redis**: only where the engine is a Redis; the memory engine holds strings and what applies to keys of any type.
- **no**: refused with an error that says why.

What makes a write the same on every replica, where its own bytes do not: **absolute**, its lifetime becomes a point in the entry's time; **timed**, it takes its time from the
entry; **resolved**, the leader turns it into its effect, and that is logged.

`;

const closing = `## Details

- PFCOUNT is a write, since it stores what it counted. So are BITFIELD, GEORADIUS, GEORADIUSBYMEMBER and SORT, whatever their options say: their \`_RO\` forms are reads.
- POST and HOST: close the connection, as in Redis, so that no page in a browser can have commands sent to a sidecar (\`test/front/differential.test.ts\`).
- XREAD and XREADGROUP are refused with BLOCK.
- BY and GET patterns of SORT read keys of any shard and are refused where there are several.
- Where a Redis is fronted, keys that begin with \`outrigger:\` are refused in every database: Outrigger keeps its own there (\`test/front/refusals.test.ts\`). Patterns of
  SORT may read them.
- Options that are newer than Redis 7.0 are handed on to the fronted Redis, so all members' Redis must be of one version; those of SET, GETEX, RESTORE, XADD and XREADGROUP, which Outrigger
  has to understand, are refused (\`test/engine/redis/translate-commands.test.ts\`). Where options change the form of a reply, clients of RESP3
  see the types of 7.0.
- A fronted Redis stores deadlines up to 2^63 - 2^42 ms; later ones are invalid expire times. XADD with \`*\` and XREADGROUP take at most 7,000 arguments there, and XAUTOCLAIM looks at no
  more than 1,000 pending entries a call. With several shards, DBSIZE and RANDOMKEY cost what KEYS costs.
- SORT with ALPHA compares by the locale of the fronted Redis; give all members' Redis the same.
- A cursor of SCAN, HSCAN, SSCAN or ZSCAN belongs to the Redis that gave it. Where another one answers the next call (the leader has changed, or reads are below strong), the walk
  starts again: elements come twice, and none is missed.
- Idle times of keys, consumers and deliveries are each replica's own.
`;

const spreads: Readonly<Record<CommandSpread, string>> = {
  single: '',
  sum: 'split by key, the counts are added',
  gather: 'split by key',
  ok: 'split by key; not atomic over shards',
  'all-sum': 'all shards',
  'all-ok': 'all shards',
  'all-concat': 'all shards',
  scan: 'one shard after the other',
  random: 'any shard that has a key',
  lone: 'refused',
};

function row(name: string): string {
  const spec = lookupCommand(name);
  if (spec === undefined) throw new Error(`'${name}' has no row`);
  const cells = [titleOf(spec), answerOf(spec), effectOf(spec), spreads[spec.spread]];
  return `| ${cells.join(' | ')} |`;
}

function titleOf(spec: CommandSpec): string {
  const answered = [...(spec.subcommands?.values() ?? [])]
    .filter((sub) => sub.kind !== 'refused')
    .map((sub) => sub.name.slice(spec.name.length + 1).toUpperCase());
  const title = `\`${spec.name.toUpperCase()}\``;
  return answered.length === 0 ? title : `${title} ${answered.sort().join(', ')}`;
}

function answerOf(spec: CommandSpec): string {
  if (spec.reason !== undefined) return `no: ${whyNot(spec.reason)}`;
  const answer = spec.kind === 'front' ? 'here' : spec.kind;
  return spec.engines === 'redis' ? `${answer}, redis` : answer;
}

/** The part of an error that says more than its command's name. */
function whyNot(reason: string): string {
  const [, why] =
    /^ERR '.*' is (?:not supported yet by Outrigger: |refused by Outrigger: )?(.*)$/.exec(reason) ??
    [];
  if (why === 'not supported yet by Outrigger') return 'not built yet';
  return why ?? reason.replace(/^ERR /, '');
}

function effectOf({ effect, subcommands }: CommandSpec): CommandEffect | '' {
  return effect === undefined || effect === 'plain' || subcommands !== undefined ? '' : effect;
}

function group(name: string, names: readonly string[]): string {
  const title = name.charAt(0).toUpperCase() + name.slice(1).replace('-', ' ');
  const head = '| command | answered | replicas | with several shards |\n|---|---|---|---|';
  return `## ${title}\n\n${head}\n${names.map(row).join('\n')}\n`;
}

function newer(): string {
  const lines = added.map(({ server, names }) => {
    const titles = names.map((name) => `\`${name.toUpperCase()}\``).join(' ');
    return `| ${server} | ${titles} |`;
  });
  const answered = added
    .flatMap(({ names }) => names)
    .filter((name) => {
      return lookupCommand(name)?.kind !== 'refused';
    });
  if (answered.length > 0) throw new Error(`${answered.join(' ')}: say how they are answered`);
  return `## What Redis 7.0 lacks

All of these are refused ([why](decisions/0008-commands-newer-than-redis-7.md)).

| since | commands |
|---|---|
${lines.join('\n')}

Commands of modules (\`BF.\`, \`CF.\`, \`CMS.\`, \`FT.\`, \`JSON.\`, \`TDIGEST.\`, \`TOPK.\`, \`TS.\`) are refused for good: ${whyNot(lookupCommand('module')?.reason ?? '')}.
`;
}

export function compatibilityPage(): string {
  const groups = Object.entries(redis7).map(([name, names]) => group(name, names));
  return `${opening}${groups.join('\n')}\n${newer()}\n${closing}`;
}

/** Rows of the table that neither the groups nor the newer ones name, nor `also`. */
export function unlisted(also: readonly string[]): string[] {
  const listed = new Set([...Object.values(redis7).flat(), ...also]);
  for (const { names } of added) for (const name of names) listed.add(name);
  return allCommands()
    .map((spec) => spec.name)
    .filter((name) => !listed.has(name));
}

if (import.meta.main) process.stdout.write(compatibilityPage());
