/**
 * Commands in tests: a line of words to arguments, and arguments to a RESP array.
 */

/**
 * Splits at single blanks. A word in double quotes is read as JSON, so `"a b"` and `"\u0000\u00ff"` are one argument of latin1
 * bytes; two blanks in a row are no argument.
 */
export function words(line: string): Buffer[] {
  const found = line.match(/"(?:[^"\\]|\\.)*"|[^ ]+/g) ?? [];
  return found.map((word) =>
    Buffer.from(word.startsWith('"') ? String(JSON.parse(word)) : word, 'latin1'),
  );
}

export function encode(args: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    parts.push(Buffer.from(`$${arg.length}\r\n`), arg, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
