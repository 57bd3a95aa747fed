/**
 * What origins send to a leader before it serves: kept in order, and taken in once it does.
 *
 * Origins send again what has no answer, which takes the place of what came before, so there is never more than their windows allow.
 */

import type { NodeId } from '../base/ids.ts';
import type { Group } from './batch.ts';

export interface EarlyGroup {
  readonly from: NodeId;
  readonly group: Group;
}

export class EarlyGroups {
  readonly #groups = new Map<string, EarlyGroup>();

  add(from: NodeId, group: Group): void {
    const key =
      group.kind === 'open'
        ? `open ${group.node}/${group.member}/${group.incarnation}/${group.nonce}`
        : `${group.session}/${group.sequence}`;
    this.#groups.set(key, { from, group });
  }

  /** All of them, in order; none is left. */
  take(): readonly EarlyGroup[] {
    const groups = [...this.#groups.values()];
    this.#groups.clear();
    return groups;
  }
}
