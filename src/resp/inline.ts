/**
 * Splits an inline command into arguments with the quoting of Redis (sds.c, sdssplitargs).
 *
 * Words are parted by white space. Inside "…" the escapes \n \r \t \b \a, \xHH and \ before any other byte apply; inside '…' only \'.
 * A quote may open inside a word; behind a closing quote there must be white space or the end. Text is latin1, one char a byte.
 */

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  a: '\u0007',
};

const hexByte = /^[0-9a-fA-F]{2}$/u;

const isSpace = (char: string | undefined): boolean =>
  char !== undefined && ' \t\n\v\f\r'.includes(char);

interface Word {
  readonly text: string;
  /** The position behind the word. */
  readonly end: number;
}

/** The arguments of a line without its end; empty for a blank line, undefined where quotes do not match. */
export function splitInline(line: string): string[] | undefined {
  const args: string[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(line[at])) at += 1;
    if (at >= line.length) return args;
    const word = readWord(line, at);
    if (word === undefined) return undefined;
    args.push(word.text);
    at = word.end;
  }
}

function readWord(line: string, from: number): Word | undefined {
  let text = '';
  let at = from;
  for (;;) {
    const char = line[at];
    if (char === undefined || ' \n\r\t'.includes(char)) return { text, end: at };
    if (char === '"' || char === "'") {
      const quoted = char === '"' ? readDoubleQuoted(line, at + 1) : readSingleQuoted(line, at + 1);
      if (quoted === undefined) return undefined;
      const behind = line[quoted.end];
      if (behind !== undefined && !isSpace(behind)) return undefined;
      return { text: text + quoted.text, end: quoted.end };
    }
    text += char;
    at += 1;
  }
}

function readDoubleQuoted(line: string, from: number): Word | undefined {
  let text = '';
  let at = from;
  for (;;) {
    const char = line[at];
    if (char === undefined) return undefined;
    if (char === '"') return { text, end: at + 1 };
    const next = line[at + 1];
    const digits = line.slice(at + 2, at + 4);
    if (char === '\\' && next === 'x' && hexByte.test(digits)) {
      text += String.fromCharCode(Number.parseInt(digits, 16));
      at += 4;
    } else if (char === '\\' && next !== undefined) {
      text += escapes[next] ?? next;
      at += 2;
    } else {
      text += char;
      at += 1;
    }
  }
}

function readSingleQuoted(line: string, from: number): Word | undefined {
  let text = '';
  let at = from;
  for (;;) {
    const char = line[at];
    if (char === undefined) return undefined;
    if (char === "'") return { text, end: at + 1 };
    const isEscaped = char === '\\' && line[at + 1] === "'";
    text += isEscaped ? "'" : char;
    at += isEscaped ? 2 : 1;
  }
}
