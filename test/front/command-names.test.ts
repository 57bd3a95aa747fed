import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { allCommands, lookupCommand } from '../../src/command/table.ts';
import { CommandNames } from '../../src/front/command-names.ts';

const names = new CommandNames(allCommands());
const find = (name: string): unknown => {
  const bytes = Buffer.from(`..${name}..`, 'latin1');
  return names.find(bytes, 2, bytes.length - 2);
};

describe('command names', () => {
  test('are found in any case', () => {
    for (const spec of allCommands()) {
      const mixed = spec.name.replaceAll(
        /..?/gu,
        (pair) => pair.charAt(0) + pair.slice(1).toUpperCase(),
      );
      for (const name of [spec.name, spec.name.toUpperCase(), mixed])
        assert.equal(find(name), spec);
    }
  });

  test('are found as the table finds them, and nothing else is', () => {
    const near = fc
      .tuple(fc.constantFrom(...allCommands()), fc.nat(), fc.nat({ max: 255 }))
      .map(([{ name }, place, byte]) => {
        const at = place % name.length;
        return name.slice(0, at) + String.fromCharCode(byte) + name.slice(at + 1);
      });
    const arbitrary = fc
      .uint8Array({ maxLength: 12 })
      .map((bytes) => Buffer.from(bytes).toString('latin1'));
    fc.assert(
      fc.property(fc.oneof(near, arbitrary), (name) => {
        // The table folds case by Unicode; names are ASCII.
        const isAscii = Buffer.from(name, 'latin1').every((byte) => byte < 0x80);
        assert.equal(find(name), isAscii ? lookupCommand(name) : undefined);
      }),
      { numRuns: 2000 },
    );
  });
});
