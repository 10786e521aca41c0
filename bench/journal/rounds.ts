/** The writer with one tenant and with 200, and pgbench, in turn. */
import type { ConnectionOptions } from '../../transports/drivers/postgres.ts';
import { emitCompared, type PeerFigures } from '../orders/comparison.ts';
import { percentile } from '../report.ts';
import type { AppendResult } from './appends.ts';
import { runPgbench, type Pgbench, type PgbenchResult } from './pgbench.ts';
import type { JournalBench } from './plan.ts';

export interface Peer {
  readonly pgbench: Pgbench | { readonly skipped: string };
  readonly login: ConnectionOptions;
  /** Whose partition it fills. */
  readonly tenantId: number;
}

type Figures = Pick<AppendResult, 'rowsPerSecond' | 'p50Ms' | 'p99Ms'>;

const suffixes = [
  { suffix: '', unit: 'rows/s', direction: 'higher', of: (figures: Figures) => figures.rowsPerSecond },
  { suffix: '-p50', unit: 'ms', direction: 'lower', of: (figures: Figures) => figures.p50Ms },
  { suffix: '-p99', unit: 'ms', direction: 'lower', of: (figures: Figures) => figures.p99Ms },
] as const;

export async function measureRounds(bench: JournalBench, firstTenant: number, peer: Peer): Promise<void> {
  const { appends, plan, expectation } = bench;
  const tenants = Math.min(plan.producers, plan.growth.at(-1)!.tenants);
  const cases = [
    {
      name: 'durable-appends-200-producers',
      keyOf: (index: number) => ({ tenantId: firstTenant, entityId: index + 1 }),
    },
    {
      name: 'durable-appends-200-tenants',
      keyOf: (index: number) => ({
        tenantId: firstTenant + (index % tenants),
        entityId: 501 + Math.floor(index / tenants),
      }),
    },
  ].map((one) => ({ ...one, results: [] as AppendResult[] }));
  const theirs: PgbenchResult[] = [];
  const runPeer = async (): Promise<void> => {
    if ('skipped' in peer.pgbench) return;
    const { tenantId, login } = peer;
    const options = { tenantId, run: theirs.length, seconds: plan.pgbenchSeconds };
    const result = await runPgbench(peer.pgbench, login, options);
    expectation.addRows(tenantId, result.rows);
    theirs.push(result);
  };
  let roundMs = 0;
  for (let round = 0; round < plan.rounds; round++) {
    const startedMs = performance.now();
    if (round > 0 && startedMs + roundMs > plan.roundsDeadlineMs) break;
    const turns = [
      runPeer,
      ...cases.map(({ keyOf, results }) => async () => {
        const entities = Array.from({ length: plan.producers }, (_, index) => [keyOf(index)]);
        results.push(await appends.run(entities, plan));
      }),
    ];
    // Nobody always comes first.
    for (const turn of [...turns.slice(round), ...turns.slice(0, round)]) await turn();
    roundMs = performance.now() - startedMs;
  }
  for (const { name, results } of cases) {
    report(bench.emit, name, results, peer.pgbench, theirs);
    const value = percentile(
      results.map(({ meanBatch }) => meanBatch),
      0.5,
    );
    bench.emit({ name: `${name}-batch`, value, unit: 'rows', direction: 'higher' });
  }
}

function report(
  emit: JournalBench['emit'],
  name: string,
  results: readonly AppendResult[],
  pgbench: Peer['pgbench'],
  theirs: readonly PgbenchResult[],
): void {
  for (const { suffix, unit, direction, of } of suffixes) {
    const figures: PeerFigures =
      'skipped' in pgbench
        ? { peer: 'pgbench', values: pgbench }
        : { peer: `${pgbench.name} -c 32`, values: theirs.map(of) };
    emitCompared(emit, { name: `${name}${suffix}`, unit, direction, values: results.map(of) }, [figures]);
  }
}
