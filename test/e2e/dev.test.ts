/**
 * Goal: `npm start` is what the README says: it serves, keeps its data, brings back what dies, and leaves nothing behind.
 * Method: the real program with real nodes; a raw client; process ids from the table that it prints.
 */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, startDev, type DevProcess } from '../support/dev-process.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const timeout = 120_000;
/** How long everything may take to stop. */
const stopMs = 3_000;
const deadlineMs = 30_000;

async function ask(port: number, ...args: readonly string[]): Promise<string> {
  const client = await RawClient.connect(port);
  try {
    return String(await client.must(...args));
  } finally {
    client.close();
  }
}

async function stopped(dev: DevProcess, signal: NodeJS.Signals): Promise<void> {
  const pids = dev.pids();
  assert.equal(pids.length, 3, dev.text());
  dev.kill(signal);
  const { code, tookMs } = await dev.ended();
  assert.equal(code, 0, dev.text());
  assert.ok(tookMs < stopMs, `stopping took ${tookMs} ms`);
  assert.deepEqual(pids.filter(isAlive), []);
}

test(
  'three nodes serve one keyspace, stop within three seconds, and find their data again',
  { timeout },
  async (t) => {
    const data = mkdtempSync(join(tmpdir(), 'outrigger-e2e-dev-'));
    t.after(() => rmSync(data, { recursive: true, force: true }));
    const first = await startDev(t, { flags: ['--data', data] });
    await first.printed(/^ready/m);
    const { port } = first;
    assert.equal(await ask(port, 'SET', 'a', '1'), 'OK');
    assert.equal(await ask(port + 1, 'GET', 'a'), '1');
    assert.equal(await ask(port + 2, 'INCR', 'a'), '2');
    await stopped(first, 'SIGTERM');
    const second = await startDev(t, { flags: ['--data', data], port });
    await second.printed(/^ready/m);
    assert.equal(await ask(port + 1, 'GET', 'a'), '2');
    await stopped(second, 'SIGINT');
  },
);

test('a node that is killed is back, and the others served meanwhile', { timeout }, async (t) => {
  const dev = await startDev(t, { flags: ['--shards', '4'] });
  await dev.printed(/^ready: 3 nodes, 4 shards/m);
  const pid = dev.pids()[1] ?? 0;
  assert.equal(await ask(dev.port, 'SET', 'a', '1'), 'OK');
  process.kill(pid, 'SIGKILL');
  assert.equal(await ask(dev.port + 2, 'INCR', 'a'), '2');
  await dev.printed(
    new RegExp(`^node 2 \\(pid ${pid}\\) was ended by SIGKILL; starting it again`, 'm'),
  );
  const back = await dev.printed(/^node 2 is back \(pid (\d+)\)/m);
  assert.equal(await ask(dev.port + 1, 'GET', 'a'), '2');
  const data = /data in (\S+), removed/.exec(dev.text())?.[1] ?? '';
  assert.ok(existsSync(data));
  dev.kill('SIGHUP');
  await dev.ended();
  assert.ok(!isAlive(Number(back[1])));
  assert.ok(!existsSync(data));
});

test('no node outlives a dev that was killed', { timeout }, async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'outrigger-e2e-dev-'));
  t.after(() => rmSync(data, { recursive: true, force: true }));
  const dev = await startDev(t, { flags: ['--data', data] });
  await dev.printed(/^ready/m);
  const pids = dev.pids();
  dev.kill('SIGKILL');
  await until('its nodes are gone', stopMs, () => !pids.some(isAlive));
});

test('npm start passes flags on, and stopping npm stops everything', { timeout }, async (t) => {
  const dev = await startDev(t, {
    command: ['npm', 'start', '--'],
    flags: ['--storage', 'memory'],
  });
  await dev.printed(/^ready/m);
  const pids = dev.pids();
  assert.equal(await ask(dev.port + 2, 'SET', 'a', '1'), 'OK');
  dev.kill('SIGTERM');
  await until('its nodes are gone', deadlineMs, () => !pids.some(isAlive));
  await until('its directory is gone', deadlineMs, () => {
    const data = /data in (\S+), removed/.exec(dev.text())?.[1];
    return data !== undefined && !existsSync(data);
  });
});

test(
  'two clusters on the same data: the second says why it cannot start',
  { timeout },
  async (t) => {
    const data = mkdtempSync(join(tmpdir(), 'outrigger-e2e-dev-'));
    t.after(() => rmSync(data, { recursive: true, force: true }));
    const first = await startDev(t, { flags: ['--data', data] });
    await first.printed(/^ready/m);
    const second = await startDev(t, { flags: ['--data', data] });
    const { code } = await second.ended();
    assert.equal(code, 1);
    const lines = second
      .text()
      .split('\n')
      .filter((line) => line.startsWith('outrigger: '));
    assert.equal(lines.length, 1, second.text());
    assert.ok(lines[0]?.includes(data), lines[0]);
    await stopped(first, 'SIGTERM');
  },
);

test('a setting that the nodes refuse is one line, whoever read it', { timeout }, async (t) => {
  const dev = await startDev(t, { flags: ['--shards', '99'] });
  const { code } = await dev.ended();
  assert.equal(code, 1);
  assert.match(
    dev.text(),
    /^starting 3 nodes; .*\noutrigger: shards \(--shards\): 99 is not a whole number from 1 to 64\n$/,
  );
});
