/** Order to fill over sockets: the platform and its peers in turn, one at a time, round after round. */
import type { BenchOptions } from '../report.ts';
import { emitCompared, type PeerFigures } from './comparison.ts';
import { accountNames, type Contender } from './contender.ts';
import type { LoadResult } from './job.ts';
import type { Load } from './load-runs.ts';

export interface OrderPathOptions {
  readonly platform: Contender;
  readonly peers: readonly Contender[];
  /** Peers that could not be started, and why. */
  readonly missing: readonly PeerFigures[];
  readonly load: Load;
  readonly accounts: number;
  /** At most; one where time runs out. */
  readonly rounds: number;
  /** No round begins that would, by the length of the one before, end after this. */
  readonly deadlineMs: number;
  readonly emit: BenchOptions['emit'];
}

const cases = [
  { name: 'socket-order-to-fill', outstanding: 1 },
  { name: 'socket-order-to-fill-16', outstanding: 16 },
] as const;

/** How many runs there are with that many contenders: time is shared among them. */
export function runsOf(contenders: number, rounds: number): number {
  return contenders * rounds * cases.length;
}

/** @throws {Error} a contender has given a wrong answer, or none */
export async function measureOrderPath(options: OrderPathOptions): Promise<void> {
  const { platform, peers, missing, load, emit } = options;
  const accounts = accountNames(options.accounts);
  for (const [index, { name, outstanding }] of cases.entries()) {
    const results = new Map<Contender, LoadResult[]>([platform, ...peers].map((contender) => [contender, []]));
    const leftMs = options.deadlineMs - performance.now();
    const deadlineMs = performance.now() + leftMs / (cases.length - index);
    let roundMs = 0;
    for (let round = 0; round < options.rounds; round++) {
      const startedMs = performance.now();
      if (round > 0 && startedMs + roundMs > deadlineMs) break;
      for (const contender of rotated([platform, ...peers], round)) {
        results.get(contender)!.push(await load.run(contender, { accounts, outstanding }));
      }
      roundMs = performance.now() - startedMs;
    }
    report(name, emit, results, platform, missing);
  }
}

/** Nobody always comes first. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

function report(
  name: string,
  emit: BenchOptions['emit'],
  results: ReadonlyMap<Contender, readonly LoadResult[]>,
  platform: Contender,
  missing: readonly PeerFigures[],
): void {
  const compare = (
    suffix: string,
    unit: string,
    direction: 'higher' | 'lower',
    of: (result: LoadResult) => number,
  ): void => {
    const figures = [...results].map(([contender, rounds]) => ({ contender, values: rounds.map(of) }));
    const ours = figures.find(({ contender }) => contender === platform)!;
    const theirs = figures
      .filter((one) => one !== ours)
      .map(({ contender, values }) => ({ peer: contender.name, values }));
    emitCompared(emit, { name: `${name}${suffix}`, unit, direction, values: ours.values }, [...theirs, ...missing]);
  };
  compare('', 'orders/s', 'higher', (result) => result.fillsPerSecond);
  compare('-p50', 'ms', 'lower', (result) => result.p50Ms);
  compare('-p99', 'ms', 'lower', (result) => result.p99Ms);
  if ([...results.values()].flat().every(({ serverCpuMicros }) => serverCpuMicros !== undefined)) {
    compare('-server-cpu', 'µs/order', 'lower', (result) => result.serverCpuMicros!);
  }
  const generator = Math.max(...[...results.values()].flat().map(({ generatorCpu }) => generatorCpu));
  emit({ name: `${name}-generator-cpu`, value: generator, unit: 'cores', direction: 'lower' });
}
