/**
 * A translation that sends commands as they are, for tests that are about the way there and not about deadlines.
 */

import { latin1Slice } from '../../../src/command/latin1.ts';
import type { EngineCommand } from '../../../src/engine/engine.ts';
import type { Translated, Translation } from '../../../src/engine/redis/translation.ts';

export function plainTranslation(): Translation {
  return {
    write(command) {
      const translated = asItIs(command);
      const [text = ''] = translated.commands;
      const name = /\r\n([a-z]+)\r\n/i.exec(text)?.[1]?.toUpperCase();
      if (name === 'FLUSHALL') return { ...translated, kind: 'flush', database: undefined };
      if (name === 'FLUSHDB') return { ...translated, kind: 'flush', database: command.database };
      if (name !== 'SWAPDB') return translated;
      const [, one, other] = /SWAPDB\r\n\$\d\r\n(\d+)\r\n\$\d\r\n(\d+)/.exec(text) ?? [];
      return { ...translated, kind: 'swap', databases: [Number(one), Number(other)] };
    },
    read: asItIs,
    reclaim: () => [],
    nextDeadlineMs: () => undefined,
    expired: 0,
    reset: () => undefined,
    add: () => undefined,
  };
}

function asItIs({ bytes }: EngineCommand): Translated {
  return {
    commands: [latin1Slice(bytes, 0, bytes.length)],
    reply: ([reply = '']) => reply,
  };
}
