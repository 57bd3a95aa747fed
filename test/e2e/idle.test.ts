/**
 * Goal: a member that nobody calls shares a pod modestly: under 100 MB of memory, under 1 % of a core.
 *
 * Method: after a little traffic a cluster is left alone; /proc says what each process holds, and what processor time it
 * uses, over windows of 8 s. Neighbours make the same work cost more, by cold caches and shared cores, and compiling late
 * adds to it, so the least of a few windows counts, and what each was like is said.
 * The bound leaves a quarter for slower machines: on two quiet cores a leader used 0.9 %, followers 0.65 %.
 * It says nothing of a member that holds data.
 *
 * A proxy beside them uses next to nothing. It runs from sources here; built it holds less (docs/decisions/0016).
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../support/cluster.ts';
import { cpuSeconds, machineTicks, residentBytes } from '../support/proc.ts';

/** As in docs and by ps: 1 MB is 2^20 bytes. */
const megabyte = 2 ** 20;
const megabytesMax = 100;
const percentAimed = 1;
const percentMax = 1.25;
const proxyMegabytesMax = 75;
const proxyPercentMax = 0.5;
const settleMs = 8_000;
const windowMs = 8_000;
const windowsMax = 5;

test(
  'an idle member holds under 100 MB and uses under 1 % of a core, a proxy under 75 MB and 0.5 %',
  { timeout: 90_000 },
  async (t) => {
    const cluster = await startCluster(t, { proxies: 1 });
    for (const node of cluster.all) assert.equal(await node.ask('SET', `key:${node.id}`, 1), 'OK');
    await cluster.settled();
    await sleep(settleMs);
    const least = new Map<number, number>();
    const isModest = (): boolean => [...least.values()].every((percent) => percent < percentAimed);
    for (let window = 1; window === 1 || (window <= windowsMax && !isModest()); window += 1) {
      const before = cluster.all.map((node) => cpuSeconds(node.pid));
      const machine = machineTicks();
      const startMs = performance.now();
      await sleep(windowMs);
      const seconds = (performance.now() - startMs) / 1_000;
      for (const [at, node] of cluster.all.entries()) {
        const percent = (100 * (cpuSeconds(node.pid) - (before[at] ?? 0))) / seconds;
        least.set(node.id, Math.min(percent, least.get(node.id) ?? Infinity));
      }
      const after = machineTicks();
      const idleShare = (after.idle - machine.idle) / (after.all - machine.all);
      t.diagnostic(`the machine was idle for ${Math.round(100 * idleShare)} % of the window`);
    }
    for (const node of cluster.all) {
      const isProxy = cluster.proxies.includes(node);
      const megabytes = Math.round(residentBytes(node.pid) / megabyte);
      const percent = least.get(node.id) ?? Infinity;
      const figures = `node ${node.id}: ${megabytes} MB, ${percent.toFixed(2)} % of a core`;
      t.diagnostic(figures);
      assert(megabytes < (isProxy ? proxyMegabytesMax : megabytesMax), figures);
      assert(percent < (isProxy ? proxyPercentMax : percentMax), figures);
    }
  },
);
