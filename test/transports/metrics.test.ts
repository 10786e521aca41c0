import { expect, test } from 'vitest';
import type { SourceHealth } from '../../actors/price-stream.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import { Readiness } from '../../runtime/readiness.ts';
import { platformMetrics } from '../../transports/metrics.ts';
import { startTestSystem } from '../support/test-system.ts';

test('what streams have done is counted, closes by their code', async () => {
  const { system } = await startTestSystem();
  const counts = {
    connections: 3,
    opened: 9,
    deliveries: 70,
    writes: 50,
    degraded: 2,
    skipped: 11,
    acknowledgements: 4,
  };
  const readiness = new Readiness(new VirtualClock(), []);
  const metrics = platformMetrics({ system, readiness, streams: () => ({ ...counts, ended: new Map([[4008, 1]]) }) });
  const lines = (await metrics()).split('\n').filter((line) => line.startsWith('aitrading_streams'));
  expect(lines.toSorted()).toEqual(
    [
      ...Object.entries(counts).map(([name, count]) => `aitrading_streams_${name} ${count}`),
      'aitrading_streams_closed{code="4008"} 1',
    ].toSorted(),
  );
});

test('of each source of prices it is counted what was wrong', async () => {
  const { system } = await startTestSystem();
  const source = { ticks: 9, gaps: 1, crossed: 2, outOfOrder: 3, invalid: 4, sequence: 5, lastMicros: 6 };
  const sources: SourceHealth[] = [
    { ...source, symbol: 'BTCUSD', fault: 'diverged', differenceShare: 0.02 },
    { ...source, symbol: 'EURUSD', fault: undefined, differenceShare: undefined },
  ];
  const metrics = platformMetrics({ system, readiness: new Readiness(new VirtualClock(), []), sources: () => sources });
  const lines = (await metrics())
    .split('\n')
    .filter((line) => /^aitrading_source.*BTC|^aitrading_source_(f|d)/.test(line));
  expect(lines).toEqual([
    'aitrading_source_ticks{symbol="BTCUSD"} 9',
    'aitrading_source_gaps{symbol="BTCUSD"} 1',
    'aitrading_source_crossed{symbol="BTCUSD"} 2',
    'aitrading_source_out_of_order{symbol="BTCUSD"} 3',
    'aitrading_source_invalid{symbol="BTCUSD"} 4',
    'aitrading_source_fault{symbol="BTCUSD",fault="diverged"} 1',
    'aitrading_source_difference_share{symbol="BTCUSD"} 0.02',
  ]);
});
