/** `database`: what stands in the database beside what should, and read models made anew from the journal. */
import type { Command } from 'commander';

export function register(program: Command): void {
  const database = program.command('database').description('look after the configured database');
  database
    .command('drift')
    .description('tell where the schemas and rights differ from what the migrations give; exit code 1 when they do')
    .option('--json', 'print one JSON object')
    .action(drift);
  database
    .command('rebuild <tenant>')
    .description('make the read models of a tenant anew from its journal, while no platform runs')
    .option('--json', 'print one JSON object')
    .action(rebuild);
}

async function drift({ json = false }: { json?: boolean }): Promise<void> {
  const { withDatabase } = await import('../database-command.ts');
  const { findDrift } = await import('../../transports/drivers/migrations-drift.ts');
  const found = await withDatabase((database) => findDrift(database));
  const lines = found.map(({ schema, fault }) => `${schema} ${fault}\n`);
  const text = lines.length > 0 ? lines.join('') : 'all schemas and rights are what the migrations give\n';
  process.stdout.write(json ? `${JSON.stringify({ drift: found })}\n` : text);
  if (found.length > 0) process.exitCode = 1;
}

async function rebuild(tenant: string, { json = false }: { json?: boolean }): Promise<void> {
  const { withDatabase } = await import('../database-command.ts');
  const [
    { rebuildReadModels },
    { refuseWhileServing },
    { findTenant },
    { Progress },
    { Failure },
    { audited },
    { requireSchemas },
  ] = await Promise.all([
    import('../../transports/drivers/postgres-rebuild.ts'),
    import('../../transports/drivers/serving.ts'),
    import('../../transports/drivers/provisioning.ts'),
    import('../progress.ts'),
    import('../failure.ts'),
    import('../operator-audit.ts'),
    import('../database-command.ts'),
  ]);
  await withDatabase(async (database) => {
    await refuseWhileServing(database);
    await requireSchemas(database);
    const tenantId = await findTenant(database, tenant);
    if (tenantId === undefined) throw new Failure(`there is no tenant ${tenant}`);
    const startedMs = performance.now();
    let progress: InstanceType<typeof Progress> | undefined;
    const report = (done: number, total: number): void => {
      progress ??= new Progress(`read models of ${tenant}`, total, { unit: 'rows' });
      progress.report(done);
    };
    const { rows, accounts } = await audited(
      database,
      { action: 'rebuild:read-models', target: tenant, tenantId },
      () => rebuildReadModels(database, { tenantId, tenant }, report),
      (result) => result,
    );
    progress?.finish();
    const tookMs = Math.round(performance.now() - startedMs);
    const rowsPerSecond = Math.round((rows / Math.max(1, tookMs)) * 1000);
    const text = `read models of ${tenant}: ${rows} rows of ${accounts} accounts in ${tookMs} ms, ${rowsPerSecond} rows/s\n`;
    process.stdout.write(json ? `${JSON.stringify({ tenant, rows, accounts, tookMs, rowsPerSecond })}\n` : text);
  });
}
