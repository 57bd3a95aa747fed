/**
 * The redis engine over a real redis-server, beside one that gets the commands themselves: writes as entries, reads as reads, both at the
 * machine's time, since the server beside it lives in that time too.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { fitsArity, lookupCommand } from '../../src/command/table.ts';
import type { Engine, EngineCommand } from '../../src/engine/engine.ts';
import { casesOf } from './cases.ts';
import { compareSequence, sequenceOf } from './sequence.ts';
import { compareCase } from './suite.ts';
import { connectTarget } from './target.ts';
import type { Target } from './target.ts';
import { anyCommand } from './typed-generator.ts';
import { encode } from '../support/commands.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { createEngines } from '../engine/redis/harness.ts';
import { EngineDriver } from '../support/engine-driver.ts';

class EngineTarget implements Target {
  readonly #engine: Engine;
  #database = 0;
  #index = 0;
  #timeMs = 0;

  constructor(engine: Engine) {
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

describe('the redis engine answers as Redis does', () => {
  let servers: readonly RedisServer[];
  let ours: Target;
  let theirs: Target;

  before(async () => {
    servers = await Promise.all([startRedis(), startRedis()]);
    const [first = 0, second = 0] = servers.map(({ port }) => port);
    const url = `redis://127.0.0.1:${first}`;
    const { engines } = await createEngines({ url, directory: undefined });
    const [engine] = engines;
    assert.ok(engine);
    ours = new EngineTarget((await EngineDriver.open(engine)).engine);
    theirs = await connectTarget(second);
  });

  after(async () => {
    await Promise.all([ours.close(), theirs.close()]);
    await Promise.all(servers.map((server) => server.stop()));
  });

  for (const [name, lines] of Object.entries(casesOf('redis'))) {
    test(name, () => compareCase(lines, { ours, theirs }));
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
