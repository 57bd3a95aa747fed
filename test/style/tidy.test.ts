/**
 * Small rules of docs/style.md that a scanner of text can check. Each has a snippet below that must break it.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import {
  codeOnly,
  functionSpans,
  listFiles,
  repository,
  sourceFiles,
  type SourceFile,
} from './source-text.ts';

const fileLinesMax = 500;
const functionLinesMax = 70;

interface Rule {
  readonly name: string;
  /** Which files it holds for. */
  appliesTo(path: string): boolean;
  /** A line for each breach. */
  breaches(file: SourceFile): readonly string[];
}

const inProduct = (path: string): boolean => /^(src|sidecar)\//.test(path);
const inLibrary = (path: string): boolean => path.startsWith('src/');
/** This folder spells out what it forbids. */
const everywhere = (path: string): boolean => !path.startsWith('test/style/');

/** Breaches are the places in `text` where `pattern` fits. */
const fits = (file: SourceFile, text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(({ index, 0: found }) => {
    const line = text.slice(0, index).split('\n').length;
    return `${file.path}:${line}: ${found.trim()}`;
  });

const inCode =
  (pattern: RegExp): Rule['breaches'] =>
  (file) =>
    fits(file, codeOnly(file.text), pattern);

const inText =
  (pattern: RegExp): Rule['breaches'] =>
  (file) =>
    fits(file, file.text, pattern);

const timeAndChance =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bMath\.random\b|\bperformance\b|\b(set|clear)(Timeout|Interval|Immediate)\b|\bhrtime\b|\bimport\s*\{[^}]*\brandom(Bytes|Int|UUID|Fill|FillSync)\b|\bcrypto\.random\w+|\bgetRandomValues\b/g;
const shapelessNames =
  /\b(?:class|interface|type|function|const|let)\s+\w*(?:Manager|Helper|Utils?|Service|Handler|Coordinator)(?![a-z])\w*|\b(?:class|interface|type|function|const|let)\s+(?:manager|helper|utils?|service|handler|coordinator)(?![a-z])\w*/g;

const rules: readonly Rule[] = [
  {
    name: 'only system.ts touches clock, timers and entropy',
    appliesTo: (path) => inLibrary(path) && path !== 'src/system.ts',
    breaches: inCode(timeAndChance),
  },
  {
    name: 'no any',
    appliesTo: everywhere,
    breaches: inCode(/(?<=[:<|&,]\s*|=>\s*|\b(?:as|extends|type\s+\w+\s*=)\s+)any\b(?!\s*[(:.?])/g),
  },
  {
    name: 'no leftovers and no silenced compiler or linter',
    appliesTo: everywhere,
    breaches: inText(
      /\b(TODO|FIXME|XXX|HACK)\b|\bfor now\b|@ts-(ignore|nocheck)|(es|ox)lint-disable/gi,
    ),
  },
  {
    name: 'no swallowed errors',
    appliesTo: inProduct,
    breaches: inCode(
      /\bcatch\s*(\([^)]*\)\s*)?\{\s*\}|\.catch\(\s*(\(\s*\w*\s*\)|\w+)\s*=>\s*(\{\s*\}|undefined)\s*\)/g,
    ),
  },
  {
    name: 'the library does not print',
    appliesTo: inLibrary,
    breaches: inCode(/\bconsole\.\w+|\bprocess\.std(out|err)\b/g),
  },
  {
    name: 'no default exports, enums and namespaces',
    appliesTo: everywhere,
    breaches: inCode(/\bexport\s+default\b|\b(const\s+)?enum\s+\w+\s*\{|\bnamespace\s+\w+\s*\{/g),
  },
  {
    name: 'names say what a thing is',
    appliesTo: inProduct,
    breaches: (file) => [
      ...inCode(shapelessNames)(file),
      ...fits(
        file,
        basename(file.path),
        /\b(manager|helper|utils?|service|handler|coordinator)s?\b/g,
      ),
    ],
  },
  {
    name: 'files are kebab-case',
    appliesTo: () => true,
    breaches: (file) =>
      /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(basename(file.path)) ? [] : [file.path],
  },
  {
    name: 'a file begins with what it owns',
    appliesTo: inProduct,
    breaches: (file) => (/^(#![^\n]*\n)?\/\*\*/.test(file.text) ? [] : [`${file.path}:1`]),
  },
  {
    name: `a file has at most ${fileLinesMax} lines`,
    appliesTo: inProduct,
    breaches: (file) => {
      const lines = file.text.split('\n').length - 1;
      return lines <= fileLinesMax ? [] : [`${file.path}: ${lines} lines`];
    },
  },
  {
    name: `a function has at most ${functionLinesMax} lines`,
    appliesTo: inProduct,
    breaches: (file) =>
      functionSpans(file.text)
        .filter(({ lines }) => lines > functionLinesMax)
        .map(({ line, lines }) => `${file.path}:${line}: ${lines} lines`),
  },
];

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');

const files = ['src', 'sidecar', 'test', 'examples', 'bench'].flatMap(sourceFiles);

for (const rule of rules) {
  test(rule.name, () => {
    const checked = files.filter(({ path }) => rule.appliesTo(path));
    assert.ok(checked.length > 0);
    assert.deepEqual(
      checked.flatMap((file) => rule.breaches(file)),
      [],
    );
  });
}

test('documents have kebab-case names and hold no leftovers', () => {
  const pages = listFiles('docs').filter((path) => path.endsWith('.md'));
  for (const page of pages) assert.match(basename(page), /^[a-z0-9]+(-[a-z0-9]+)*\.md$/);
  const texts = ['README.md', ...pages].map((path) => ({ path, text: read(path) }));
  assert.deepEqual(texts.flatMap(inText(/\b(TODO|FIXME|XXX|HACK|TBD)\b/g)), []);
});

const breaking: readonly (readonly [rule: string, path: string, text: string])[] = [
  ['only system.ts', 'src/a.ts', 'const now = Date.now();'],
  ['only system.ts', 'src/a.ts', 'const now = new Date();'],
  ['only system.ts', 'src/a.ts', 'const dice = Math.random();'],
  ['only system.ts', 'src/a.ts', 'socket.setTimeout(5);'],
  ['only system.ts', 'src/a.ts', "import { randomUUID } from 'node:crypto';"],
  ['only system.ts', 'src/a.ts', 'const t = performance.now();'],
  ['only system.ts', 'src/a.ts', 'setImmediate(call);'],
  ['no any', 'src/a.ts', 'const a: any = 1;'],
  ['no any', 'test/a.ts', 'const a = b as any;'],
  ['no any', 'src/a.ts', 'const a: Map<string, any> = new Map();'],
  ['no any', 'src/a.ts', 'const a: any[] = [];'],
  ['no leftovers', 'src/a.ts', '// TODO'],
  ['no leftovers', 'src/a.ts', '// Good enough for now.'],
  ['no leftovers', 'src/a.ts', '// @ts-ignore'],
  ['no leftovers', 'src/a.ts', '// oxlint-disable-next-line'],
  ['no swallowed', 'src/a.ts', 'try { a(); } catch {}'],
  ['no swallowed', 'src/a.ts', 'try { a(); } catch (error) { /* ignored */ }'],
  ['no swallowed', 'src/a.ts', 'a().catch(() => {});'],
  ['no swallowed', 'src/a.ts', 'a().catch((error) => undefined);'],
  ['the library', 'src/a.ts', 'console.log(1);'],
  ['no default', 'src/a.ts', 'export default 1;'],
  ['no default', 'src/a.ts', 'export enum A { b }'],
  ['names say', 'src/a.ts', 'class ReplicaManager {}'],
  ['names say', 'src/a.ts', 'const closeHandler = 1;'],
  ['names say', 'src/string-utils.ts', ''],
  ['files are', 'src/camelCase.ts', ''],
  ['a file begins', 'src/a.ts', "import { b } from './b.ts';"],
  ['a file has', 'src/a.ts', 'x;\n'.repeat(fileLinesMax + 1)],
  ['a function', 'src/a.ts', `function a(): void {\n${'  b();\n'.repeat(functionLinesMax)}}\n`],
];

test('each rule refuses what breaks it', () => {
  for (const [name, path, text] of breaking) {
    const rule = rules.find((candidate) => candidate.name.startsWith(name));
    assert.ok(rule !== undefined && rule.appliesTo(path), `${name} ${path}`);
    assert.equal(rule.breaches({ path, text }).length, 1, `${name}: ${text.slice(0, 80)}`);
  }
  for (const rule of rules)
    assert.ok(
      breaking.some(([name]) => rule.name.startsWith(name)),
      `no snippet for "${rule.name}"`,
    );
});

test('the rules let good code pass', () => {
  const text = `/**
 * What it owns. Not Date.now() or any other clock.
 */

export class Service2 {}
export async function first(call: () => Promise<string>): Promise<string> {
  const any = await Promise.any([call()]);
  try {
    return any;
  } catch (error) {
    throw new Error('TODOS of Math.random', { cause: error });
  }
}
`.replace('Service2', 'Account');
  for (const rule of rules)
    assert.deepEqual(rule.breaches({ path: 'src/a.ts', text }), [], rule.name);
});
