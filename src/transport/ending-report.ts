/**
 * What the end of a connection means: a line for the log, a proof that held, or a refusal for the layer above.
 *
 * Owns the words. Must never pass on a refusal that came from a dialler who has not proved itself.
 */

import { assert } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Dialler } from './dialler.ts';
import type { SecretVerdict } from './secret-verdict.ts';
import type { Ending, Party, TcpConnection } from './tcp-connection.ts';
import type { Refusal } from './transport.ts';
import type { WarningBudget } from './warning-budget.ts';

export interface EndingReportOptions {
  readonly self: NodeId;
  readonly logger: Logger;
  readonly warnings: WarningBudget;
  readonly secrets: SecretVerdict;
  readonly onRefused: (peer: NodeId, refusal: Refusal) => void;
}

export class EndingReport {
  readonly #options: EndingReportOptions;

  constructor(options: EndingReportOptions) {
    this.#options = options;
  }

  /** A connection that was established. */
  lost(connection: TcpConnection, party: Party, ending: Ending): void {
    const { logger } = this.#options;
    const fields = { peer: party.hello.nodeId, lane: party.lane, remote: connection.remote };
    if (ending.kind === 'protocol') {
      logger.warn({ ...fields, sent: ending.reason }, 'connection closed: the peer sent garbage');
    } else if (ending.kind === 'broken') {
      logger.info({ ...fields, reason: ending.reason }, 'connection to peer lost');
    }
  }

  /** Somebody dialled and did not get in. Nothing here can stop a node, unless a peer proved itself first. */
  stranger(connection: TcpConnection, ending: Ending): void {
    const { logger, warnings, secrets, onRefused } = this.#options;
    const { remote } = connection;
    switch (ending.kind) {
      case 'broken':
        logger.debug({ remote, reason: ending.reason }, 'connection ended early');
        break;
      case 'protocol':
        warnings.warn({ remote, sent: ending.reason }, 'refused a connection that is no peer');
        break;
      case 'secret':
        warnings.warn({ remote }, 'refused a peer whose clusterSecret is not ours');
        break;
      case 'refused':
        warnings.warn({ remote, reason: ending.refusal.reason }, 'refused by a dialling peer');
        if (ending.peer === undefined) break;
        secrets.proved();
        onRefused(ending.peer, ending.refusal);
        break;
      case 'we-refused': {
        const { peer, refusal } = ending;
        secrets.proved();
        warnings.warn({ remote, peer, reason: refusal.reason }, 'refused a peer');
        break;
      }
      case 'wrong-node':
      case 'probed':
        assert(false, 'only a dialler looks for a node');
    }
  }

  /** A connection that this node dialled and that did not become a lane. */
  dialled(connection: TcpConnection, dialler: Dialler, ending: Ending): void {
    const { self, logger, secrets, onRefused } = this.#options;
    const { peer, lane } = dialler;
    const { remote } = connection;
    const tell = (message: string, reason: string): void => {
      if (dialler.isNews(`${message} ${reason}`)) {
        logger.warn({ peer, lane, remote, reason }, message);
      }
    };
    switch (ending.kind) {
      case 'broken':
        if (lane !== 'probe') tell('cannot reach peer, trying again', ending.reason);
        break;
      case 'protocol':
        tell("what listens at the peer's address is no peer", ending.reason);
        break;
      case 'secret': {
        const kind = secrets.mismatched(peer);
        const reason = `clusterSecret of this node does not match that of node ${peer} at ${remote}: set the same clusterSecret on all nodes`;
        tell('the secrets differ', reason);
        onRefused(peer, { kind, reason });
        break;
      }
      case 'wrong-node': {
        if (ending.found !== self) secrets.proved();
        const reason = `at ${remote}, the address of node ${peer}, is node ${ending.found}: check the addresses of the peers`;
        tell('another node at the address', reason);
        onRefused(peer, { kind: 'later', reason });
        break;
      }
      case 'refused':
        if (ending.peer !== undefined) secrets.proved();
        tell('peer refused this node', ending.refusal.reason);
        onRefused(peer, ending.refusal);
        break;
      case 'we-refused':
        secrets.proved();
        tell('this node refused the peer', ending.refusal.reason);
        break;
      case 'probed':
        secrets.proved();
    }
  }
}
