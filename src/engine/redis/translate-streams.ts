/**
 * Commands on streams that ask for the time, which is the entry's: XADD with *, and XREADGROUP, which notes when it delivered.
 *
 * Both have options in later versions of Redis that would ask for the time in ways of their own. What is not known here is refused.
 */

import { arrayReply, nullArrayReply } from '../../resp/encoder.ts';
import { elementsOf } from '../../resp/reply-framer.ts';
import type { Reply } from '../engine.ts';
import { option } from '../option.ts';
import { error, nullBulk } from '../replies.ts';
import { answer, asIs, refusedAt } from './job.ts';
import type { Job, Special } from './job.ts';
import { addAtTimeCommand, readGroupAtTimeCommand, scriptArgumentsMax } from './scripts.ts';
import type { Translated } from './translation.ts';

export const streamSpecials: ReadonlyMap<string, Special> = new Map<string, Special>([
  ['xadd', xadd],
  ['xreadgroup', xreadgroup],
]);

const tooLong = (command: string): Reply =>
  error(`ERR '${command}' takes at most ${scriptArgumentsMax} arguments in front of a Redis`);

/** What XADD takes for an id, `*` apart; as Redis reads numbers. */
const idForm = /^[\s+]*\d+(?:-(?:[\s+]*\d+|\*))?$/u;

function xadd(job: Job): Translated {
  const { args, draft } = job;
  const idAt = placeOfId(args);
  if (idAt === undefined) return asIs(job);
  const id = option(args[idAt] ?? '');
  if (id !== '*') return idForm.test(id) ? asIs(job) : refusedAt(job, idAt);
  if (args.length > scriptArgumentsMax) return answer(job, tooLong("xadd' with '*"));
  const [, key = '', ...rest] = args;
  return draft.finish(draft.send(addAtTimeCommand(key, rest, idAt - 2, draft.timeMs)));
}

/** Where XADD's options end, found as Redis does. */
function placeOfId(args: readonly string[]): number | undefined {
  let at = 2;
  while (at < args.length) {
    const word = option(args[at] ?? '');
    const behind = args.length - 1 - at;
    if ((word === 'maxlen' || word === 'minid') && behind > 0) {
      const next = option(args[at + 1] ?? '');
      at += behind >= 2 && (next === '~' || next === '=') ? 3 : 2;
    } else if (word === 'limit' && behind > 0) at += 2;
    else if (word === 'nomkstream') at += 1;
    else return at;
  }
  return undefined;
}

interface Parsed {
  group: string;
  consumer: string;
  isWithoutAck: boolean;
  keys: readonly string[];
  ids: readonly string[];
}

function xreadgroup(job: Job): Translated {
  const { args, draft } = job;
  const read = parse(args);
  if (typeof read === 'number') return refusedAt(job, read);
  // What nobody has to acknowledge is not noted as delivered.
  if (read === undefined || (read.isWithoutAck && read.ids.includes('>'))) return asIs(job);
  if (args.length > scriptArgumentsMax) return answer(job, tooLong('xreadgroup'));
  const { group, consumer, keys } = read;
  const groupRead = { group, consumer, keys, args: args.slice(1) };
  const request = readGroupAtTimeCommand(groupRead, draft.timeMs);
  return draft.finish(draft.send(request), withNullArrays);
}

/** A number: the place of an unknown option. Undefined: wrong in a way that every Redis refuses. */
function parse(args: readonly string[]): Parsed | number | undefined {
  const found: Parsed = { group: '', consumer: '', isWithoutAck: false, keys: [], ids: [] };
  let hasGroup = false;
  for (let at = 1; at < args.length; at += 1) {
    const word = option(args[at] ?? '');
    if (word === 'streams') {
      const count = (args.length - at - 1) / 2;
      if (!hasGroup || !Number.isInteger(count) || count === 0) return undefined;
      found.keys = args.slice(at + 1, at + 1 + count);
      found.ids = args.slice(at + 1 + count);
      return found;
    }
    if (word === 'count' || word === 'block') at += 1;
    else if (word === 'noack') found.isWithoutAck = true;
    else if (word === 'group') {
      hasGroup = true;
      found.group = args[at + 1] ?? '';
      found.consumer = args[at + 2] ?? '';
      at += 2;
    } else return at;
  }
  return undefined;
}

/** Scripts have one nil, which comes out as a null bulk string; XREADGROUP's are null arrays: the whole reply, or a deleted entry's fields. */
function withNullArrays(reply: Reply): Reply {
  if (reply === nullBulk) return nullArrayReply;
  if (!reply.includes(nullBulk)) return reply;
  return mapped(reply, (stream) =>
    mapped(stream, (entries) =>
      mapped(entries, (entry) =>
        mapped(entry, (part) => (part === nullBulk ? nullArrayReply : part)),
      ),
    ),
  );
}

/** An array with each element changed; other replies stay. */
function mapped(reply: Reply, change: (element: Reply) => Reply): Reply {
  const elements = elementsOf(reply);
  return elements === undefined ? reply : arrayReply(elements.map(change));
}
