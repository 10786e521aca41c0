/** `keys`: the keys that encrypt secrets and personal data: which there are, new ones for old, and none at all. */
import type { Command } from 'commander';
import type { KeyDesk } from '../key-desk.ts';

interface Options {
  readonly json?: true;
  readonly confirm?: string;
}

export function register(program: Command): void {
  const keys = program.command('keys').description('the keys that encrypt secrets and personal data');
  const platform = 'a tenant, or @platform for the platform and its staff';
  keys
    .command('status')
    .description('show the keys of the platform and of each tenant, and the master keys that wrap them')
    .option('--json', 'print one JSON object')
    .action((options: Options) => inKeys('status', async (desk) => desk.status(options.json ?? false)));
  keys
    .command('rotate')
    .description('give a tenant and its people, or one person, new keys, and encrypt everything with them')
    .argument('<tenant>', platform)
    .argument('[person]', 'subject id')
    .option('--json', 'print one JSON object')
    .action((tenant: string, person: string | undefined, options: Options) =>
      inKeys('rotate', async (desk) => desk.rotate(tenant, person, options.json ?? false)),
    );
  keys
    .command('rotate-master')
    .description('wrap every key that MASTER_KEY_PREVIOUS wraps by MASTER_KEY; may be stopped and run again')
    .option('--json', 'print one JSON object')
    .action((options: Options) => inKeys('rotate-master', async (desk) => desk.rotateMaster(options.json ?? false)));
  keys
    .command('shred')
    .description(
      'destroy the keys of a tenant and its people, or of one person: nothing brings back what they encrypted',
    )
    .argument('<tenant>', platform)
    .argument('[person]', 'subject id')
    .requiredOption('--confirm <name>', 'the tenant, or the person, once more')
    .option('--json', 'print one JSON object')
    .action((tenant: string, person: string | undefined, options: Options) =>
      inKeys('shred', async (desk) => desk.shred(tenant, person, options.confirm, options.json ?? false)),
    );
}

async function inKeys(command: string, work: (desk: KeyDesk) => Promise<string>): Promise<void> {
  const { openKeyDesk } = await import('../key-desk.ts');
  const desk = await openKeyDesk(command);
  try {
    process.stdout.write(await work(desk));
  } finally {
    await desk.close();
  }
}
