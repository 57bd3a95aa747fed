import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  markerEnd,
  markerStart,
  ownerText,
  parseMarker,
} from '../../../src/engine/redis/bookkeeping.ts';
import { decide, type Knowledge, type Standing } from '../../../src/engine/redis/decide.ts';

const self = { cluster: 'c0', member: 'aa' };
const other = { cluster: 'c0', member: 'bb' };
const applied = { index: 7, term: 2, timeMs: 1_000 };
const marker = markerStart(self, '0f') + markerEnd(12, applied, false);

const ours: Standing = {
  owner: ownerText(self),
  markers: [{ marker, batches: '12' }],
  otherKeys: 3,
};
const knowledge: Knowledge = {
  self,
  generation: '0f',
  wasJoined: false,
  isOwnerConnected: false,
  isKnown: () => true,
};

test('a marker is read as it was written', () => {
  const whole = { ...self, generation: '0f', batch: 12, applied, isPart: false };
  assert.deepEqual(parseMarker(marker), whole);
  const part = markerStart(self, '0f') + markerEnd(12, applied, true);
  assert.deepEqual(parseMarker(part), { ...whole, isPart: true });
  for (const text of ['', `${marker} `, marker.replace('12', 'x'), marker.slice(0, -5)])
    assert.equal(parseMarker(text), undefined, text);
});

test('whole data of this node, at a place that its log has, is gone on with', () => {
  assert.equal(decide(ours, knowledge).kind, 'resume');
});

test('whatever casts a doubt on data of this node makes it anew', () => {
  const withMarker = (text: string | undefined, batches = '12'): Standing => ({
    ...ours,
    markers: [{ marker: text, batches }],
  });
  const doubts: readonly (readonly [Standing, Partial<Knowledge>])[] = [
    [withMarker(undefined), {}],
    [withMarker('x'), {}],
    [withMarker(marker, '11'), {}],
    [withMarker(`${marker} part`), {}],
    [withMarker(marker.replace('aa', 'bb')), {}],
    [ours, { generation: '1f' }],
    [ours, { generation: undefined }],
    [ours, { isKnown: () => false }],
  ];
  for (const [standing, known] of doubts) {
    const decision = decide(standing, { ...knowledge, ...known });
    assert.equal(decision.kind, 'rebuild', JSON.stringify([standing, known]));
  }
});

test('an empty Redis of nobody is claimed', () => {
  const empty = { owner: undefined, markers: [], otherKeys: 0 };
  assert.equal(decide(empty, { ...knowledge, generation: undefined }).kind, 'claim');
  assert.equal(decide(empty, knowledge).kind, 'claim');
});

test('keys of nobody known are refused, or saved where this node had data before', () => {
  const strange = { owner: undefined, markers: [], otherKeys: 5 };
  assert.equal(decide(strange, { ...knowledge, generation: undefined }).kind, 'refuse');
  const decision = decide(strange, knowledge);
  assert.ok(decision.kind === 'rebuild' && decision.isRescue && decision.isAlarm);
});

test("another node's Redis is refused, unless its data only took the place of ours", () => {
  const theirs = { ...ours, owner: ownerText(other) };
  assert.equal(decide(theirs, knowledge).kind, 'refuse');
  assert.equal(decide({ ...ours, owner: 'of a later version' }, knowledge).kind, 'refuse');
  const joined = { ...knowledge, wasJoined: true };
  assert.equal(decide(theirs, joined).kind, 'rebuild');
  assert.equal(decide(theirs, { ...joined, isOwnerConnected: true }).kind, 'refuse');
});
