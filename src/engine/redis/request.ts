/**
 * Makes requests for a Redis: RESP arrays of bulk strings as latin1 strings, as a `Link` takes them.
 */

/** `args` are latin1, one char a byte. */
export function request(...args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const argument of args) text += `$${argument.length}\r\n${argument}\r\n`;
  return text;
}

export const multiRequest: string = request('MULTI');
export const execRequest: string = request('EXEC');
export const pingRequest: string = request('PING');

/** The databases are 0…15. */
const selects: readonly string[] = Array.from({ length: 16 }, (_, database) =>
  request('SELECT', String(database)),
);

export function selectRequest(database: number): string {
  return selects[database] ?? request('SELECT', String(database));
}
