/**
 * Takes the bytes of a client's socket apart into commands, without copying an argument.
 *
 * It owns the bytes that do not make a whole command yet, and what Redis accepts as a command: an array of
 * bulk strings, or an inline line. It knows no command, and never allocates by a length that a client announced.
 *
 * A command that lies whole in one chunk (nearly all do) is given as offsets into that chunk. What is left at the end of a
 * chunk moves to a buffer that grows by half or more each time, so that a command of n bytes costs O(n), however it is cut up.
 * The parse goes on where it stopped. A bulk of announced length waits until it is there; the bytes are not looked at before.
 *
 * Limits and messages are those of Redis 7 (networking.c, processInlineBuffer and processMultibulkBuffer), except that
 * an array has at most 1,048,576 elements, as in Redis 6, and that a command larger than the query buffer is answered with an
 * error instead of silence. Like Redis it does not look at the byte behind a `\r`, nor at the two behind a bulk; a command
 * where they are not what they should be is encoded anew, so that nobody behind the decoder has to be as lenient.
 */

import { encodeCommand } from './encoder.ts';
import { splitInline } from './inline.ts';

/** Bounds of one request; what exceeds them is a protocol error, after which the connection must be closed. */
export interface RequestLimits {
  /** Elements of an array, the command's name included. */
  readonly argumentsMax: number;
  /** Bytes of one argument (`proto-max-bulk-len`). */
  readonly bulkBytesMax: number;
  /** Bytes of an inline command, and of the line before an array or a bulk. */
  readonly inlineBytesMax: number;
  /** Bytes of a whole command (`client-query-buffer-limit`); with what is put around it, it must fit a frame between nodes. */
  readonly queryBytesMax: number;
}

export const defaultRequestLimits: RequestLimits = {
  argumentsMax: 1024 * 1024,
  bulkBytesMax: 512 * 1024 * 1024,
  inlineBytesMax: 64 * 1024,
  // Redis allows 1 GB; this is one argument of the largest size, and room for those beside it.
  queryBytesMax: 512 * 1024 * 1024 + 64 * 1024,
};

const emptyBuffer: Buffer = Buffer.alloc(0);

/** Room for the offsets of this many arguments at first; it doubles as they arrive. */
const argumentsAtFirst = 16;

const asterisk = 0x2a;
const dollar = 0x24;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const zero = 0x30;

/** A number of at most so many digits is read without BigInt and compares exactly. */
const shortDigits = 10;

const headerIncomplete = -1;
const headerInvalid = -2;
const headerNegative = -3;

export class RequestDecoder {
  readonly #limits: RequestLimits;
  #error: string | undefined;

  /*
   * The bytes not yet yielded: #buffer from #start to #length. #at is where the parse goes on.
   * Invariant: #start <= #at <= #length; the bytes before #start are never written again, as views of them are out.
   */
  #buffer: Buffer = emptyBuffer;
  #length = 0;
  #start = 0;
  #at = 0;
  /** Whether bytes may be appended to #buffer behind #length. */
  #isOwned = false;

  /** Arguments still to come of the array under way; 0 before its header. */
  #wanted = 0;
  /** The length of the bulk under way, -1 before its header. */
  #bulk = -1;
  #isRegular = true;
  /** Arguments found, as offsets from #start: start and end of each. */
  #offsets = new Int32Array(argumentsAtFirst * 2);
  #found = 0;

  /* The command last yielded: a view that stays valid whatever is pushed. */
  #view: Buffer = emptyBuffer;
  #viewStart = 0;
  #viewEnd = 0;
  #argc = 0;

  constructor(limits: RequestLimits = defaultRequestLimits) {
    this.#limits = limits;
  }

  /** The text of a protocol error without `-ERR `; nothing is decoded after one. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Bytes that have been pushed and not yielded. */
  get bufferedBytes(): number {
    return this.#length - this.#start;
  }

  /** Arguments of the command yielded last, its name included; at least 1. */
  get argc(): number {
    return this.#argc;
  }

  /** The bytes that `argStart` and `argEnd` point into. */
  get view(): Buffer {
    return this.#view;
  }

  argStart(position: number): number {
    return this.#viewStart + (this.#offsets[position * 2] ?? 0);
  }

  argEnd(position: number): number {
    return this.#viewStart + (this.#offsets[position * 2 + 1] ?? 0);
  }

  /** A view, not a copy; valid as long as somebody holds it. */
  arg(position: number): Buffer {
    return this.#view.subarray(this.argStart(position), this.argEnd(position));
  }

  argLatin1(position: number): string {
    return this.#view.toString('latin1', this.argStart(position), this.argEnd(position));
  }

