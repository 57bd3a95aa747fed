import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { stopOnRequest, type StoppableProcess } from '../../sidecar/shutdown.ts';

class FakeProcess extends EventEmitter implements StoppableProcess {
  readonly exits: number[] = [];
  readonly send: unknown;
  readonly connected: boolean;

  constructor(channel: 'none' | 'open' | 'closed') {
    super();
    this.send = channel === 'none' ? undefined : (): boolean => true;
    this.connected = channel === 'open';
  }

  exit(code: number): void {
    this.exits.push(code);
  }
}

interface Setup {
  readonly process: FakeProcess;
  readonly said: string[];
  /** Ends the stop under way. */
  readonly finish: (error?: Error) => Promise<void>;
  /** Lets time pass. */
  readonly pass: (ms: number) => void;
}

function setup(channel: 'none' | 'open' | 'closed' = 'none'): Setup {
  const process = new FakeProcess(channel);
  const said: string[] = [];
  const timers: { readonly atMs: number; readonly call: () => void }[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  let nowMs = 0;
  stopOnRequest({
    process,
    stop: () => {
      said.push('stop');
      return promise;
    },
    onStopping: (reason) => said.push(reason),
    onFailed: (error) => said.push(String(error)),
    monotonicMs: () => nowMs,
    after: (delayMs, call) => timers.push({ atMs: nowMs + delayMs, call }),
  });
  return {
    process,
    said,
    finish: async (error) => {
      if (error === undefined) resolve(undefined);
      else reject(error);
      await new Promise((done) => setImmediate(done));
    },
    pass: (ms) => {
      nowMs += ms;
      for (const { atMs, call } of timers.splice(0)) if (atMs <= nowMs) call();
    },
  };
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
  test(`${signal} stops gracefully, and the exit code is 0`, async () => {
    const { process, said, finish } = setup();
    process.emit(signal);
    assert.deepEqual([said, process.exits], [[signal, 'stop'], []]);
    await finish();
    assert.deepEqual(process.exits, [0]);
  });

test('a second signal is immediate', () => {
  const { process, pass } = setup();
  process.emit('SIGTERM');
  pass(301);
  process.emit('SIGINT');
  assert.deepEqual(process.exits, [1]);
});

test('the same Ctrl-C, passed on by npm and the terminal, counts once', () => {
  const { process, said, pass } = setup();
  process.emit('SIGINT');
  pass(20);
  process.emit('SIGINT');
  assert.deepEqual([said, process.exits], [['SIGINT', 'stop'], []]);
});

test('a stop that takes longer than two seconds is cut short with code 1', () => {
  const { process, pass } = setup();
  process.emit('SIGTERM');
  pass(1_999);
  assert.deepEqual(process.exits, []);
  const late = setup();
  late.process.emit('SIGTERM');
  late.pass(2_000);
  assert.deepEqual(late.process.exits, [1]);
});

test('a stop that fails says so and exits with code 1', async () => {
  const { process, said, finish } = setup();
  process.emit('SIGTERM');
  await finish(new Error('disk'));
  assert.deepEqual([said, process.exits], [['SIGTERM', 'stop', 'Error: disk'], [1]]);
});

test('when the channel to the parent closes it stops, and a signal beside it is not a second request', () => {
  const { process, said } = setup('open');
  process.emit('SIGINT');
  process.emit('disconnect');
  assert.deepEqual([said, process.exits], [['SIGINT', 'stop'], []]);
  const other = setup('open');
  other.process.emit('disconnect');
  assert.deepEqual(other.said, ['the parent process is gone', 'stop']);
});

test('a parent that was gone before anybody listened is noticed', () => {
  assert.deepEqual(setup('closed').said, ['the parent process is gone', 'stop']);
  assert.deepEqual(setup('none').said, []);
});
