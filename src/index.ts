/**
 * The public API: a node as the sidecar runs it, and the same node embedded in an application.
 */

export { NodeError, type ErrorCode, type Retry } from './base/errors.ts';
export { silentLogger, type LogFields, type Logger } from './base/logger.ts';
export type { ReplicaRole, ShardStatus } from './cluster/cluster.ts';
export { open, type Bytes, type OpenOptions, type Outrigger, type PutOptions } from './embedded.ts';
export type { FrontStatistics } from './front/statistics.ts';
export type { MemberCommand, MemberList, MemberStatus } from './members.ts';
export type { ChangeOutcome } from './meta-change.ts';
export type { NamespaceChange } from './namespaces.ts';
export {
  drawProxyId,
  loadParts,
  nodeDefaults,
  openNode,
  type MemberConfig,
  type NodeConfig,
  type NodeMetrics,
  type NodeStatus,
  type OutriggerNode,
} from './node.ts';
export {
  parseName,
  parseNamespace,
  parseNamespaces,
  type ConsistencyLevel,
  type Namespace,
  type NamespaceName,
} from './shard/namespace.ts';
