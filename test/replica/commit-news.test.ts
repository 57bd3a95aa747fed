import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, index, nodeId, term } from '../../src/base/ids.ts';
import { message, type Entry, type Message } from '../../src/raft/message.ts';
import { CommitNews, type Outlook } from '../../src/replica/commit-news.ts';

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

/** What leaves at the end of a turn in which `outlook` holds for everything held. */
function endTurn(news: CommitNews, outlook: Outlook): { sent: string[]; needsTurn: boolean } {
  const sent: string[] = [];
  const needsTurn = news.turnEnds(
    () => outlook,
    ({ group, message: { to, commit } }) => sent.push(`${group}>${to}:${commit}`),
  );
  return { sent: sent.sort(), needsTurn };
}

test('an append without entries leaves at the end of the next turn, once', () => {
  const news = new CommitNews();
  assert.ok(news.take(groupId(1), append(5)));
  assert.deepEqual(endTurn(news, 'nothing'), { sent: [], needsTurn: true });
  assert.deepEqual(endTurn(news, 'nothing'), { sent: ['1>2:5'], needsTurn: false });
  assert.deepEqual(endTurn(news, 'nothing'), { sent: [], needsTurn: false });
});

test('while entries are on their way it waits for their commit, and asks for no turn', () => {
  const news = new CommitNews();
  news.take(groupId(1), append(5));
  endTurn(news, 'entries');
  assert.deepEqual(endTurn(news, 'entries'), { sent: [], needsTurn: false });
  news.take(groupId(1), append(6));
  assert.deepEqual(endTurn(news, 'nothing'), { sent: ['1>2:6'], needsTurn: false });
});

test('an append with entries leaves at once, and what waited for its peer and group is not sent', () => {
  const news = new CommitNews();
  news.take(groupId(1), append(5));
  news.take(groupId(1), append(5, 3));
  news.take(groupId(2), append(6));
  endTurn(news, 'nothing');
  assert.equal(news.take(groupId(1), append(5, 2, [entry])), false);
  assert.deepEqual(endTurn(news, 'nothing').sent, ['1>3:5', '2>2:6']);
});

test('what is of a term that has ended is not sent', () => {
  const news = new CommitNews();
  news.take(groupId(1), append(5));
  endTurn(news, 'over');
  assert.deepEqual(endTurn(news, 'over'), { sent: [], needsTurn: false });
  assert.deepEqual(endTurn(news, 'nothing'), { sent: [], needsTurn: false });
});