  /** All arguments, as views. */
  args(): Buffer[] {
    const args: Buffer[] = [];
    for (let position = 0; position < this.#argc; position += 1) args.push(this.arg(position));
    return args;
  }

  /** The command as a well-formed array of bulk strings: a view of what the client sent, or for an inline command a new buffer. */
  commandBytes(): Buffer {
    return this.#view.subarray(this.#viewStart, this.#viewEnd);
  }

  /** Hands over the next bytes of the stream; they must not be written afterwards. */
  push(chunk: Buffer): void {
    if (this.#error !== undefined) return;
    if (this.#start === this.#length) {
      this.#buffer = chunk;
      this.#length = chunk.length;
      this.#start = 0;
      this.#at = 0;
      this.#isOwned = false;
      return;
    }
    this.#append(chunk);
  }

  /**
   * Goes on to the next whole command. False: more bytes are needed, or `error` is set. Arguments of the
   * command before are no longer to be asked for; views taken of them stay valid.
   */
  next(): boolean {
    if (this.#error !== undefined) return false;
    for (;;) {
      if (this.#wanted === 0) {
        if (this.#at === this.#length) return this.#exhausted();
        if (this.#buffer[this.#at] !== asterisk) {
          const found = this.#inline();
          if (found === 'blank') continue;
          return found === 'command';
        }
        const count = this.#header(this.#limits.argumentsMax);
        if (count === headerIncomplete) return this.#short('mbulk count string');
        if (count === headerInvalid) return this.#fail('invalid multibulk length');
        if (count <= 0) {
          this.#start = this.#at;
          this.#isRegular = true;
          continue;
        }
        this.#wanted = count;
        this.#found = 0;
      }
      return this.#bulks();
    }
  }

  /** Reads the arguments of the array under way. True: the command is whole and yielded. */
  #bulks(): boolean {
    while (this.#wanted > 0) {
      if (this.#bulk < 0) {
        if (this.#at === this.#length) return this.#short('bulk count string');
        if (this.#buffer[this.#at] !== dollar) {
          // As in Redis the complaint waits for a whole line.
          if (this.#endOfLine() < 0) return this.#short('bulk count string');
          const got = this.#buffer
            .toString('latin1', this.#at, this.#at + 1)
            .replace(/[\r\n]/u, ' ');
          return this.#fail(`expected '$', got '${got}'`);
        }
        const bytes = this.#header(this.#limits.bulkBytesMax);
        if (bytes === headerIncomplete) return this.#short('bulk count string');
        if (bytes < 0) return this.#fail('invalid bulk length');
        if (this.#at - this.#start + bytes + 2 > this.#limits.queryBytesMax) {
          return this.#fail('too big query');
        }
        this.#bulk = bytes;
      }
      const end = this.#at + this.#bulk;
      if (end + 2 > this.#length) return false;
      this.#keepOffsets(this.#at - this.#start, end - this.#start);
      if (this.#buffer[end] !== carriageReturn || this.#buffer[end + 1] !== lineFeed) {
        this.#isRegular = false;
      }
      this.#at = end + 2;
      this.#bulk = -1;
      this.#wanted -= 1;
    }
    this.#yield();
    return true;
  }

  #keepOffsets(start: number, end: number): void {
    const place = this.#found * 2;
    if (place === this.#offsets.length) {
      const wider = new Int32Array(this.#offsets.length * 2);
      wider.set(this.#offsets);
      this.#offsets = wider;
    }
    this.#offsets[place] = start;
    this.#offsets[place + 1] = end;
    this.#found += 1;
  }

  #yield(): void {
    this.#view = this.#buffer;
    this.#viewStart = this.#start;
    this.#viewEnd = this.#at;
    this.#argc = this.#found;
    this.#start = this.#at;
    // What comes next gets a buffer of its own, lest a small rest keep a large one alive.
    this.#isOwned = false;
    if (!this.#isRegular) {
      this.#isRegular = true;
      this.#yieldArguments(this.args());
    }
  }

  /** Makes a new, well-formed command of arguments the command yielded. */
  #yieldArguments(args: readonly Uint8Array[]): void {
    const encoded = encodeCommand(args);
    this.#found = 0;
    let end = encoded.length;
    const starts: number[] = [];
    for (let position = args.length - 1; position >= 0; position -= 1) {
      const bytes = args[position]?.length ?? 0;
      starts.push(end - 2 - bytes);
      end -= 2 + bytes + 3 + String(bytes).length;
    }
    for (const argument of args) {
      const start = starts.pop() ?? 0;
      this.#keepOffsets(start, start + argument.length);
    }
    this.#view = encoded;
    this.#viewStart = 0;
    this.#viewEnd = encoded.length;
    this.#argc = args.length;
  }

  /** Reads a line as an inline command. `short`: more bytes are needed, or `error` is set. */
  #inline(): 'command' | 'blank' | 'short' {
    const newline = this.#buffer.indexOf(lineFeed, this.#at);
    if (newline < 0 || newline >= this.#length) {
      if (this.#length - this.#at > this.#limits.inlineBytesMax) {
        this.#fail('too big inline request');
      }
      return 'short';
    }
    const hasReturn = newline > this.#at && this.#buffer[newline - 1] === carriageReturn;
    const line = this.#buffer.toString('latin1', this.#at, hasReturn ? newline - 1 : newline);
    const args = splitInline(line);
    if (args === undefined) {
      this.#fail('unbalanced quotes in request');
      return 'short';
    }
    this.#at = newline + 1;
    this.#start = this.#at;
    if (args.length === 0) return 'blank';
    this.#yieldArguments(args.map((argument) => Buffer.from(argument, 'latin1')));
    return 'command';
  }

  /** The number between the type byte at #at and its line's end, with #at moved behind the line; or one of the codes above. */
  #header(max: number): number {
    const buffer = this.#buffer;
    const first = this.#at + 1;
    let at = first;
    let value = 0;
    let digit = at < this.#length ? (buffer[at] ?? 0) - zero : -1;
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      at += 1;
      digit = at < this.#length ? (buffer[at] ?? 0) - zero : -1;
    }
    const isPlain =
      at > first && at - first <= shortDigits && (buffer[first] !== zero || at === first + 1);
    if (!isPlain || at + 1 >= this.#length || buffer[at] !== carriageReturn) {
      return this.#headerSlowly(max);
    }
    if (value > max) return headerInvalid;
    if (buffer[at + 1] !== lineFeed) this.#isRegular = false;
    this.#at = at + 2;
    return value;
  }

  #headerSlowly(max: number): number {
    const end = this.#endOfLine();
    if (end < 0) return headerIncomplete;
    const text = this.#buffer.toString('latin1', this.#at + 1, Math.min(end, this.#at + 22));
    if (!/^(?:0|-?[1-9]\d{0,18})$/u.test(text)) return headerInvalid;
    const value = BigInt(text);
    if (value > BigInt(max) || BigInt.asIntN(64, value) !== value) return headerInvalid;
    if (this.#buffer[end + 1] !== lineFeed) this.#isRegular = false;
    this.#at = end + 2;
    return value < 0n ? headerNegative : Number(value);
  }

  /** Where the `\r` of the line at #at is, once the byte behind it is there too; else -1. */
  #endOfLine(): number {
    const end = this.#buffer.indexOf(carriageReturn, this.#at);
    return end < 0 || end + 1 >= this.#length ? -1 : end;
  }

  /** More bytes are needed to end a line; false, perhaps with an error. */
  #short(line: string): false {
    const end = this.#buffer.indexOf(carriageReturn, this.#at);
    const isOpen = end < 0 || end >= this.#length;
    if (isOpen && this.#length - this.#at > this.#limits.inlineBytesMax) {
      return this.#fail(`too big ${line}`);
    }
    return false;
  }

  #fail(text: string): false {
    this.#error = `Protocol error: ${text}`;
    this.#drop();
    return false;
  }

  #exhausted(): false {
    this.#drop();
    return false;
  }

  /** Lets go of the chunk, so that an idle connection holds none. */
  #drop(): void {
    this.#buffer = emptyBuffer;
    this.#length = 0;
    this.#start = 0;
    this.#at = 0;
    this.#isOwned = false;
  }

  #append(chunk: Buffer): void {
    const have = this.#length - this.#start;
    const total = have + chunk.length;
    if (total > this.#limits.queryBytesMax + chunk.length) {
      this.#fail('too big query');
      return;
    }
    if (!this.#isOwned || this.#buffer.length - this.#length < chunk.length) {
      const need = this.#bulk < 0 ? total : this.#at - this.#start + this.#bulk + 2;
      // Announced length counts only up to twice of what has arrived.
      const grown = need >= have * 1.5 ? Math.min(need, have * 2) : have * 2;
      const wider = Buffer.allocUnsafeSlow(chunk.length >= have ? total : Math.max(total, grown));
      this.#buffer.copy(wider, 0, this.#start, this.#length);
      this.#buffer = wider;
      this.#at -= this.#start;
      this.#start = 0;
      this.#length = have;
      this.#isOwned = true;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length += chunk.length;
  }
}
