/**
 * How Redis compares the words among a command's arguments.
 */

/** Redis compares options as C strings: case does not count, and a NUL ends them. */
export function option(arg: string): string {
  const end = arg.indexOf('\0');
  return (end < 0 ? arg : arg.slice(0, end)).toLowerCase();
}
