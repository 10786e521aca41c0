/** `migrate`: brings the schemas of the configured database up to date, without starting the platform. */
import type { Command } from 'commander';
import type { MigrationStep } from '../../transports/drivers/migrations.ts';

export function register(program: Command): void {
  program
    .command('migrate')
    .description('bring the database schemas and the rights in them up to date without starting the platform')
    .option('--dry-run', 'print what would be applied, in its order, and change nothing')
    .option('--canary <tenant>', 'the tenant whose schema goes first; default: the oldest')
    .option('--json', 'print the result as JSON')
    .action(run);
}

interface Options {
  readonly dryRun?: boolean;
  readonly canary?: string;
  readonly json?: boolean;
}

async function run({ dryRun = false, json = false, canary }: Options): Promise<void> {
  const options = canary === undefined ? {} : { canary };
  const steps = dryRun ? await planned(options) : await applied(options);
  const result = dryRun ? { planned: steps } : { applied: steps.length, steps };
  const done = dryRun ? 'to apply' : 'applied';
  const lines = steps.map(({ schema, version, title }) => `${schema}: ${version} ${title}\n`);
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${lines.join('')}${steps.length} migrations ${done}\n`);
}

async function planned(options: { canary?: string }): Promise<readonly MigrationStep[]> {
  const { isUnmade, withDatabase } = await import('../database-command.ts');
  const { planMigrations } = await import('../../transports/drivers/migrations.ts');
  return isUnmade() ? planMigrations(undefined) : withDatabase((database) => planMigrations(database, options));
}

async function applied(options: { canary?: string }): Promise<readonly MigrationStep[]> {
  const { withDatabase } = await import('../database-command.ts');
  const [{ migrate }, { checkRights }, { audited }] = await Promise.all([
    import('../../transports/drivers/migrations.ts'),
    import('../../transports/drivers/roles-check.ts'),
    import('../operator-audit.ts'),
  ]);
  const steps: MigrationStep[] = [];
  await withDatabase(async (database) => {
    await audited(
      database,
      { action: 'apply:migrations', target: 'database' },
      async () => {
        await migrate(database, { ...options, renewRights: true, onApplied: (step) => steps.push(step) });
        await checkRights(database);
      },
      () => ({ applied: steps.length }),
    );
  });
  return steps;
}
