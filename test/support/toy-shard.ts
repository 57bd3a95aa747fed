/**
 * A shard of the fake cluster: a few Redis commands over Maps, without types and expiry.
 */

import { RequestDecoder } from '../../src/resp/decoder.ts';
import {
  arrayReply,
  bulkReply,
  errorReply,
  integerReply,
  nullReply,
} from '../../src/resp/encoder.ts';

type Row = (data: Map<string, string>, args: readonly string[]) => string;

const bulkOrNull = (value: string | undefined): string =>
  value === undefined ? nullReply : bulkReply(value);

const count = (keys: readonly string[], isCounted: (key: string) => boolean): string =>
  integerReply(keys.filter(isCounted).length);

/** How many keys a SCAN gives at once. */
const scanStep = 3;

const rows: Readonly<Record<string, Row>> = {
  get: (data, [, key = '']) => bulkOrNull(data.get(key)),
  set: (data, [, key = '', value = '']) => {
    data.set(key, value);
    return '+OK\r\n';
  },
  mset: (data, args) => {
    for (let at = 1; at < args.length; at += 2) data.set(args[at] ?? '', args[at + 1] ?? '');
    return '+OK\r\n';
  },
  mget: (data, args) => arrayReply(args.slice(1).map((key) => bulkOrNull(data.get(key)))),
  incr: (data, [, key = '']) => {
    const value = Number(data.get(key) ?? '0') + 1;
    if (!Number.isInteger(value)) return errorReply('ERR value is not an integer or out of range');
    data.set(key, String(value));
    return integerReply(value);
  },
  del: (data, args) => count(args.slice(1), (key) => data.delete(key)),
  unlink: (data, args) => count(args.slice(1), (key) => data.delete(key)),
  exists: (data, args) => count(args.slice(1), (key) => data.has(key)),
  dbsize: (data) => integerReply(data.size),
  keys: (data) => arrayReply([...data.keys()].map(bulkReply)),
  randomkey: (data) => bulkOrNull([...data.keys()][0]),
  flushall: (data) => {
    data.clear();
    return '+OK\r\n';
  },
  scan: (data, [, cursor = '0']) => {
    const from = Number(cursor);
    const keys = [...data.keys()].slice(from, from + scanStep);
    const next = from + scanStep < data.size ? from + scanStep : 0;
    return arrayReply([bulkReply(String(next)), arrayReply(keys.map(bulkReply))]);
  },
};

export class ToyShard {
  readonly #databases = new Map<number, Map<string, string>>();
  readonly #decoder = new RequestDecoder();

  runBytes(database: number, bytes: Uint8Array): string {
    this.#decoder.push(bytes as Buffer);
    if (!this.#decoder.next()) throw new Error('a submission is one whole command');
    const args: string[] = [];
    for (let at = 0; at < this.#decoder.argc; at += 1) args.push(this.#decoder.argLatin1(at));
    return this.run(database, args);
  }

  run(database: number, args: readonly string[]): string {
    const row = rows[(args[0] ?? '').toLowerCase()];
    if (row === undefined) return errorReply(`ERR the toy shard has no '${args[0] ?? ''}'`);
    let data = this.#databases.get(database);
    if (data === undefined) this.#databases.set(database, (data = new Map<string, string>()));
    return row(data, args);
  }

  databases(): { database: number; keys: number; expires: number }[] {
    return [...this.#databases].map(([database, data]) => {
      return { database, keys: data.size, expires: 0 };
    });
  }
}
