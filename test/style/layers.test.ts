/**
 * Who may import whom. The table is the architecture: where an import seems to need a new line here, the code is in the wrong folder,
 * or this table and docs/style.md change together with a reason.
 */

import assert from 'node:assert/strict';
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { test } from 'node:test';
import { importsOf, sourceFiles, type SourceFile } from './source-text.ts';

interface Layer {
  /** Prefix of the paths it speaks of; the first that fits counts. */
  readonly of: string;
  /** Prefixes that may be imported besides the layer itself. */
  readonly may: readonly string[];
  /** Prefixes that may be imported with `import type` only. */
  readonly mayTypes?: readonly string[];
  /** Node's own modules, without `node:`; undefined means all but those of `builtins` below. */
  readonly builtins?: readonly string[];
}

const everything = ['src/'];
/** The port of engines, and what Redis means by arguments, which both engines have to know. */
const engineShared = [
  'src/engine/database-number.ts',
  'src/engine/deadlines.ts',
  'src/engine/engine.ts',
  'src/engine/expire-options.ts',
  'src/engine/int64.ts',
  'src/engine/option.ts',
  'src/engine/replies.ts',
];
const layers: readonly Layer[] = [
  { of: 'src/base/', may: [], builtins: [] },
  { of: 'src/resp/', may: ['src/base/'], builtins: [] },
  { of: 'src/command/', may: ['src/base/'], builtins: ['module'] },
  { of: 'src/shard/', may: ['src/base/'], builtins: [] },
  { of: 'src/raft/', may: ['src/base/'], builtins: [] },
  { of: 'src/gossip/udp-gossip', may: ['src/base/', 'src/gossip/'] },
  { of: 'src/gossip/', may: ['src/base/'], builtins: [] },
  { of: 'src/log/', may: ['src/base/', 'src/raft/codec'], mayTypes: ['src/raft/'] },
  { of: 'src/transport/', may: ['src/base/'] },
  {
    of: 'src/engine/memory/',
    may: ['src/base/', 'src/resp/', 'src/command/', ...engineShared],
    builtins: [],
  },
  { of: 'src/engine/redis/', may: ['src/base/', 'src/resp/', 'src/command/', ...engineShared] },
  { of: 'src/engine/', may: ['src/base/', 'src/resp/', 'src/command/'] },
  {
    of: 'src/replica/',
    may: ['src/base/', 'src/command/', 'src/raft/'],
    mayTypes: ['src/log/log.ts', 'src/transport/transport.ts', 'src/engine/engine.ts'],
    builtins: [],
  },
  {
    of: 'src/cluster/',
    may: ['src/base/', 'src/shard/', 'src/replica/'],
    mayTypes: [
      'src/transport/transport.ts',
      'src/gossip/gossip.ts',
      // docs/decisions/0003
      'src/log/log.ts',
      'src/engine/engine.ts',
      'src/raft/message.ts',
    ],
  },
  {
    of: 'src/front/',
    may: ['src/base/', 'src/resp/', 'src/command/', 'src/shard/', 'src/cluster/cluster.ts'],
  },
  { of: 'src/system.ts', may: ['src/base/'] },
  { of: 'src/', may: everything },
  { of: 'sidecar/', may: ['src/index.ts'] },
  { of: 'examples/', may: ['outrigger'] },
];

/** Which files may import a package in `src` and `sidecar`; a package that is not named here may not be imported. */
const packages: Readonly<Record<string, readonly string[]>> = {
  '@ioredis/commands': ['src/command/'],
  'classic-level': ['src/log/level-log.ts'],
  ioredis: ['src/engine/redis/'],
  pino: ['sidecar/logger.ts'],
  'prom-client': ['sidecar/metrics.ts'],
  'xxhash-wasm': ['src/shard/slot.ts'],
  yaml: ['sidecar/config'],
};

/** Which files may import these of Node's own modules in `src` and `sidecar`. */
const builtins: Readonly<Record<string, readonly string[]>> = {
  child_process: ['sidecar/'],
  cluster: [],
  http: ['sidecar/'],
  http2: ['sidecar/'],
  https: ['sidecar/'],
  perf_hooks: ['src/system.ts'],
  timers: ['src/system.ts'],
  'timers/promises': ['sidecar/'],
  worker_threads: [],
};

/** One line for each import that breaks a rule. */
function violations(file: SourceFile): readonly string[] {
  const layer = layers.find(({ of }) => file.path.startsWith(of));
  if (layer === undefined) return [`${file.path} is in no layer`];
  return importsOf(file.text).flatMap(({ from, isTypeOnly }) => {
    const problem = from.startsWith('.')
      ? ownProblem(layer, resolve(file.path, from), isTypeOnly)
      : foreignProblem(layer, file.path, from);
    return problem === undefined ? [] : [`${file.path} imports ${from}: ${problem}`];
  });
}

