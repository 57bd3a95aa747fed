#!/usr/bin/env node
/**
 * The program: which command, run it, and what its end looks like from outside.
 *
 * A mistake of the user and a failure of operation are one line on standard error and exit code 1. Our own bugs are not caught: they
 * end the process with a stack trace.
 */

import { overview } from './cli/help.ts';
import { nearest, shown, UsageError } from './usage-error.ts';
import { readVersion } from './version.ts';

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!isExpected(error)) throw error;
  giveUp(error);
}

/** Each command loads only what it needs. */
async function run([command = '--help', ...words]: readonly string[]): Promise<void> {
  switch (command) {
    case 'start': {
      const { stopOptimizing } = await import('./cli/quiet-start.ts');
      stopOptimizing();
      const { start } = await import('./cli/start.ts');
      return await start(words, giveUp);
    }
    case 'dev':
      return process.exit(await runDev(words));
    case 'namespace': {
      const { namespace } = await import('./cli/namespace.ts');
      return await namespace(words, {
        environment: process.env,
        out: (text) => void process.stdout.write(text),
      });
    }
    case 'member': {
      const { member } = await import('./cli/member.ts');
      return await member(words, {
        environment: process.env,
        out: (text) => void process.stdout.write(text),
      });
    }
    case '--version':
    case '-v':
      process.stdout.write(`${readVersion()}\n`);
      return undefined;
    case '--help':
    case '-h':
      process.stdout.write(overview);
      return undefined;
    default: {
      const like = nearest(command, ['start', 'dev', 'namespace', 'member']);
      const advice = like === undefined ? 'see outrigger --help' : `did you mean ${like}?`;
      throw new UsageError(`unknown command ${shown(command)}; ${advice}`);
    }
  }
}

async function runDev(words: readonly string[]): Promise<number> {
  const [{ dev }, { cacheVariables, compileOnce }] = await Promise.all([
    import('./cli/dev.ts'),
    import('./cli/compile-cache.ts'),
  ]);
  const nodeCommand = [process.execPath, import.meta.filename, 'start'];
  const environment = { ...cacheVariables(), ...process.env };
  return await dev(words, {
    nodeCommand,
    environment,
    prepare: () => compileOnce(environment),
    signals: process,
    parentPid: () => process.ppid,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  });
}

function isExpected(error: unknown): error is Error {
  return error instanceof Error && (error.name === 'UsageError' || error.name === 'NodeError');
}

/** Ends the process at once. */
function giveUp(error: Error): void {
  process.stderr.write(`outrigger: ${error.message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
  process.exit(1);
}
