/** `migrate`: brings the schemas of the configured database up to date, without starting the platform. */
import { resolve } from 'node:path';
import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('migrate')
    .description('bring the database schemas up to date without starting the platform')
    .option('--json', 'print the result as JSON')
    .action(run);
}

async function run(options: { json?: boolean }): Promise<void> {
  const { requireConfig } = await import('../environment.ts');
  const config = requireConfig();
  const [{ createLog }, { openStorage }, { migrate }, { lockHome }] = await Promise.all([
    import('../log.ts'),
    import('../storage.ts'),
    import('../../transports/drivers/migrations.ts'),
    import('../../transports/drivers/home-lock.ts'),
  ]);
  const home = resolve(config.home);
  // The embedded database belongs to whoever holds the folder; the firm's own is guarded by the migrator's lock.
  const lock = config.database ? undefined : lockHome(home);
  const storage = openStorage({ home, external: config.database, log: createLog({ ...config, logLevel: 'warn' }) });
  try {
    await storage.open();
    const applied = await migrate(storage.database());
    process.stdout.write(options.json ? `${JSON.stringify({ applied })}\n` : `${applied} migrations applied\n`);
  } finally {
    await storage.close();
    lock?.release();
  }
}
