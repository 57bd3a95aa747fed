/**
 * From a key to one of 1,024 fixed hash slots: `xxhash64(tag or key) mod 1024`.
 *
 * The tag is as in Redis Cluster: what stands between the first `{` and the first `}` behind it, if that is not
 * empty. Keys with one tag share a slot, and so a shard. The database does not enter the hash.
 */

import xxhash from 'xxhash-wasm';

/** Fixed for good: shard maps on disk count on it. */
export const slotCount = 1024;

const open = 0x7b;
const close = 0x7d;

/** Gives a key's slot, 0…1,023. Neither keeps nor changes the key. */
export type Slotter = (key: Uint8Array) => number;

/** Slots are cheap once the hash's module has been loaded, which takes a moment. */
export async function createSlotter(): Promise<Slotter> {
  const hash = await xxhash();
  return (key) => Number(hash.h64Raw(hashedPart(key)) & 1023n);
}

/** The tag, or the whole key where it has none. */
export function hashedPart(key: Uint8Array): Uint8Array {
  const start = key.indexOf(open);
  if (start < 0) return key;
  const end = key.indexOf(close, start + 1);
  return end <= start + 1 ? key : key.subarray(start + 1, end);
}
