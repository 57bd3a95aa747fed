/**
 * One command on its way to the fronted Redis, as the functions that translate it see it.
 */

import type { Random } from '../../base/random.ts';
import type { Reply } from '../engine.ts';
import { commandText } from './command-text.ts';
import type { CommandText } from './command-text.ts';
import type { Draft } from './draft.ts';
import type { Flush, Swap, Translated } from './translation.ts';

export interface TranslatorOptions {
  /** Whether a key belongs to the shard; undefined where the shard is the only one of its Redis. */
  readonly ownsKey: ((key: string) => boolean) | undefined;
  /** Every key that is there for us and not for clients. */
  readonly reservedKeys: readonly string[];
  /** The node's own; for what a client sees and no key depends on. */
  readonly random: Random;
}

export interface Job {
  readonly command: CommandText;
  readonly args: readonly string[];
  /** The command's removals are in it already. */
  readonly draft: Draft;
  readonly options: TranslatorOptions;
  /** Names this life of the Redis in cursors. */
  readonly runTag: number;
}

/** Keys were removed for their deadlines beforehand; what it returns ends the draft. */
export type Special = (job: Job) => Translated | Flush | Swap;

/** Sends the command as it is; gives its place. */
export function sendAsIs({ command, draft }: Job): number {
  return draft.send(command.text);
}

/** As it is: where it does not concern deadlines, or where Redis refuses it, whatever the time. */
export function asIs(job: Job): Translated {
  return job.draft.finish(sendAsIs(job));
}

/** For Redis's own error where a later Redis would know the argument at `at`: sends one that none knows. */
export function refusedAt({ args, draft }: Job, at: number): Translated {
  return draft.finish(draft.send(commandText(args.with(at, 'x'))));
}

/** Answers without asking Redis. */
export function answer({ draft }: Job, reply: Reply): Translated {
  return draft.finishWith(() => reply);
}
