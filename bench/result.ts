/**
 * What a whole run of the benchmarks leaves behind, as it stands in its JSON file.
 */

import type { FailoverResult } from './failover.ts';
import type { LatencyResult } from './latency.ts';
import type { Machine, Versions } from './machine.ts';
import type { ThroughputResult } from './throughput.ts';

export type SectionResult = ThroughputResult | LatencyResult | FailoverResult;

export interface BenchResult {
  readonly format: 1;
  readonly date: string;
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly tookSeconds: number;
  readonly versions: Versions;
  readonly machine: Machine;
  readonly keyCount: number;
  readonly valueBytes: number;
  readonly sections: readonly SectionResult[];
}
