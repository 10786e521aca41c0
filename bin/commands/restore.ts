/** `restore`: a backup in the place of what the database holds. The file is read to its end before anything is changed. */
import type { Command } from 'commander';

interface Options {
  readonly tenant?: string;
  readonly replace?: true;
  readonly json?: true;
}

export function register(program: Command): void {
  program
    .command('restore')
    .description('put a backup in the place of what the database holds, while no platform runs')
    .argument('<file>', 'made by aitrading backup')
    .option('--tenant <slug>', 'this tenant alone, also out of a backup of the whole platform')
    .option('--replace', 'also where the database holds another platform, which is lost then')
    .option('--json', 'print one JSON object')
    .action(run);
}

async function run(path: string, { tenant, replace, json }: Options): Promise<void> {
  const { requireConfig } = await import('../environment.ts');
  const config = requireConfig();
  const [desk, { stepBar }] = await Promise.all([import('../backup-desk.ts'), import('../backup-progress.ts')]);
  const bar = stepBar();
  try {
    const summary = await desk.withBackupDatabase(config, 'alone', async (database) => {
      const keys = desk.backupKeys(config, config.home);
      return desk.restore(database, {
        ...{ path, keys, tenant, isForeignAllowed: replace ?? false, onProgress: bar.report },
      });
    });
    bar.finish();
    const what =
      summary.tenant === undefined ? `the platform (${summary.tenants} tenants)` : `tenant ${summary.tenant}`;
    const text = `${what} is what it was at ${summary.createdAt}: ${summary.rows.toLocaleString('en-US')} rows, compared with what was saved`;
    process.stdout.write(`${json ? JSON.stringify(summary) : text}\n`);
  } finally {
    bar.finish();
  }
}
