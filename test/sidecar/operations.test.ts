import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { settingRows } from '../../sidecar/config-schema.ts';
import { createMetrics } from '../../sidecar/metrics.ts';
import { settingsTable } from './settings-table.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');

test('the table of settings in docs/operations.md is that of the schema', () => {
  assert.ok(page.includes(settingsTable()), `the table must be:\n${settingsTable()}`);
});

test('every setting says what it is for and what it must look like', () => {
  for (const { key, description, expects } of settingRows()) {
    assert.ok(description.length > 10, key);
    assert.ok(!/undefined|9007199254740991/.test(expects), `${key}: ${expects}`);
  }
});

test('docs/operations.md names every metric that there is, and no other', async () => {
  const numbers = {
    version: '0',
    startedSeconds: 0,
    cpuSeconds: () => 0,
    residentBytes: () => 0,
    heapUsedBytes: () => 0,
  };
  const { text } = await createMetrics(numbers, () => undefined).scrape();
  const there = [...text.matchAll(/^# HELP (\S+)/gm)].map(([, name]) => name);
  const named = [...page.matchAll(/^\| `((?:outrigger|process|nodejs)_\w+)`/gm)].map(
    ([, name]) => name,
  );
  assert.deepEqual(new Set(named), new Set(there));
});
