/** Where a replay keeps its journal: in memory, or in a PostgreSQL of its own that goes with the replay. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../runtime/actor.ts';
import { MemoryJournal, type Journal } from '../runtime/journal.ts';
import { migrate } from '../transports/drivers/migrations.ts';
import { claimAllSlots } from '../transports/drivers/postgres-ownership.ts';
import { provisionTenant, registerAccount } from '../transports/drivers/provisioning.ts';
import { openStorage } from './storage.ts';

export interface ReplayJournal {
  readonly journal: Journal;
  readonly tenantId: number;
  readonly accountIds: readonly number[];
  epochOf(slot: number): number;
  close(): Promise<void>;
}

/** @param accounts how many accounts will be replayed, 1 or more */
export async function openReplayJournal(isDurable: boolean, accounts: number): Promise<ReplayJournal> {
  const accountIds = Array.from({ length: accounts }, (_, i) => i + 1);
  if (!isDurable)
    return { journal: new MemoryJournal(), tenantId: 1, accountIds, epochOf: () => 1, close: async () => {} };
  const home = mkdtempSync(join(tmpdir(), 'aitrading-replay-'));
  const storage = openStorage({ home, external: undefined, log: silentLog });
  const close = async (): Promise<void> => {
    await storage.close();
    rmSync(home, { recursive: true, force: true });
  };
  try {
    await storage.open();
    await migrate(storage.database());
    const { epochOf } = await claimAllSlots(storage.database(), { nodeId: 'replay', version: 'replay' });
    const { tenantId } = await provisionTenant(storage.database(), { slug: 'replay', name: 'Replay' });
    const terms = { currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false, owner: 'replay' } as const;
    const registered: number[] = [];
    for (const id of accountIds) {
      registered.push(
        (await registerAccount(storage.database(), tenantId, { slug: `replay-${id}`, ...terms })).accountId,
      );
    }
    return { journal: storage.journal, tenantId, accountIds: registered, epochOf, close };
  } catch (error) {
    await close();
    throw error;
  }
}
