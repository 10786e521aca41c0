/** What it costs that every append looks at the epochs of its slots: the writer's statement and the same without that, batch by batch. */
import { createHash } from 'node:crypto';
import { slotOf } from '../../runtime/cluster.ts';
import {
  append,
  BatchEncoder,
  insertText,
  prepareAppends,
  readFence,
  type Parameters,
} from '../../transports/drivers/postgres-journal-insert.ts';
import type { DirectConnection } from '../../transports/drivers/postgres.ts';
import { percentile } from '../report.ts';
import { examplePayload } from './payload.ts';
import type { JournalBench } from './plan.ts';

const firstAccount = 10_001;
const warmUpShare = 0.1;

export async function measureFence(bench: JournalBench, tenantId: number): Promise<void> {
  const { database, epochOf, expectation, plan, emit } = bench;
  const connection = await database.connect();
  try {
    const digest = createHash('sha256').update('bench').digest('hex');
    const common = Array.from({ length: plan.producers }, (_, index) => {
      const key = { tenantId, entityId: firstAccount + index };
      const slot = slotOf(key);
      return { ...key, slot, epoch: epochOf(slot), digest, payload: examplePayload };
    });
    const encoder = new BatchEncoder();
    await prepareAppends(connection);
    const fence = await readFence(connection);
    const samples = { fenced: [] as number[], plain: [] as number[] };
    const warmUp = Math.ceil(plan.fenceBatches * warmUpShare);
    let seq = 0;
    for (let pair = 0; pair < plan.fenceBatches + warmUp; pair++) {
      const order = pair % 2 === 0 ? (['fenced', 'plain'] as const) : (['plain', 'fenced'] as const);
      for (const form of order) {
        seq += 1;
        const values = encoder.encode(common.map((entry) => ({ ...entry, seq, commandId: `order:bench-${seq}` })));
        const fromMs = performance.now();
        const written = await (form === 'fenced' ? append(connection, values, fence) : insertPlain(connection, values));
        const tookMs = performance.now() - fromMs;
        if (written !== common.length) throw new Error(`${form} wrote ${written} of ${common.length} rows`);
        if (pair >= warmUp) samples[form].push(tookMs);
      }
    }
    for (const key of common) expectation.add(key, seq);
    const [fenced, plain] = [percentile(samples.fenced, 0.5), percentile(samples.plain, 0.5)];
    emit({ name: 'fence-cost', value: (1 - plain / fenced) * 100, unit: '%', direction: 'lower' });
  } finally {
    await connection.close();
  }
}

async function insertPlain({ client }: DirectConnection, values: Parameters): Promise<number> {
  const { rowCount } = await client.query({ name: 'plain', text: insertText, values });
  return rowCount ?? 0;
}
