/**
 * From a request to its row in the command table: the second station of the straight line.
 *
 * Owns the order in which Redis looks at a command: its name, its subcommand, the number of its arguments.
 */

import { moduleRefusal } from '../command/refused.ts';
import { allCommands, fitsArity, type CommandSpec } from '../command/table.ts';
import type { RequestDecoder } from '../resp/decoder.ts';
import { errorReply } from '../resp/encoder.ts';
import { CommandNames } from './command-names.ts';
import {
  stringTooLongReply,
  unknownCommandReply,
  unknownSubcommandReply,
  wrongArityReply,
} from './error-replies.ts';

/**
 * Of a whole command. Engines hold one as a string, with a little around it, and a string ends at 2^29 - 24: a longer one must not reach the
 * log, where it would stop every replica.
 */
const commandBytesMax = 2 ** 29 - 2 ** 16;

export class Classifier {
  readonly #names = new CommandNames(allCommands());

  /** The command's row, which its number of arguments fits; or the error that it is answered with. */
  classify(request: RequestDecoder): CommandSpec | string {
    if (request.commandBytes().length > commandBytesMax) return stringTooLongReply;
    let spec = this.#names.find(request.view, request.argStart(0), request.argEnd(0));
    if (spec === undefined) return unknownReply(request);
    if (spec.subcommands !== undefined && request.argc > 1) {
      const subcommand = request.argLatin1(1);
      const container = spec.name;
      spec = spec.subcommands.get(subcommand.toLowerCase());
      if (spec === undefined) return unknownSubcommandReply(container, subcommand);
    }
    return fitsArity(spec, request.argc) ? spec : wrongArityReply(spec.name);
  }
}

function unknownReply(request: RequestDecoder): string {
  const args = request.args().map((argument) => argument.toString('latin1'));
  const module = moduleRefusal(args[0] ?? '');
  return module === undefined ? unknownCommandReply(args) : errorReply(module);
}
