import { describe } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { slotCount } from '../../runtime/cluster.ts';
import { MemoryJournal } from '../../runtime/journal.ts';
import { claimAllSlots } from '../../transports/drivers/postgres-ownership.ts';
import { PostgresJournal } from '../../transports/drivers/postgres-journal.ts';
import type { Database } from '../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../transports/drivers/provisioning.ts';
import { systemPostgres, usePostgres, type TestServer } from '../support/postgres.ts';
import { journalContract, type JournalUnderTest } from './journal.ts';

describe('the journal in memory', () => {
  journalContract(async () => {
    const journal = new MemoryJournal();
    let epoch = 0;
    const claim: JournalUnderTest['claim'] = async () => {
      epoch++;
      for (let slot = 0; slot < slotCount; slot++) journal.claim(slot, epoch);
      return () => epoch;
    };
    return { journal, tenants: [1, 2], claim };
  });
});

describe('the journal in the embedded PostgreSQL', () => {
  journalContract(postgresJournals(usePostgres()));
});

const system = systemPostgres();
describe.runIf(system)('the journal in the PostgreSQL of the system', () => {
  journalContract(postgresJournals(usePostgres(() => system!)));
});

/** One database for all tests, two new tenants for each. */
function postgresJournals(postgres: TestServer): () => Promise<JournalUnderTest> {
  let shared: Promise<Database> | undefined;
  let counter = 0;
  return async () => {
    const database = await (shared ??= postgres.platformDatabase());
    const provision = async (): Promise<number> => {
      const slug = `tenant-${++counter}`;
      return (await provisionTenant(database, { slug, name: slug })).tenantId;
    };
    const claim: JournalUnderTest['claim'] = async () =>
      (await claimAllSlots(database, { nodeId: 'test', version: '0' })).epochOf;
    return {
      journal: new PostgresJournal(database, silentLog),
      tenants: [await provision(), await provision()],
      claim,
    };
  };
}
