/**
 * The tables of cases through translation, beside a Redis that gets the commands themselves: writes as entries, reads as reads, both at the
 * machine's time, since the server beside it lives in that time too.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { fitsArity, lookupCommand } from '../../../src/command/table.ts';
import type { EngineCommand } from '../../../src/engine/engine.ts';
import { casesOf } from '../../differential/cases.ts';
import { compareSequence, sequenceOf } from '../../differential/sequence.ts';
import { compareCase } from '../../differential/suite.ts';
import { connectTarget } from '../../differential/target.ts';
import type { Target } from '../../differential/target.ts';
import { anyCommand } from '../../differential/typed-generator.ts';
import { encode } from '../../support/commands.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { TranslatedRedis } from './translated-redis.ts';

class TranslatedTarget implements Target {
  readonly #engine: TranslatedRedis;
  #database = 0;
  #index = 0;
  #timeMs = 0;

  constructor(engine: TranslatedRedis) {
    this.#engine = engine;
  }

  async execute(args: readonly Buffer[]): Promise<Buffer> {
    return Buffer.from(await this.#reply(args), 'latin1');
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  async #reply(args: readonly Buffer[]): Promise<string> {
    const name = String(args[0]).toLowerCase();
    if (name === 'select') {
      this.#database = Number(String(args[1]));
      return '+OK\r\n';
    }
    const container = lookupCommand(name);
    const spec = container?.subcommands?.get(String(args[1]).toLowerCase()) ?? container;
    assert.ok(spec !== undefined, `a case uses what there is: ${name}`);
    if (spec === container && spec.subcommands !== undefined && args.length > 1) {
      return `-ERR unknown subcommand '${String(args[1])}'. Try ${name.toUpperCase()} HELP.\r\n`;
    }
    if (!fitsArity(spec, args.length))
      return `-ERR wrong number of arguments for '${spec.name}' command\r\n`;
    this.#timeMs = Math.max(this.#timeMs, Date.now());
    const command = { database: this.#database, bytes: encode(args) };
    if (spec.kind === 'read') {
      const reply = await this.#read(command);
      return reply === 'due' ? this.#apply(command) : reply;
    }
    if (spec.effect !== 'resolved') return this.#apply(command);
    const logged = await new Promise<EngineCommand | undefined>((done) =>
      this.#engine.resolve(command, this.#timeMs, done),
    );
    assert.ok(logged !== undefined);
    return this.#apply(logged);
  }

  #read(command: EngineCommand): Promise<string> {
    const timeMs = this.#timeMs;
    return new Promise((done) =>
      this.#engine.read({ timeMs, commands: [command] }, ([reply = '']) => done(reply)),
    );
  }

  #apply(command: EngineCommand): Promise<string> {
    this.#index += 1;
    const entry = { index: this.#index, term: 1, timeMs: this.#timeMs, commands: [command] };
    return new Promise((done) => this.#engine.apply(entry, ([reply = '']) => done(reply)));
  }
}

/** How many random ones are run. */
const sequences = 100;

/** Lines that set deadlines which a fronted Redis cannot store. */
const tooLate: ReadonlySet<string> = new Set([
  'EXPIREAT a 9223372036854775',
  'PEXPIREAT a 9223372036854775807',
  'SET a 1 EXAT 9223372036854775',
  'SET a 1 PXAT 9223372036854775807',
]);

describe('a Redis that gets the translation answers as one that gets the commands', () => {
  let servers: readonly RedisServer[];
  let ours: Target;
  let theirs: Target;

  before(async () => {
    servers = await Promise.all([startRedis(), startRedis()]);
    const [first = 0, second = 0] = servers.map(({ port }) => port);
    ours = new TranslatedTarget(await TranslatedRedis.create(first));
    theirs = await connectTarget(second);
  });

  after(async () => {
    await Promise.all([ours.close(), theirs.close()]);
    await Promise.all(servers.map((server) => server.stop()));
  });

  for (const [name, lines] of Object.entries(casesOf('redis'))) {
    // Deadlines end 2^42 ms earlier than Redis's own (docs/decisions/0009).
    const possible = lines.filter((line) => !tooLate.has(line));
    test(name, () => compareCase(possible, { ours, theirs }));
  }

  test('after any sequence of commands', async (t) => {
    const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    await fc.assert(
      fc.asyncProperty(sequenceOf(anyCommand), (commands) =>
        compareSequence(commands, { ours, theirs }, 'redis'),
      ),
      { seed, numRuns: sequences },
    );
  });
});
