/**
 * `outrigger member`: shows and changes who holds the data, through a member's admin port.
 *
 * A change is logged at once and carried out by the leaders of the groups; the command waits until that is done, as the asked member sees it.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { MemberList } from '../../src/index.ts';
import { UsageError } from '../usage-error.ts';
import { adminPreset, ask, tokenOf } from './admin-client.ts';
import { columns } from './columns.ts';
import { parseFlags } from './flags.ts';
import { memberHelp } from './help.ts';

const verbs: readonly string[] = ['add', 'promote', 'demote', 'remove', 'transfer'];
/** A member that has nothing yet is sent all of the log first. */
const settleMs = 120_000;
const lookMs = 200;

/** Prints to `out`. Throws UsageError, also where the node refuses. */
export async function member(
  words: readonly string[],
  outside: {
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly out: (text: string) => void;
  },
): Promise<void> {
  const [verb = '--help', ...rest] = words;
  const isChange = verbs.includes(verb);
  if (!isChange && !['list', '--help', '-h'].includes(verb)) {
    throw new UsageError(`member knows list, ${verbs.join(', ')}; see outrigger member --help`);
  }
  const [id = '', ...flagWords] = isChange ? rest : ['', ...rest];
  if ([verb, ...rest].some((word) => word === '--help' || word === '-h')) {
    outside.out(memberHelp);
    return;
  }
  if (isChange && (id === '' || id.startsWith('-'))) {
    throw new UsageError(`member ${verb} needs a node id; see outrigger member --help`);
  }
  const { values, switches } = parseFlags(flagWords, {
    command: 'member',
    valued: [
      '--admin',
      ...(isChange ? ['--token'] : []),
      ...(verb === 'transfer' ? ['--shard'] : []),
    ],
    switches: isChange ? ['--no-wait'] : ['--json'],
  });
  const admin = values.get('--admin') ?? adminPreset;
  if (verb === 'list') {
    const text = await ask(admin, { path: '/members' });
    outside.out(switches.has('--json') ? text : table(JSON.parse(text) as MemberList));
    return;
  }
  const shard = values.get('--shard');
  const body = {
    [verb]: wholeNumber(id, 'a node id'),
    ...(shard === undefined ? {} : { shard: wholeNumber(shard, 'a shard') }),
  };
  const token = tokenOf(values, outside.environment);
  await ask(admin, { path: '/members', action: { token, body } });
  if (verb !== 'transfer' && !switches.has('--no-wait')) await settled(admin);
}

function wholeNumber(text: string, what: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new UsageError(`${text} is not ${what}: a whole number is`);
  return Number(text);
}

/** Waits until all groups have the members that are wanted. */
async function settled(admin: string): Promise<void> {
  const untilMs = performance.now() + settleMs;
  while (performance.now() < untilMs) {
    const list = JSON.parse(await ask(admin, { path: '/members' })) as MemberList;
    if (list.isSettled) return;
    await sleep(lookMs);
  }
  throw new UsageError(
    'the change is logged, but not all groups have come to it; look at outrigger member list',
  );
}

/** A line a member, columns aligned. */
function table({ members, groups, isSettled }: MemberList): string {
  const cells = members.map(({ nodeId, role, isConnected, votes, learns, memberId }) => [
    `${nodeId}`,
    role,
    isConnected ? 'yes' : 'no',
    `${votes} of ${groups}`,
    `${learns}`,
    memberId,
  ]);
  const lines = [['node', 'role', 'connected', 'votes in', 'learns in', 'member id'], ...cells];
  return `${columns(lines)}${isSettled ? '' : 'a change is under way\n'}`;
}
