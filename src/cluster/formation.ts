/**
 * How empty directories become one cluster, exactly once, and who may connect to whom ever after.
 *
 * A cluster forms only when all configured members are present, empty and agree on the configuration. The member
 * with the lowest node id draws the cluster's id and proposes it with every member's identity (`propose`). Each
 * makes that durable as `agreed` and says so; only when all have is it `formed`, and only then does anybody vote. The
 * proposer makes its own part durable first, so after a crash at any point the same proposal is made again.
 *
 * A directory is an identity: an empty one under a known node id is another member, and is refused until the old one is
 * replaced; otherwise two wiped nodes could form an empty cluster beside the third that has the data. So is a
 * directory that a peer remembers in a later incarnation: an older copy has been put back.
 *
 * A cluster that has formed grows by candidates: empty directories that were started to join. They may connect, and wait
 * until the meta group's table has them; then any member tells them what the cluster was formed with (`welcome`), and they
 * follow its log from the beginning. Who was removed, and is in no group any more, is told so by the others, and stops.
 *
 * Refusals are `fatal` only for the side that cannot be right: the one that is new, unknown or older. Two new nodes that
 * disagree are both wrong until somebody looks.
 */

import { createHash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { NodeError } from '../base/errors.ts';
import { clusterId, type ClusterId, type NodeId } from '../base/ids.ts';
import type { Identity, MemberIdentity } from '../log/log.ts';
import type { Namespace } from '../shard/namespace.ts';
import type { Address, Hello, Refusal } from '../transport/transport.ts';
import { encodeGreeting, parseGreeting, phases, type MemberGreeting } from './greeting.ts';
import type { Candidate, Members } from './membership.ts';
import { parseJson, parseMembers } from './meta-state.ts';

export interface FormationOptions {
  readonly identity: Identity;
  /** Configured node ids, ascending, this node's among them. */
  readonly members: readonly NodeId[];
  readonly shards: number;
  readonly engine: string;
  /** Where this node listens for peers. */
  readonly address: Address;
  /** An empty directory is to join a cluster that has formed, and never to form one. */
  readonly isJoining: boolean;
  /** Who the members are now; undefined while that is not known. */
  readonly table: () => Members | undefined;
  /** The node was removed, and is in no group any more. Until then its vote may be needed to let it go. */
  readonly isGone: (node: NodeId) => boolean;
  /** What the cluster begins with. */
  readonly namespaces: readonly Namespace[];
  /** Makes an identity durable before it resolves. */
  readonly save: (identity: Identity) => Promise<void>;
  readonly newClusterId: () => ClusterId;
  readonly send: (peer: NodeId, payload: Uint8Array) => void;
  /** Whether there is room for a proxy that may come. */
  readonly admitProxy: (peer: Hello) => Refusal | undefined;
  /** The cluster has formed, now or in an earlier life; called once. */
  readonly onFormed: (identity: Identity) => void;
  readonly onFatal: (error: NodeError) => void;
  /** This node is a member no longer. May be called again. */
  readonly onRemoved: () => void;
  /**
   * This node and the peer that is being judged are configured differently, and both must stop. Not at once: the peer
   * has yet to hear why. May be called again meanwhile.
   */
  readonly onDisagreement: (error: NodeError) => void;
}

interface Proposal {
  readonly clusterId: ClusterId;
  readonly members: readonly MemberIdentity[];
  readonly shards: number;
}

type Note =
  | ({ readonly kind: 'propose' | 'welcome' } & Proposal)
  | { readonly kind: 'removed'; readonly clusterId: ClusterId }
  | { readonly kind: 'agree'; readonly clusterId: ClusterId }
  | { readonly kind: 'formed'; readonly clusterId: ClusterId };

export class Formation {
  readonly #options: FormationOptions;
  #identity: Identity;
  /** Peers that are connected, as they introduced themselves. */
  readonly #hellos = new Map<NodeId, Hello>();
  readonly #agreed = new Set<NodeId>();
  readonly #incarnations = new Map<string, number>();
  /** Saves run one after the other. */
  #saving: Promise<void> = Promise.resolve();
  #isAnnounced = false;

  constructor(options: FormationOptions) {
    this.#options = options;
    this.#identity = options.identity;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** Goes on where an earlier life stopped; a cluster of one forms at once. */
  start(): void {
    if (this.#identity.phase === 'formed') this.#announce();
    else this.#propose();
  }

  hello(): Hello {
    const { nodeId, memberId, incarnation, clusterId: cluster, phase } = this.#identity;
    const { members, shards, engine, address, isJoining, namespaces: rows } = this.#options;
    const namespaces = digestOf(rows);
    const said = {
      role: 'member',
      phase,
      members,
      shards,
      engine,
      namespaces,
      address,
      isJoining,
    } as const;
    const greeting = encodeGreeting(said);
    return { nodeId, memberId, incarnation, clusterId: cluster, greeting };
  }

  /** Judges a peer that has shown that it knows the secret. */
  verify(peer: Hello): Refusal | undefined {
    const greeting = parseGreeting(peer.greeting);
    if (greeting === undefined) {
      return later(`node ${peer.nodeId} sent a greeting that this version does not know`);
    }
    if (greeting.role === 'proxy') return this.#verifyProxy(peer);
    const known = this.#incarnations.get(peer.memberId) ?? 0;
    if (peer.incarnation < known) {
      return fatal(
        `the data directory of node ${peer.nodeId} is an older copy (start ${peer.incarnation}, node ` +
          `${this.#identity.nodeId} has seen start ${known}): what it acknowledged since is missing, so it must not vote; put the latest directory back`,
      );
    }
    const isForming = this.#identity.phase !== 'formed' && greeting.phase !== 'formed';
    const refusal = isForming
      ? this.#verifyForming(peer, greeting)
      : this.#identity.phase === 'new'
        ? undefined
        : this.#verifyMember(peer, greeting);
    if (refusal === undefined) this.#incarnations.set(peer.memberId, peer.incarnation);
    return refusal;
  }

  connected(peer: NodeId, hello: Hello): void {
    const greeting = parseGreeting(hello.greeting);
    if (greeting?.role !== 'member') return;
    this.#hellos.set(peer, hello);
    const { clusterId: cluster, phase } = this.#identity;
    if (phase === 'formed' && cluster !== undefined) {
      if (greeting.phase !== 'formed') {
        this.#send(peer, { kind: 'formed', clusterId: cluster });
        this.#welcome();
      }
      return;
    }
    this.#propose();
  }

  /** Empty directories that wait to be added. */
  candidates(): readonly Candidate[] {
    const known = this.#members();
    return [...this.#hellos.values()].flatMap(({ nodeId, memberId, greeting }) => {
      const said = candidateGreeting(greeting);
      const isKnown = known.some((member) => member.nodeId === nodeId);
      return said === undefined || isKnown ? [] : [{ nodeId, memberId, address: said.address }];
    });
  }

  /** The table of members has changed, or somebody is gone: who came in is welcomed, who is out hears it. */
  membersChanged(): void {
    const { clusterId: cluster } = this.#identity;
    if (cluster === undefined) return;
    for (const peer of this.#hellos.keys()) {
      if (this.#options.isGone(peer)) this.#send(peer, { kind: 'removed', clusterId: cluster });
    }
    this.#welcome();
  }

  disconnected(peer: NodeId): void {
    this.#hellos.delete(peer);
    this.#agreed.delete(peer);
  }

  /** False where the frame makes no sense. */
  receive(from: NodeId, payload: Uint8Array): boolean {
    const note = parseNote(payload);
    // Only members form a cluster.
    if (note === undefined || !this.#hellos.has(from)) return false;
    switch (note.kind) {
      case 'propose':
        this.#agree(from, note);
        return true;
      case 'agree':
        if (note.clusterId === this.#identity.clusterId) {
          this.#agreed.add(from);
          this.#complete();
        }
        return true;
      case 'formed':
        if (note.clusterId === this.#identity.clusterId) this.#form();
        return true;
      case 'welcome':
        this.#join(note);
        return true;
      case 'removed':
        if (note.clusterId === this.#identity.clusterId) this.#options.onRemoved();
        return true;
    }
  }

  /** A proxy takes no part in forming: it may come before, and must belong to no other cluster afterwards. */
  #verifyProxy(peer: Hello): Refusal | undefined {
    const { clusterId: cluster, nodeId: here, members } = this.#identity;
    if (cluster !== undefined && peer.clusterId !== undefined && peer.clusterId !== cluster) {
      return later(
        `proxy ${peer.nodeId} belongs to cluster ${peer.clusterId}, node ${here} to ${cluster}; ` +
          'correct the address of this node in the configuration of the proxy',
      );
    }
    const isMember = [...this.#options.members, ...members.map(({ nodeId }) => nodeId)].includes(
      peer.nodeId,
    );
    if (isMember) {
      return fatal(
        `node ${peer.nodeId} is a member of the cluster, so no proxy can have its id; give the proxy another nodeId, or none`,
      );
    }
    return this.#options.admitProxy(peer);
  }

  /** Both sides are still forming: they must be configured alike, and remember the same proposal if any. */
  #verifyForming(peer: Hello, greeting: MemberGreeting): Refusal | undefined {
    const { members, isJoining } = this.#options;
    if (isJoining || greeting.isJoining) {
      const waiting = isJoining ? this.#identity.nodeId : peer.nodeId;
      return later(`node ${waiting} waits to join a cluster that has formed`);
    }
    const difference = this.#difference(peer.nodeId, greeting);
    if (difference !== undefined) {
      const reason = `the nodes disagree: ${difference}; give all members the same configuration and start them again`;
      this.#options.onDisagreement(new NodeError('config-invalid', reason));
      return fatal(reason);
    }
    if (this.#identity.phase === 'agreed') return this.#verifyMember(peer, greeting);
    if (!members.includes(peer.nodeId)) {
      return fatal(
        `node ${peer.nodeId} is not among the members of node ${this.#identity.nodeId}: add it there`,
      );
    }
    return undefined;
  }

  /** In what a peer is configured otherwise than this node, if in anything that a cluster agrees on. */
  #difference(peer: NodeId, greeting: MemberGreeting): string | undefined {
    const { members, shards, engine, namespaces } = this.#options;
    const here = this.#identity.nodeId;
    const compared = [
      ['shards is', `${shards}`, `${greeting.shards}`],
      ['the members are', members.join(', '), greeting.members.join(', ')],
      ['engine is', engine, greeting.engine],
      ['namespaces are', digestOf(namespaces), greeting.namespaces],
    ] as const;
    const found = compared.find(([, own, other]) => own !== other);
    if (found === undefined) return undefined;
    const [what, own, other] = found;
    if (what === 'namespaces are') return `namespaces differ between node ${here} and node ${peer}`;
    return `${what} ${own} at node ${here} and ${other} at node ${peer}`;
  }

  /** This node knows the cluster's members: the peer must be one of them, under the member id of that time. */
  #verifyMember(peer: Hello, greeting: MemberGreeting): Refusal | undefined {
    const { clusterId: cluster } = this.#identity;
    const members = this.#members();
    if (peer.clusterId !== undefined && peer.clusterId !== cluster) {
      return later(
        `node ${peer.nodeId} belongs to cluster ${peer.clusterId}, node ${this.#identity.nodeId} to ${cluster ?? 'none'}; ` +
          'one of them is configured with an address of the other cluster',
      );
    }
    if (this.#options.isGone(peer.nodeId)) {
      return fatal(
        `node ${peer.nodeId} was removed from cluster ${cluster ?? ''}: its data directory is of no more use, and its id is never used again`,
      );
    }
    const member = members.find(({ nodeId }) => nodeId === peer.nodeId);
    if (member === undefined) {
      // A candidate; or a member that was added while this node was away, and does not know it yet.
      const isOurs = cluster !== undefined && peer.clusterId === cluster;
      if (isOurs || (greeting.isJoining && greeting.phase === 'new')) return undefined;
      return fatal(
        `node ${peer.nodeId} is not a member of cluster ${cluster ?? ''} (members ${listed(members)}); ` +
          'start it with an empty data directory and bootstrap join, then run outrigger member add',
      );
    }
    if (member.memberId === peer.memberId) return undefined;
    return fatal(
      `node ${peer.nodeId} is member ${member.memberId} of cluster ${cluster ?? ''}, but its data directory says ` +
        `${peer.memberId}: it was wiped or exchanged; put the directory back, or remove the member (outrigger member remove) and add another under a new id`,
    );
  }

  /** As the meta group has them, as far as this node knows it. */
  #members(): readonly MemberIdentity[] {
    return this.#options.table()?.members ?? this.#identity.members;
  }

  /** Tells candidates that are members now what the cluster was formed with. */
  #welcome(): void {
    const { phase, clusterId: cluster, members, shards } = this.#identity;
    if (phase !== 'formed' || cluster === undefined) return;
    const known = this.#options.table()?.members ?? [];
    for (const [peer, { memberId, greeting }] of this.#hellos) {
      if (candidateGreeting(greeting) === undefined) continue;
      if (!known.some((member) => member.nodeId === peer && member.memberId === memberId)) continue;
      this.#send(peer, { kind: 'welcome', clusterId: cluster, members, shards });
    }
  }

  #join({ clusterId: cluster, members, shards }: Proposal): void {
    if (!this.#options.isJoining || this.#identity.phase !== 'new') return;
    if (shards !== this.#options.shards) {
      this.#options.onFatal(
        new NodeError(
          'config-invalid',
          `shards is ${this.#options.shards}, but the cluster was formed with ${shards}: set shards to ${shards}`,
        ),
      );
      return;
    }
    this.#save({ ...this.#identity, phase: 'formed', clusterId: cluster, members, shards }, () =>
      this.#announce(),
    );
  }

  /** The member with the lowest id proposes, again after each new connection, until all have agreed. */
  #propose(): void {
    const { members, shards } = this.#options;
    if (this.#identity.nodeId !== members[0] || this.#identity.phase === 'formed') return;
    if (this.#options.isJoining) return;
    const others = members.slice(1);
    if (!others.every((member) => this.#hellos.has(member))) return;
    if (this.#identity.phase === 'agreed') {
      this.#sendProposal();
      return;
    }
    const identities: MemberIdentity[] = [
      { nodeId: this.#identity.nodeId, memberId: this.#identity.memberId },
    ];
    for (const member of others) {
      const hello = this.#hellos.get(member);
      assert(hello !== undefined, 'all members are connected');
      identities.push({ nodeId: member, memberId: hello.memberId });
    }
    const cluster = this.#options.newClusterId();
    this.#save(
      { ...this.#identity, phase: 'agreed', clusterId: cluster, members: identities, shards },
      () => this.#sendProposal(),
    );
  }

  #sendProposal(): void {
    const { clusterId: cluster, members, shards } = this.#identity;
    assert(cluster !== undefined, 'a proposal has a cluster id');
    for (const { nodeId } of members.slice(1)) {
      this.#send(nodeId, { kind: 'propose', clusterId: cluster, members, shards });
    }
    this.#complete();
  }

  #agree(from: NodeId, proposal: Proposal): void {
    const { nodeId, memberId, phase, clusterId: cluster } = this.#identity;
    const { members, shards } = proposal;
    const agree = (): void => this.#send(from, { kind: 'agree', clusterId: proposal.clusterId });
    if (phase !== 'new') {
      if (cluster === proposal.clusterId) agree();
      return;
    }
    const isMine = members.some((own) => own.nodeId === nodeId && own.memberId === memberId);
    if (!isMine) {
      this.#options.onFatal(
        new NodeError(
          'peer-refused',
          `node ${from} proposes a cluster in which node ${nodeId} has another member id: this data directory was ` +
            'wiped while the cluster formed; wipe those of all members and start them again',
        ),
      );
      return;
    }
    this.#save(
      { ...this.#identity, phase: 'agreed', clusterId: proposal.clusterId, members, shards },
      agree,
    );
  }

  #complete(): void {
    if (this.#identity.phase !== 'agreed' || this.#identity.nodeId !== this.#options.members[0]) {
      return;
    }
    const others = this.#identity.members.slice(1);
    if (others.every(({ nodeId }) => this.#agreed.has(nodeId))) this.#form();
  }

  #form(): void {
    if (this.#identity.phase !== 'agreed') return;
    const cluster = this.#identity.clusterId;
    assert(cluster !== undefined, 'an agreed identity has a cluster id');
    this.#save({ ...this.#identity, phase: 'formed' }, () => {
      for (const peer of this.#hellos.keys())
        this.#send(peer, { kind: 'formed', clusterId: cluster });
      this.#announce();
    });
  }

  #announce(): void {
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    this.#options.onFormed(this.#identity);
  }

  /** The identity counts, for ourselves and for others, only once it is durable. */
  #save(identity: Identity, saved: () => void): void {
    this.#saving = this.#saving
      .then(async () => {
        if (phases.indexOf(this.#identity.phase) >= phases.indexOf(identity.phase)) return;
        await this.#options.save(identity);
        this.#identity = identity;
        saved();
      })
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.onFatal(
          error instanceof NodeError ? error : new NodeError('storage-failed', reason, error),
        );
      });
  }

  #send(peer: NodeId, note: Note): void {
    this.#options.send(peer, Buffer.from(JSON.stringify(note)));
  }
}

