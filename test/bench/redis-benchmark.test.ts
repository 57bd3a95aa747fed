import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCsv } from '../../bench/redis-benchmark.ts';

const heading =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"';

test('the figures of one test are found by the names of their columns', () => {
  const text = `${heading}\n"SET","26595.74","1.842","0.304","1.703","3.007","4.639","8.279"\n`;
  assert.deepEqual(parseCsv(text), {
    perSecond: 26_595.74,
    p50Ms: 1.703,
    p99Ms: 4.639,
    maxMs: 8.279,
  });
  const [first = '', second = ''] = text.split('\n');
  const reversed = [first, second].map((line) => line.split(',').toReversed().join(',')).join('\n');
  assert.deepEqual(parseCsv(reversed), parseCsv(text));
});

test('a missing column, no test, two tests and an endless rate are refused', () => {
  assert.throws(() => parseCsv('"test","rps"\n"SET","1"\n'), /no p50_latency_ms/);
  assert.throws(() => parseCsv(`${heading}\n`), /something else/);
  const row = '"SET","1","1","1","1","1","1","1"';
  assert.throws(() => parseCsv(`${heading}\n${row}\n${row}\n`), /something else/);
  assert.throws(() => parseCsv(`${heading}\n${row.replace('"1"', '"inf"')}\n`), /no rps/);
});
