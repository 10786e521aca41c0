/** `backup`: the platform or one tenant of it in an encrypted file, and the proof that one can be restored. */
import type { Command } from 'commander';

interface Options {
  readonly tenant?: string;
  readonly to?: string;
  readonly json?: true;
}

export function register(program: Command): void {
  const backup = program
    .command('backup')
    .description('save the platform, or one tenant of it, in an encrypted file; also while it runs')
    .option('--tenant <slug>', 'this tenant alone')
    .option('--to <folder>', 'where the file goes (default: backups/ of the data folder)')
    .option('--json', 'print one JSON object')
    .action((options: Options) => save(options));
  backup
    .command('drill')
    .description(
      'restore the newest backup into a database of its own, check it, and tell how much would be lost and how long it took; exit code 1 when it fails',
    )
    .option('--to <folder>', 'where the backups are (default: backups/ of the data folder)')
    .option('--json', 'print one JSON object')
    .action((_: Options, command: Command) => drill(command.optsWithGlobals<Options>()));
  backup
    .command('list')
    .description('list the backups of the whole platform, newest first')
    .option('--to <folder>', 'where the backups are (default: backups/ of the data folder)')
    .option('--json', 'print one JSON object')
    .action((_: Options, command: Command) => list(command.optsWithGlobals<Options>()));
}

async function save({ tenant, to, json }: Options): Promise<void> {
  const { config, desk, folder, keys } = await open(to);
  const { stepBar } = await import('../backup-progress.ts');
  const bar = stepBar();
  try {
    const timeMicros = Date.now() * 1000;
    const summary = await desk.withBackupDatabase(config, 'shared', (database) =>
      desk.saveBackup({ database, folder, keys: keys(), tenant, timeMicros, onProgress: bar.report }),
    );
    bar.finish();
    const { path, rows, fileBytes } = summary;
    const text = `${path}: ${rows.toLocaleString('en-US')} rows, ${fileBytes.toLocaleString('en-US')} bytes, read back and found whole`;
    process.stdout.write(`${json ? JSON.stringify(summary) : text}\n`);
  } finally {
    bar.finish();
  }
}

async function drill({ to, json }: Options): Promise<void> {
  const { config, desk, folder, keys } = await open(to);
  const { stepBar } = await import('../backup-progress.ts');
  const bar = stepBar();
  try {
    const report = await desk.withBackupDatabase(config, 'shared', (database) =>
      desk.drill(database, folder, keys(), bar.report),
    );
    bar.finish();
    const lines = [
      `${report.path} can be restored: ${report.rows.toLocaleString('en-US')} rows of ${report.tenants} tenants`,
      `RPO ${Math.round(report.rpoSeconds)} s (age of the last row of the journal in it${report.lastRowAt ? `, of ${report.lastRowAt}` : ''})`,
      `RTO ${report.rtoSeconds.toFixed(1)} s (from the file to a database that is ready)`,
    ];
    process.stdout.write(`${json ? JSON.stringify(report) : lines.join('\n')}\n`);
  } finally {
    bar.finish();
  }
}

async function list({ to, json }: Options): Promise<void> {
  const { desk, folder } = await open(to);
  const found = desk.listBackups(folder);
  const lines = found.map(({ path, fileBytes }) => `${path}  ${fileBytes.toLocaleString('en-US')} bytes\n`);
  const text = found.length === 0 ? `there is no backup in ${folder}\n` : lines.join('');
  process.stdout.write(json ? `${JSON.stringify({ backups: found })}\n` : text);
}

async function open(to: string | undefined) {
  const { requireConfig } = await import('../environment.ts');
  const config = requireConfig();
  const [desk, { resolve }] = await Promise.all([import('../backup-desk.ts'), import('node:path')]);
  const folder = to === undefined ? desk.backupFolder(config.home) : resolve(to);
  // Where the key is a file of the data folder it may only be made once the folder is there.
  return { config, desk, folder, keys: () => desk.backupKeys(config, config.home) };
}
