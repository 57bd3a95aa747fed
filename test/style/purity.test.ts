/**
 * The pure folders compile where no timer, process, socket, file or machine clock exists.
 *
 * Method: tsc on these folders alone with `"types": []` and no DOM, so that nothing but ECMAScript is declared. `resp`, `command` and
 * the memory engine may use Buffer as bytes in memory, so they get a declaration of that class and of nothing else.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { repository } from './source-text.ts';

const strictlyPure = ['src/base', 'src/shard', 'src/raft', 'src/gossip'];
const pureWithBuffer = [
  'src/resp',
  'src/command',
  'src/engine/database-number.ts',
  'src/engine/deadlines.ts',
  'src/engine/engine.ts',
  'src/engine/expire-options.ts',
  'src/engine/int64.ts',
  'src/engine/option.ts',
  'src/engine/replies.ts',
  'src/engine/memory',
];

/** The part of Node's Buffer that is bytes and text, and touches nothing outside. */
const bufferDeclaration = `
type BufferEncoding = 'latin1' | 'utf8' | 'ascii' | 'hex' | 'base64' | 'binary';
interface Buffer<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> extends Uint8Array<TArrayBuffer> {
  toString(encoding?: BufferEncoding, start?: number, end?: number): string;
  latin1Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
  utf8Slice(start?: number, end?: number): string;
  asciiSlice(start?: number, end?: number): string;
  write(text: string, encoding?: BufferEncoding): number;
  write(text: string, offset: number, encoding?: BufferEncoding): number;
  write(text: string, offset: number, length: number, encoding?: BufferEncoding): number;
  equals(other: Uint8Array): boolean;
  compare(other: Uint8Array, start?: number, end?: number, ownStart?: number, ownEnd?: number): number;
  copy(target: Uint8Array, targetStart?: number, start?: number, end?: number): number;
  indexOf(value: string | number | Uint8Array, offset?: number, encoding?: BufferEncoding): number;
  includes(value: string | number | Uint8Array, offset?: number, encoding?: BufferEncoding): boolean;
  subarray(start?: number, end?: number): Buffer<TArrayBuffer>;
  fill(value: string | number | Uint8Array, offset?: number, end?: number): this;
  readUInt8(offset?: number): number;
  readUInt16BE(offset?: number): number;
  readUInt32BE(offset?: number): number;
  readDoubleLE(offset?: number): number;
  readDoubleBE(offset?: number): number;
  readBigUInt64BE(offset?: number): bigint;
  writeUInt8(value: number, offset?: number): number;
  writeUInt16BE(value: number, offset?: number): number;
  writeUInt32BE(value: number, offset?: number): number;
  writeDoubleLE(value: number, offset?: number): number;
  writeDoubleBE(value: number, offset?: number): number;
  writeBigUInt64BE(value: bigint, offset?: number): number;
}
interface BufferConstructor {
  from(text: string, encoding?: BufferEncoding): Buffer<ArrayBuffer>;
  from(bytes: ArrayLike<number>): Buffer<ArrayBuffer>;
  from<T extends ArrayBufferLike>(bytes: T, offset?: number, length?: number): Buffer<T>;
  alloc(size: number, fill?: string | number | Uint8Array): Buffer<ArrayBuffer>;
  allocUnsafe(size: number): Buffer<ArrayBuffer>;
  allocUnsafeSlow(size: number): Buffer<ArrayBuffer>;
  concat(parts: readonly Uint8Array[], bytes?: number): Buffer<ArrayBuffer>;
  compare(left: Uint8Array, right: Uint8Array): -1 | 0 | 1;
  byteLength(text: string, encoding?: BufferEncoding): number;
  isBuffer(value: unknown): value is Buffer;
}
declare var Buffer: BufferConstructor;
`;

interface Compiled {
  readonly isClean: boolean;
  /** What tsc printed. */
  readonly output: string;
}

/** Compiles files and folders of the repository, and `extra` as one more file, without any global but ECMAScript's. */
async function compile(paths: readonly string[], extra: string): Promise<Compiled> {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-purity-'));
  try {
    const include = paths.map((path) => join(repository, path)).filter((path) => existsSync(path));
    writeFileSync(join(directory, 'extra.ts'), `${extra}\nexport {};\n`);
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({
        extends: join(repository, 'tsconfig.json'),
        compilerOptions: { types: [], isolatedDeclarations: false, declaration: false },
        include: [...include, 'extra.ts', 'buffer.d.ts'],
        exclude: [join(repository, 'src/gossip/udp-gossip.ts')],
      }),
    );
    if (paths === pureWithBuffer) writeFileSync(join(directory, 'buffer.d.ts'), bufferDeclaration);
    return await runTsc(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function runTsc(directory: string): Promise<Compiled> {
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  assert.ok(readdirSync(directory).includes('tsconfig.json'));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', directory]);
    return { isClean: true, output: stdout };
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    return { isClean: false, output: `${stdout ?? ''}${stderr ?? ''}` };
  }
}

test('base, shard, raft and gossip compile with nothing but ECMAScript', async () => {
  const { isClean, output } = await compile(strictlyPure, '');
  assert.ok(isClean, output);
});

test('resp, command and the memory engine compile with nothing but ECMAScript and Buffer', async () => {
  const { isClean, output } = await compile(pureWithBuffer, '');
  assert.ok(isClean, output);
});

test('the guard refuses timers, the process, the console, node modules and Buffer where it may not be', async () => {
  const bad = [
    'setTimeout(() => undefined, 1);',
    'process.exit(1);',
    'console.log(1);',
    "import { readFileSync } from 'node:fs'; readFileSync('a');",
    'performance.now();',
    "Buffer.from('a');",
    'queueMicrotask(() => undefined);',
  ];
  const { isClean, output } = await compile(['src/base'], bad.join('\n'));
  assert.equal(isClean, false);
  for (const [line] of bad.entries())
    assert.match(
      output,
      new RegExp(`extra\\.ts[(:]${line + 1}\\D`),
      `line ${line + 1}:\n${output}`,
    );
});

test('the guard refuses timers and the process also where Buffer is allowed', async () => {
  const bad = ['setImmediate(() => undefined);', 'process.hrtime();'];
  const { isClean, output } = await compile(pureWithBuffer, bad.join('\n'));
  assert.equal(isClean, false);
  for (const [line] of bad.entries())
    assert.match(output, new RegExp(`extra\\.ts[(:]${line + 1}\\D`), output);
});
