import { expect, test } from 'vitest';
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
