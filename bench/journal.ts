/**
 * The journal as the platform runs it: the real writer on the real PostgresJournal over the embedded PostgreSQL, against pgbench with
 * 32 clients that insert one row a transaction into the same partitioned table on the same server.
 *
 * Producers are actors with one append under way each, as accounts are. Whoever is measured has the machine alone; they take turns three
 * times, and a line shows the turn whose ratio is the median. At the end every acknowledged row is looked for in the table.
 */
import { silentLog } from '../runtime/actor.ts';
import { migrate } from '../transports/drivers/migrations.ts';
import { claimAllSlots } from '../transports/drivers/postgres-ownership.ts';
import { PostgresJournal } from '../transports/drivers/postgres-journal.ts';
import { connectDatabase, type ConnectionOptions } from '../transports/drivers/postgres.ts';
import { Appends } from './journal/appends.ts';
import { measureBackup } from './journal/backup.ts';
import { Expectation } from './journal/expectation.ts';
import { measureFence } from './journal/fence.ts';
import { measureGrowth } from './journal/growth.ts';
import { makeLogFiles } from './journal/log-files.ts';
import { attachPartitions } from './journal/partitions.ts';
import { findPgbench } from './journal/pgbench.ts';
import { planOf } from './journal/plan.ts';
import { measureProvisioning } from './journal/provisioning.ts';
import { measureReplay } from './journal/replay.ts';
import { measureRounds } from './journal/rounds.ts';
import { startDatabase } from './orders/database.ts';
import type { BenchOptions } from './report.ts';

/** Tenants of the benchmark stand far above those that the registry numbers. */
const firstTenant = 1_000_000;
const peerTenant = 900_000;

export async function run({ scale, seconds, emit }: BenchOptions): Promise<void> {
  const plan = planOf(scale, seconds, performance.now());
  await using cleanup = new AsyncDisposableStack();
  const server = await startDatabase();
  cleanup.defer(() => server.stop());
  const login = loginOf(server.url);
  const database = connectDatabase({ ...login, log: silentLog, poolSize: 4 });
  cleanup.defer(() => database.close());
  await migrate(database);
  const { epochOf } = await claimAllSlots(database, { nodeId: 'bench', version: 'bench' });
  const journal = new PostgresJournal(database, silentLog);
  cleanup.defer(() => journal.close());
  const appends = await Appends.start(journal, epochOf);
  cleanup.defer(() => appends.stop());
  const expectation = new Expectation();
  const bench = { database, journal, epochOf, appends, expectation, plan, emit };

  await makeLogFiles(database, plan.logFiles);
  await attachPartitions(database, [peerTenant]);
  await measureGrowth(bench, firstTenant);
  await measureRounds(bench, firstTenant, { pgbench: await findPgbench(), login, tenantId: peerTenant });
  await measureFence(bench, firstTenant);
  await measureReplay(bench);
  await measureBackup(bench);
  await measureProvisioning(bench);
  for (const [key, seq] of appends.acknowledged()) expectation.add(key, seq);
  await expectation.verify(database);
}

function loginOf(url: string): ConnectionOptions {
  const { hostname: host, port, username: user, password, pathname } = new URL(url);
  return { host, port: Number(port), user, password: decodeURIComponent(password), database: pathname.slice(1) };
}
