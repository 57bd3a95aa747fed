import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, index, nodeId, term } from '../../src/base/ids.ts';
import { message, type Entry, type Message } from '../../src/raft/message.ts';
import { CommitNews } from '../../src/replica/commit-news.ts';

const entry: Entry = { type: 'normal', index: index(8), term: term(3), data: new Uint8Array(1) };

const append = (commit: number, to = 2, entries: readonly Entry[] = []): Message =>
  message({
    type: 'MsgApp',
    to: nodeId(to),
    from: nodeId(1),
    term: term(3),
    index: index(7),
    commit: index(commit),
    entries,
  });

class Scene {
  readonly sent: string[] = [];
  #due: (() => void)[] = [];
  readonly news = new CommitNews({
    timers: {
      after: (_delayMs, call) => {
        this.#due.push(call);
        return { cancel: () => undefined };
      },
      soon: () => assert.fail('nothing is left for a turn'),
      endOfTurn: () => assert.fail('nothing is left for the end of a turn'),
    },
    send: ({ group, message: { to, commit } }) => this.sent.push(`${group}>${to}:${commit}`),
  });

  /** Whether a timer had been asked for, at most one. */
  timePasses(): boolean {
    const due = this.#due;
    this.#due = [];
    assert.ok(due.length <= 1);
    for (const call of due) call();
    return due.length === 1;
  }
}

test('an append without entries leaves after a while, once', () => {
  const scene = new Scene();
  const { news, sent } = scene;
  assert.ok(news.take(groupId(1), append(5)));
  assert.ok(scene.timePasses());
  assert.deepEqual(sent, [], 'it has not waited for long');
  assert.ok(scene.timePasses());
  assert.deepEqual(sent, ['1>2:5']);
  assert.equal(scene.timePasses(), false, 'no timer runs where nothing waits');
});

test('an append with entries leaves at once, and what waited for its peer and group is not sent', () => {
  const scene = new Scene();
  const { news, sent } = scene;
  news.take(groupId(1), append(5));
  news.take(groupId(1), append(5, 3));
  news.take(groupId(2), append(6));
  scene.timePasses();
  assert.equal(news.take(groupId(1), append(5, 2, [entry])), false);
  while (scene.timePasses());
  assert.deepEqual(sent.toSorted(), ['1>3:5', '2>2:6']);
});

test('the newest is sent, no later than the first would have been', () => {
  const scene = new Scene();
  const { news, sent } = scene;
  news.take(groupId(1), append(5));
  scene.timePasses();
  news.take(groupId(1), append(6));
  scene.timePasses();
  assert.deepEqual(sent, ['1>2:6']);
  news.take(groupId(1), append(7));
  while (scene.timePasses());
  assert.deepEqual(sent, ['1>2:6', '1>2:7']);
});