/** Whoever can reach the peer port hears it, and an upstream's address may hold a password. */
function digestOf(namespaces: readonly Namespace[]): string {
  return createHash('sha256').update(JSON.stringify(namespaces)).digest('hex');
}

function fatal(reason: string): Refusal {
  return { kind: 'fatal', reason };
}

function later(reason: string): Refusal {
  return { kind: 'later', reason };
}

function candidateGreeting(text: string): MemberGreeting | undefined {
  const greeting = parseGreeting(text);
  if (greeting?.role !== 'member') return undefined;
  return greeting.isJoining && greeting.phase === 'new' ? greeting : undefined;
}

function listed(members: readonly MemberIdentity[]): string {
  return members.map(({ nodeId }) => nodeId).join(', ');
}

function parseNote(payload: Uint8Array): Note | undefined {
  const json = parseJson(payload);
  if (typeof json !== 'object' || json === null) return undefined;
  const { kind, clusterId: id, members, shards } = json as Record<string, unknown>;
  if (typeof id !== 'string') return undefined;
  const cluster = clusterId(id);
  if (kind === 'agree' || kind === 'formed' || kind === 'removed') {
    return { kind, clusterId: cluster };
  }
  const identities = parseMembers(members);
  if (kind !== 'propose' && kind !== 'welcome') return undefined;
  if (identities === undefined || typeof shards !== 'number') return undefined;
  return { kind, clusterId: cluster, members: identities, shards };
}
