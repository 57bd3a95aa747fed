/**
 * What one string key does under a command, as Redis has it: the sequential truth that a history is compared with.
 */

/** Undefined: the key is not there. */
export type State = string | undefined;

export interface Effect {
  readonly state: State;
  /** The RESP reply without its last line end. */
  readonly reply: string;
}

const nothing = '$-1';
const notAnInteger = '-ERR value is not an integer or out of range';

export const bulk = (value: State): string =>
  value === undefined ? nothing : `$${value.length}\r\n${value}`;

/** Commands that change nothing: where they are in doubt there is nothing to know. */
export const isRead = (words: readonly string[]): boolean => words[0] === 'GET';

/** `words` is a whole command; its second word is the key that `state` belongs to. */
export function effectOf(state: State, words: readonly string[]): Effect {
  const [verb, , value = '', option] = words;
  switch (verb) {
    case 'GET':
      return { state, reply: bulk(state) };
    case 'SET':
      if (option === 'NX' && state !== undefined) return { state, reply: nothing };
      return { state: value, reply: '+OK' };
    case 'GETDEL':
      return { state: undefined, reply: bulk(state) };
    case 'DEL':
      return { state: undefined, reply: state === undefined ? ':0' : ':1' };
    case 'APPEND': {
      const longer = (state ?? '') + value;
      return { state: longer, reply: `:${longer.length}` };
    }
    case 'INCR': {
      const number = Number(state ?? '0');
      if (!Number.isSafeInteger(number)) return { state, reply: notAnInteger };
      return { state: String(number + 1), reply: `:${number + 1}` };
    }
    default:
      throw new RangeError(`the model does not know ${words.join(' ')}`);
  }
}
