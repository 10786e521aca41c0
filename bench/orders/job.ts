/** What the load generator is told, and what it tells. Both cross a process boundary as plain values. */

/** A closed loop: the next order of a lane leaves when the fill of its last one has arrived. */
export interface LoadJob {
  readonly port: number;
  /** What each connection authenticates with. */
  readonly token: string;
  /** Goes into every client order id, so that no two runs share one. At most 20 characters. */
  readonly run: string;
  readonly accounts: readonly string[];
  readonly accountsPerConnection: number;
  /** Lanes of each account: how many of its orders are outstanding. */
  readonly outstanding: number;
  /** Lasts until each lane has had a fill, too. */
  readonly warmUpMs: number;
  /** How long is measured; longer only where too few fills have come. */
  readonly windowMs: number;
  /** The process whose CPU time is taken over the window. */
  readonly serverPid: number;
}

export interface LoadResult {
  /** Over the whole run, warm-up and drain included. */
  readonly acknowledged: number;
  readonly filled: number;
  /** Within the window. */
  readonly fillsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of this generator as a share of one core. */
  readonly generatorCpu: number;
  /** CPU time of the server, microseconds an order; undefined where the system does not tell. */
  readonly serverCpuMicros: number | undefined;
}

export type LoadAnswer =
  | { readonly type: 'result'; readonly result: LoadResult }
  | { readonly type: 'failed'; readonly reason: string };
