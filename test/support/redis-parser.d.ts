declare module 'redis-parser' {
  export interface ParserOptions {
    readonly returnReply: (reply: Buffer[]) => void;
    readonly returnError: (error: Error) => void;
    readonly returnBuffers: boolean;
  }

  // The package has a CommonJS default export.
  // oxlint-disable-next-line import/no-default-export
  export default class RedisParser {
    constructor(options: ParserOptions);
    execute(bytes: Buffer): void;
  }
}
