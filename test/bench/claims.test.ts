/**
 * Figures in the documents are those of results that are kept: no table row of a benchmark stands in README.md or
 * docs/performance.md that is not in the report of a file in bench/results.
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { report } from '../../bench/report.ts';
import type { BenchResult } from '../../bench/result.ts';

const root = join(import.meta.dirname, '../..');
const results = join(root, 'bench/results');

/** Rows of tables with a median and its range, as reports have them. */
const figureRows = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|') && /\d \[\d/.test(line.replace(/ k /g, ' ')));

/** Rows of a document that are in none of the reports. */
function unfounded(text: string, reports: readonly string[]): readonly string[] {
  const founded = new Set(reports.flatMap((each) => each.split('\n')));
  return figureRows(text).filter((row) => !founded.has(row));
}

function keptReports(): readonly string[] {
  if (!existsSync(results)) return [];
  const names = readdirSync(results).filter((name) => name.endsWith('.json'));
  return names.map((name) => {
    const result = JSON.parse(readFileSync(join(results, name), 'utf8')) as BenchResult;
    const text = report(result);
    const kept = readFileSync(join(results, name.replace(/json$/, 'md')), 'utf8');
    assert.equal(kept, text, `${name} and its tables say the same`);
    return text;
  });
}

test('every figure in README.md and docs/performance.md is one of a result that is kept', () => {
  const reports = keptReports();
  for (const path of ['README.md', 'docs/performance.md'])
    assert.deepEqual(unfounded(readFileSync(join(root, path), 'utf8'), reports), [], path);
});

test('a figure that no result has is found', () => {
  const row = '| SET 50×16 | 0.45 [0.40–0.50] | 0.20 [0.19–0.21] |';
  const speed = '| SET 50 | leader | 28.1 k [26.0 k–29.0 k] | 1.2 | 3.4 | leader 20 | leader 190 |';
  const text = `A line.\n\n| load | leader : redis always |\n| --- | --- |\n${row}\n${speed}\n`;
  assert.deepEqual(unfounded(text, [`# Benchmark\n${row}\n${speed}\n`]), []);
  assert.deepEqual(unfounded(text, [`# Benchmark\n${row}\n`]), [speed]);
  assert.deepEqual(unfounded(text, []), [row, speed]);
});
