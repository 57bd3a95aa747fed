/**
 * Goal: an operator sees and changes the members through the admin port, and nobody else changes them.
 * Method: the routes and the command over a real port, with a node that remembers what it was told.
 */

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { adminRoutes, type AdminNode } from '../../sidecar/admin.ts';
import { memberHelp } from '../../sidecar/cli/help.ts';
import { member } from '../../sidecar/cli/member.ts';
import { serveHttp } from '../../sidecar/http.ts';
import { UsageError } from '../../sidecar/usage-error.ts';
import type { ChangeOutcome, MemberCommand, MemberList } from '../../src/index.ts';

const token = 'a-long-token';

class FakeNode implements AdminNode {
  readonly told: unknown[] = [];
  outcome: ChangeOutcome = { kind: 'changed' };
  looks = 0;

  members(): MemberList {
    this.looks += 1;
    const row = { isConnected: true, votes: 2, learns: 0 };
    const members = [
      { ...row, nodeId: 1, memberId: 'a'.repeat(16), role: 'voter' },
      { ...row, nodeId: 4, memberId: 'b'.repeat(16), role: 'candidate', votes: 0 },
    ] as unknown as MemberList['members'];
    return { members, groups: 2, isSettled: this.looks > 1 };
  }

  changeMembers(command: MemberCommand): Promise<ChangeOutcome> {
    this.told.push(command);
    return Promise.resolve(this.outcome);
  }

  transferLeadership(to: number, shard: number | undefined): ChangeOutcome {
    this.told.push({ to, shard });
    return this.outcome;
  }

  namespaces = (): never => assert.fail('nobody asks for namespaces');
  changeNamespaces = (): never => assert.fail('nobody changes namespaces');
}

interface Scene {
  readonly node: FakeNode;
  /** Runs the command with `words`; what it printed. */
  readonly run: (...words: readonly string[]) => Promise<string>;
}

async function scene(t: TestContext, given: string | undefined = token): Promise<Scene> {
  const node = new FakeNode();
  const server = await serveHttp({
    name: 'admin port',
    flag: '--admin-port',
    host: '127.0.0.1',
    port: 0,
    ...adminRoutes({ status: () => ({}), node: () => node }),
    token,
    onError: (path, error) => assert.fail(`${path}: ${String(error)}`),
  });
  t.after(() => server.close());
  const admin = ['--admin', `127.0.0.1:${server.port}`];
  const run = async (...words: readonly string[]): Promise<string> => {
    const printed: string[] = [];
    const environment = given === undefined ? {} : { OUTRIGGER_ADMIN_TOKEN: given };
    await member([...words, ...admin], { environment, out: (text) => printed.push(text) });
    return printed.join('');
  };
  return { node, run };
}

test('each verb reaches the node, and waits until the groups have come to it', async (t) => {
  const { node, run } = await scene(t);
  await run('add', '4');
  assert.equal(node.looks, 2, 'the first look finds it under way');
  await run('promote', '4', '--no-wait');
  await run('demote', '4', '--no-wait');
  await run('remove', '4', '--no-wait');
  await run('transfer', '4');
  await run('transfer', '4', '--shard', '0');
  assert.deepEqual(node.told, [
    { kind: 'add', nodeId: 4 },
    { kind: 'promote', nodeId: 4 },
    { kind: 'demote', nodeId: 4 },
    { kind: 'remove', nodeId: 4 },
    { to: 4, shard: undefined },
    { to: 4, shard: 0 },
  ]);
});

test('the list is a table, or JSON, and says that a change is under way', async (t) => {
  const { run } = await scene(t);
  assert.equal(
    await run('list'),
    'node  role       connected  votes in  learns in  member id\n' +
      '1     voter      yes        2 of 2    0          aaaaaaaaaaaaaaaa\n' +
      '4     candidate  yes        0 of 2    0          bbbbbbbbbbbbbbbb\n' +
      'a change is under way\n',
  );
  const listed = JSON.parse(await run('list', '--json')) as MemberList;
  assert.equal(listed.members.length, 2);
});

test('what the node refuses is said, and nothing is waited for', async (t) => {
  const { node, run } = await scene(t);
  node.outcome = { kind: 'refused', reason: 'node 4 is the only voter: promote another first' };
  await assert.rejects(run('remove', '4'), new UsageError(node.outcome.reason));
  assert.equal(node.looks, 0);
});

test('without the right token nothing is changed', async (t) => {
  const wrong = await scene(t, 'another-token');
  await assert.rejects(wrong.run('remove', '4'), UsageError);
  assert.deepEqual(wrong.node.told, []);
});

test('a command that makes no sense is refused with what does', async (t) => {
  const { node, run } = await scene(t);
  await assert.rejects(
    run('banish', '4'),
    /member knows list, add, promote, demote, remove, transfer/,
  );
  await assert.rejects(run('remove', 'four'), /four is not a node id: a whole number is/);
  await assert.rejects(run('transfer', '4', '--shard', 'x'), /x is not a shard/);
  await assert.rejects(run('add', '0'), /add must be a node id/);
  await assert.rejects(run('add', '4', '--force'), /--force/);
  await assert.rejects(run('add'), /member add needs a node id/);
  assert.equal(await run('add', '--help'), memberHelp);
  assert.deepEqual(node.told, []);
});
