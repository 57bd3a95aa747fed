/**
 * A command's arguments as the table's functions look at them.
 */

/** The name is argument 0. A request decoder fits, and so does a list of words. */
export interface CommandArguments {
  readonly argc: number;
  /** One char a byte. */
  argLatin1(position: number): string;
}
