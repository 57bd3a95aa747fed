import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, index, nodeId, term, type GroupId } from '../../src/base/ids.ts';
import type { GroupWrite, Log } from '../../src/log/log.ts';
import { message, type Entry, type Message } from '../../src/raft/message.ts';
import { appendThread } from '../../src/raft/ready.ts';
import { Persister } from '../../src/replica/persister.ts';
import type { Replica } from '../../src/replica/replica.ts';

const entry = (at: number): Entry => ({
  term: term(2),
  index: index(at),
  type: 'normal',
  data: Buffer.from(String(at)),
});

/** A log whose writes end when the test says so. */
class Scene {
  readonly writes: (readonly GroupWrite[])[] = [];
  readonly delivered: string[] = [];
  readonly failures: unknown[] = [];
  durable = 0;
  onDeliver: () => void = () => undefined;
  readonly persister: Persister;
  #end: { readonly done: () => void; readonly failed: (error: unknown) => void } | undefined;

  constructor() {
    const hardState = { term: term(2), vote: nodeId(1), commit: index(5) };
    const log = {
      storage: () => ({ initialState: () => ({ hardState }) }),
      write: (writes: readonly GroupWrite[]) => {
        assert.equal(this.#end, undefined, 'writes do not overlap');
        this.writes.push(writes);
        return new Promise<void>((done, failed) => {
          this.#end = { done, failed };
        });
      },
    };
    this.persister = new Persister({
      log: log as unknown as Log,
      deliver: (replica, { type, index: at }) => {
        this.delivered.push(`${replica.group} ${type} ${at}`);
        this.onDeliver();
      },
      onDurable: () => {
        this.durable += 1;
      },
      onFailed: (error) => this.failures.push(error),
    });
  }

  /** Asks for entries and a hard state; the response is an acknowledgement of `at`. */
  add(at: number, said: Partial<Message> = {}, group: GroupId = groupId(1)): void {
    this.persister.add({
      replica: { group } as Replica,
      message: message({
        type: 'MsgStorageAppend',
        to: appendThread,
        responses: [message({ type: 'MsgAppResp', to: nodeId(2), index: index(at) })],
        ...said,
      }),
    });
  }

  async end(): Promise<void> {
    const end = this.#end;
    this.#end = undefined;
    end?.done();
    await this.persister.idle;
  }

  async fail(error: Error): Promise<void> {
    const end = this.#end;
    this.#end = undefined;
    end?.failed(error);
    await this.persister.idle;
  }
}

test('nothing is answered before it is durable', async () => {
  const scene = new Scene();
  scene.add(6, { entries: [entry(6)] });
  scene.persister.flush();
  assert.deepEqual(scene.delivered, []);
  await scene.end();
  assert.deepEqual(scene.delivered, ['1 MsgAppResp 6']);
  assert.equal(scene.durable, 1);
});

test('what comes during a write gathers, of all groups, and becomes the next', async () => {
  const scene = new Scene();
  scene.add(6, { entries: [entry(6)] });
  scene.persister.flush();
  scene.add(7, { entries: [entry(7)] });
  scene.add(6, { entries: [entry(6)] }, groupId(2));
  scene.persister.flush();
  assert.equal(scene.writes.length, 1);
  await scene.end();
  assert.equal(scene.delivered.length, 1);
  scene.persister.flush();
  assert.deepEqual(
    scene.writes[1]?.map(({ group }) => group),
    [1, 2],
  );
  await scene.end();
  assert.deepEqual(scene.delivered.slice(1), ['1 MsgAppResp 7', '2 MsgAppResp 6']);
});

test('a new commit index alone costs no write; it rides with the next', async () => {
  const scene = new Scene();
  scene.add(6, { term: term(2), vote: nodeId(1), commit: index(6) });
  scene.persister.flush();
  assert.equal(scene.writes.length, 0);
  assert.deepEqual(scene.delivered, ['1 MsgAppResp 6'], 'its response leaves at once');
  scene.add(7, { entries: [entry(7)] });
  scene.persister.flush();
  assert.equal(scene.writes[0]?.[0]?.hardState?.commit, 6);
  await scene.end();
});

test('a response without anything to write waits for the write before it', async () => {
  const scene = new Scene();
  scene.add(6, { entries: [entry(6)] });
  scene.persister.flush();
  scene.add(6, { term: term(2), vote: nodeId(1), commit: index(6) });
  scene.persister.flush();
  assert.deepEqual(scene.delivered, []);
  await scene.end();
  scene.persister.flush();
  assert.equal(scene.writes.length, 1);
  assert.equal(scene.delivered.length, 2);
});

test('a vote is written before it is given', async () => {
  const scene = new Scene();
  scene.add(0, { term: term(3), vote: nodeId(3), commit: index(5) });
  scene.persister.flush();
  assert.deepEqual(scene.writes[0]?.[0]?.hardState, { term: 3, vote: 3, commit: 5 });
  assert.deepEqual(scene.delivered, []);
  await scene.end();
  assert.equal(scene.delivered.length, 1);
});

test('a vote that is on its way to the disk is not written twice', async () => {
  const scene = new Scene();
  const state = { term: term(3), vote: nodeId(3), commit: index(5) };
  scene.add(0, state);
  scene.add(0, { ...state, commit: index(6) });
  scene.persister.flush();
  assert.equal(scene.writes[0]?.length, 1);
  await scene.end();
});

test('after a failed write nothing is answered or written any more', async () => {
  const scene = new Scene();
  scene.add(6, { entries: [entry(6)] });
  scene.persister.flush();
  scene.add(7, { entries: [entry(7)] });
  await scene.fail(new Error('no space left'));
  scene.persister.flush();
  assert.equal(scene.failures.length, 1);
  assert.equal(scene.writes.length, 1);
  assert.deepEqual(scene.delivered, []);
});

test('an assertion that fails while answers are delivered stops the node, too', async () => {
  const scene = new Scene();
  scene.onDeliver = () => {
    throw new Error('must hold');
  };
  scene.add(6, { entries: [entry(6)] });
  scene.persister.flush();
  await scene.end();
  assert.equal(scene.failures.length, 1);
});
