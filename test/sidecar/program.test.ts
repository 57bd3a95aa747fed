/**
 * Goal: whatever is wrong at the start is one line on standard error and exit code 1, never a stack trace.
 * Method: the real program in a real process.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const main = join(import.meta.dirname, '../../sidecar/main.ts');
const directory = mkdtempSync(join(tmpdir(), 'outrigger-program-'));
after(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program to its end. */
function run(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...words], {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (part: Buffer) => (output.stdout += part.toString()));
    child.stderr.on('data', (part: Buffer) => (output.stderr += part.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
}

/** Flags of a lone node on free ports. */
const lone = (data: string): readonly string[] => [
  '--node-id=1',
  '--members=1=127.0.0.1:1',
  `--data-directory=${data}`,
  '--client-port=0',
  '--peer-port=0',
  '--admin-port=0',
  '--health-port=0',
];

async function refused(line: string, ...words: readonly string[]): Promise<void> {
  const { code, stderr } = await run(...words);
  assert.deepEqual([code, stderr], [1, `outrigger: ${line}\n`]);
}

test('--version prints the version of package.json', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  assert.deepEqual(await run('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('--help names the commands, and each command its flags', async () => {
  const [all, dev, start] = await Promise.all([
    run('--help'),
    run('dev', '--help'),
    run('start', '--help'),
  ]);
  assert.deepEqual([all.code, dev.code, start.code], [0, 0, 0]);
  assert.match(all.stdout, /outrigger dev .*\noutrigger start /);
  for (const flag of ['--nodes', '--port', '--shards', '--storage', '--data', '--no-restart'])
    assert.ok(dev.stdout.includes(`  ${flag} `), flag);
  for (const flag of ['--config', '--node-id', '--election-timeout-ms', 'OUTRIGGER_CLUSTER_SECRET'])
    assert.ok(start.stdout.includes(flag), flag);
});

test('an unknown command is refused with the nearest one', async () => {
  await refused('unknown command "strat"; did you mean start?', 'strat');
});

test('an unknown flag is refused with the nearest one', async () => {
  await refused(
    'unknown flag --data-dir; did you mean --data-directory?',
    'start',
    '--data-dir',
    'x',
  );
});

test('a configuration file is read, and an unknown key in it is refused', async () => {
  const file = join(directory, 'outrigger.yaml');
  writeFileSync(file, 'nodeId: 1\nelectionTimeout: 500\n');
  await refused(
    `unknown key "electionTimeout" in ${file}; did you mean electionTimeoutMs?`,
    'start',
    '--config',
    file,
  );
});

for (const use of ['client', 'peer', 'admin', 'health'])
  test(`a ${use} port that is in use is refused`, async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as AddressInfo;
    const flags = lone(join(directory, use)).filter((flag) => !flag.startsWith(`--${use}-port`));
    const { code, stderr } = await run(
      'start',
      ...flags,
      `--${use}-port=${port}`,
      `--${use}-host=127.0.0.1`,
    );
    await new Promise((resolve) => blocker.close(resolve));
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^outrigger: [^\n]*\\b${port}\\b[^\n]*in use[^\n]*\n$`));
  });

test('a data directory that cannot be written is refused', async () => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const { code, stderr } = await run('start', ...lone(join(file, 'data')));
  assert.equal(code, 1);
  assert.match(stderr, /^outrigger: [^\n]*\n$/);
  assert.ok(stderr.includes(join(file, 'data')), stderr);
});
