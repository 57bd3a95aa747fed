/**
 * Deliberate bugs, each against one argument on which the guarantees rest: what the simulation must find to be believed.
 *
 * A checklist: who changes a line that stands here changes it here, too (`mutations.test.ts` says so where it is not done).
 */

/** `from` stands once in the file, below `src`. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Bug {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** It has to be found in the runs of seeds 1 to this one. */
  readonly runsMax: number;
}

const election = 'raft/election.ts';
const replication = 'raft/replication.ts';
const replica = 'replica/replica.ts';
const lease = 'replica/lease.ts';
const leadership = 'replica/leadership.ts';
const reads = 'replica/reads.ts';
const quorum = 'raft/quorum.ts';
const state = 'raft/state.ts';

export const bugs: readonly Bug[] = [
  {
    name: 'votes twice in a term',
    edits: [
      { file: election, from: '(raft.vote === 0 && raft.lead === 0) ||', to: 'raft.lead === 0 ||' },
    ],
    runsMax: 200,
  },
  {
    name: 'votes for a log that is behind',
    edits: [{ file: election, from: 'if (!mayVote || !isUpToDate) {', to: 'if (!mayVote) {' }],
    runsMax: 200,
  },
  {
    name: 'loses its vote in a restart',
    edits: [{ file: state, from: 'this.vote = hardState.vote;', to: 'this.vote = noNode;' }],
    runsMax: 200,
  },
  {
    name: "commits an older term's entry by counting",
    edits: [
      {
        file: replication,
        from: 'if (held <= raft.log.committed || raft.log.termOrZero(held) !== raft.term) return false;',
        to: 'if (held <= raft.log.committed) return false;',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'opens a term without an entry of its own',
    edits: [
      {
        file: election,
        from: "const isAppended = appendAsLeader(raft, [{ type: 'normal', data: noData }]);",
        to: 'const isAppended = true;',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'serves before an entry of its term is applied',
    edits: [
      {
        file: leadership,
        from: 'if (this.#isServing || this.#appliedTerm !== this.#term) return;',
        to: 'if (this.#isServing) return;',
      },
      {
        file: leadership,
        from: '    this.#ticksUnsettled = 0;\n  }',
        to: '    this.#ticksUnsettled = 0;\n    this.#tryServe();\n  }',
      },
    ],
    runsMax: 2_000,
  },
  {
    name: 'tells followers of a commit beyond what they hold',
    edits: [
      {
        file: 'raft/heartbeat.ts',
        from: 'const commit = index(Math.min(progress.match, committed));',
        to: 'const commit = committed;',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'truncates a suffix that matches',
    edits: [
      {
        file: 'raft/entries.ts',
        from: 'const fresh = this.#firstFresh(entries);',
        to: 'const fresh = 0;',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'acknowledges before the write is durable',
    edits: [
      {
        file: 'replica/persister.ts',
        from: '    this.#isWriting = true;\n',
        to: "    this.#isWriting = true;\n    for (const { replica, message } of works)\n      for (const sent of message.responses)\n        if (sent.to !== sent.from && sent.from !== 0 && sent.type === 'MsgAppResp') this.#deliver(replica, sent);\n",
      },
    ],
    runsMax: 200,
  },
  {
    name: "counts the leader's own copy before it is durable",
    edits: [
      {
        file: replication,
        from: "  raft.send({ type: 'MsgAppResp', to: raft.id, index: log.lastIndex });\n  return true;",
        to: '  raft.tracker.get(raft.id)?.maybeUpdate(log.lastIndex);\n  return true;',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'counts a learner in the quorum',
    edits: [
      {
        file: 'raft/tracker.ts',
        from: 'return index(jointCommitted(this.#conf.voters, this.#conf.votersOutgoing, this));',
        to: 'return index(jointCommitted([...this.#conf.voters, ...this.#conf.learners], this.#conf.votersOutgoing, this));',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'commits by the new half of a joint configuration alone',
    edits: [
      {
        file: quorum,
        from: 'return outgoing.length === 0\n    ? committed\n',
        to: 'return outgoing.length >= 0\n    ? committed\n',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'changes many voters at once without a joint configuration',
    edits: [
      {
        file: 'raft/membership.ts',
        from: "if (change.transition !== 'auto' || change.changes.length > 1) {",
        to: "if (change.transition === 'explicit') {",
      },
      {
        file: 'raft/membership.ts',
        from: 'if (added + removed > 1) {',
        to: 'if (added + removed > 9) {',
      },
    ],
    runsMax: 2_000,
  },
  {
    name: 'proposes a change of members while another is pending',
    edits: [
      {
        file: 'raft/raft.ts',
        from: 'if (raft.pendingConfIndex > raft.log.applied) {',
        to: 'if (raft.pendingConfIndex > Infinity) {',
      },
    ],
    runsMax: 200,
  },
  {
    name: "keeps a removed node's vote: followers do not act by changes of members",
    edits: [
      {
        file: replica,
        from: 'const members = this.#raft.applyConfChange(committedChange(entry, this.group));',
        to: 'if (!this.#isLeader) continue;\n        const members = this.#raft.applyConfChange(committedChange(entry, this.group));',
      },
    ],
    runsMax: 2_000,
  },
  {
    name: 'serves a read without confirming that it leads',
    edits: [
      {
        file: reads,
        from: "if (index !== undefined && index <= appliedIndex()) return 'confirmed';",
        to: "return 'confirmed';",
      },
    ],
    runsMax: 200,
  },
  {
    name: 'takes an index to read at before an entry of its term is committed',
    edits: [
      {
        file: 'raft/read-index.ts',
        from: 'if (raft.hasCommittedInTerm) askQuorum(raft, request);',
        to: 'if (raft.isLeader) askQuorum(raft, request);',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'lets answers to an earlier round of heartbeats confirm a read',
    edits: [
      {
        file: 'raft/read-queue.ts',
        from: 'this.#waiting.push({ request, index, round: this.#sentRound + 1 });',
        to: 'this.#waiting.push({ request, index, round: this.#confirmedRound + 1 });',
      },
    ],
    runsMax: 2_000,
  },
  {
    name: 'holds a lease longer than votes are held',
    edits: [
      {
        file: lease,
        from: 'const promisedMs = answer.sentMs + answer.promiseMs;',
        to: 'const promisedMs = answer.sentMs + 3 * answer.promiseMs;',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'measures a lease from the answer instead of the sending',
    edits: [
      {
        file: 'replica/peers.ts',
        from: 'replica?.heartbeatAnswered(from, term(message.term), { sentMs, promiseMs, isWell });',
        to: 'replica?.heartbeatAnswered(from, term(message.term), { sentMs: this.#clock.monotonicMs(), promiseMs, isWell });',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'measures a lease by the wall clock',
    edits: [
      {
        file: reads,
        from: 'return held?.isValid(clock.monotonicMs()) === true ? held : undefined;',
        to: 'return held?.isValid(clock.wallMs() - wallLead(clock)) === true ? held : undefined;',
      },
      {
        file: reads,
        from: "const isGranted = grant === 'confirmed' || grant.isValid(clock.monotonicMs());",
        to: "const isGranted = grant === 'confirmed' || grant.isValid(clock.wallMs() - wallLead(clock));",
      },
      {
        file: reads,
        from: 'if (lease()?.isValid(clock.monotonicMs()) === true) return;',
        to: 'if (lease()?.isValid(clock.wallMs() - wallLead(clock)) === true) return;',
      },
      {
        file: reads,
        from: "/** A round's number as the bytes",
        to: "const leads = new WeakMap<object, number>();\nfunction wallLead(clock: Clock): number {\n  const known = leads.get(clock) ?? clock.wallMs() - clock.monotonicMs();\n  leads.set(clock, known);\n  return known;\n}\n\n/** A round's number as the bytes",
      },
    ],
    runsMax: 2_000,
  },
  {
    name: 'adds the clock drift to a lease instead of taking it off',
    edits: [
      {
        file: lease,
        from: 'this.#endMs = this.#quorumMs(members) - this.#driftMs;',
        to: 'this.#endMs = this.#quorumMs(members) + this.#driftMs;',
      },
    ],
    runsMax: 2_000,
  },
  {
    name: 'checks a lease by a clock that it looked at some time ago',
    edits: [
      {
        file: reads,
        from: '  #round = 0;\n',
        to: '  #round = 0;\n  #seenMs = 0;\n',
      },
      {
        file: reads,
        from: '    this.#ask();\n  }',
        to: '    this.#ask();\n    this.#seenMs = this.#options.clock.monotonicMs();\n  }',
      },
      {
        file: reads,
        from: 'return held?.isValid(clock.monotonicMs()) === true ? held : undefined;',
        to: 'return held?.isValid(this.#seenMs) === true ? held : undefined;',
      },
      {
        file: reads,
        from: "const isGranted = grant === 'confirmed' || grant.isValid(clock.monotonicMs());",
        to: "const isGranted = grant === 'confirmed' || grant.isValid(this.#seenMs);",
      },
    ],
    runsMax: 200,
  },
  {
    name: 'keeps its lease after TimeoutNow',
    edits: [
      {
        file: replica,
        from: "if (type === 'MsgTimeoutNow') this.#leadership.offered();",
        to: "if (type === 'MsgTimeoutNow') continue;",
      },
    ],
    runsMax: 200,
  },
  {
    name: 'counts a lease without the old half of a joint configuration',
    edits: [
      {
        file: lease,
        from: 'if (members.votersOutgoing.length === 0) return incoming;',
        to: 'if (members.votersOutgoing.length >= 0) return incoming;',
      },
    ],
    runsMax: 4_000,
  },
  {
    name: 'votes at once after a restart',
    edits: [
      {
        file: state,
        from: 'if (config.holdVotes === true && config.isNewGroup !== true) {',
        to: 'if (config.holdVotes === undefined) {',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'forgets with its leader that it holds its vote',
    edits: [
      {
        file: state,
        from: 'if (this.config.holdVotes === true) this.holdElapses = this.config.electionTicks;',
        to: '',
      },
    ],
    runsMax: 200,
  },
  {
    name: 'applies again what is sent again',
    edits: [
      {
        file: 'replica/proposals.ts',
        from: "if (group.sequence <= applied) return { kind: 'duplicate' };",
        to: "if (group.sequence <= applied) {\n      this.#push({ group, read: undefined }, group.count);\n      return { kind: 'admitted' };\n    }",
      },
      {
        file: 'replica/sessions.ts',
        from: "if (group.sequence <= session.lastSequence) return 'duplicate';",
        to: "if (group.sequence <= session.lastSequence) return 'next';",
      },
    ],
    runsMax: 200,
  },
  {
    name: 'says that it did not happen where a reply was lost',
    edits: [
      {
        file: 'cluster/origin.ts',
        from: "group.isAlone = false;\n      this.#fail(submissions, 'in-doubt');",
        to: "group.isAlone = false;\n      this.#fail(submissions, 'cluster-down');",
      },
    ],
    runsMax: 200,
  },
];