const resolve = (path: string, from: string): string =>
  posix.normalize(posix.join(posix.dirname(path), from));

const startsWithAny = (path: string, prefixes: readonly string[]): boolean =>
  prefixes.some((prefix) => path.startsWith(prefix));

function ownProblem(layer: Layer, path: string, isTypeOnly: boolean): string | undefined {
  if (startsWithAny(path, [layer.of, ...layer.may])) return undefined;
  if (startsWithAny(path, layer.mayTypes ?? []))
    return isTypeOnly ? undefined : 'only its types may be imported';
  return `${layer.of} may import only ${[...layer.may, ...(layer.mayTypes ?? [])].join(', ') || 'nothing'}`;
}

function foreignProblem(layer: Layer, path: string, from: string): string | undefined {
  const name = from.replace(/^node:/, '');
  if (isBuiltin(from)) {
    if (!from.startsWith('node:')) return `write node:${name}`;
    if (layer.builtins !== undefined && !layer.builtins.includes(name))
      return `${layer.of} does without it`;
    return path.startsWith('examples/') ? undefined : mayBeIn(builtins[name] ?? [''], path);
  }
  if (path.startsWith('examples/')) return undefined;
  const packageName = from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/');
  return mayBeIn(packages[packageName] ?? [], path);
}

function mayBeIn(places: readonly string[], path: string): string | undefined {
  return startsWithAny(path, places)
    ? undefined
    : `it may be imported only in ${places.join(', ') || 'no file'}`;
}

test('every import in src, sidecar and examples goes to a layer that its folder may see', () => {
  const files = ['src', 'sidecar', 'examples'].flatMap(sourceFiles);
  assert.ok(files.length > 10);
  assert.deepEqual(files.flatMap(violations), []);
});

test('the guard refuses what the table does not allow', () => {
  const refused: readonly (readonly [path: string, text: string])[] = [
    ['src/base/a.ts', "import { b } from '../raft/b.ts';"],
    ['src/base/a.ts', "import type { b } from '../raft/b.ts';"],
    ['src/raft/a.ts', "import { createServer } from 'node:net';"],
    ['src/raft/a.ts', "import { encode } from '../resp/encoder.ts';"],
    ['src/transport/a.ts', "import type { Message } from '../raft/message.ts';"],
    ['src/log/a.ts', "import { Raft } from '../raft/raft.ts';"],
    ['src/replica/a.ts', "import { openLevelLog } from '../log/level-log.ts';"],
    ['src/replica/a.ts', "import { anything } from '../log/log.ts';"],
    ['src/replica/a.ts', "export * from '../engine/engine.ts';"],
    ['src/engine/a.ts', "import type { Entry } from '../raft/message.ts';"],
    ['src/engine/memory/a.ts', "import { b } from '../redis/b.ts';"],
    ['src/engine/redis/a.ts', "import { b } from '../memory/b.ts';"],
    ['src/front/a.ts', "import { forward } from '../cluster/forward.ts';"],
    ['src/log/memory-log.ts', "import { ClassicLevel } from 'classic-level';"],
    ['src/log/a.ts', "const yaml = await import('yaml');"],
    ['src/front/a.ts', "import { createServer } from 'node:http';"],
    ['src/log/a.ts', "import { readFileSync } from 'fs';"],
    ['src/cluster/a.ts', "import leftPad from 'left-pad';"],
    ['sidecar/main.ts', "import { Raft } from '../src/raft/raft.ts';"],
    ['sidecar/health.ts', "import { Registry } from 'prom-client';"],
    ['examples/a.ts', "import { openNode } from '../src/index.ts';"],
    ['elsewhere/a.ts', ''],
  ];
  for (const [path, text] of refused) {
    const found = violations({ path, text });
    assert.equal(found.length, path === 'elsewhere/a.ts' ? 1 : importsOf(text).length, path + text);
    assert.equal(found.length, 1, path + text);
  }
});

test('the guard lets pass what the table allows', () => {
  const allowed: readonly SourceFile[] = [
    { path: 'src/raft/a.ts', text: "import { term } from '../base/ids.ts';" },
    { path: 'src/raft/a.ts', text: "import { b } from './b.ts';" },
    { path: 'src/replica/a.ts', text: "import type { Log } from '../log/log.ts';" },
    { path: 'src/log/level-log.ts', text: "import { ClassicLevel } from 'classic-level';" },
    { path: 'src/node.ts', text: "import { openLevelLog } from './log/level-log.ts';" },
    { path: 'sidecar/cli/start.ts', text: "import { openNode } from '../../src/index.ts';" },
    { path: 'sidecar/metrics.ts', text: "import { Registry } from 'prom-client';" },
    { path: 'examples/a.ts', text: "import { openNode } from 'outrigger';" },
    { path: 'src/raft/a.ts', text: "// import { createServer } from 'node:net';" },
  ];
  assert.deepEqual(allowed.flatMap(violations), []);
});
