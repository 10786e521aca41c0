/** A whole tenant: its schema, tables, role and partition, beside all the partitions that are there. */
import { provisionTenant } from '../../transports/drivers/provisioning.ts';
import { percentile } from '../report.ts';
import type { JournalBench } from './plan.ts';

export async function measureProvisioning({ database, plan, emit }: JournalBench): Promise<void> {
  const samples: number[] = [];
  for (let index = 1; index <= plan.provisioned; index++) {
    const fromMs = performance.now();
    await provisionTenant(database, { slug: `bench-${index}`, name: `Bench ${index}` });
    samples.push(performance.now() - fromMs);
  }
  emit({ name: 'provision-tenant', value: percentile(samples, 0.5), unit: 'ms', direction: 'lower' });
}
