/** The commands, each in commands/<name>.ts. A mistake in the use of them ends with code 2, a failure of the work with code 1. */
import { Command, CommanderError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { register as backup } from './commands/backup.ts';
import { register as config } from './commands/config.ts';
import { register as database } from './commands/database.ts';
import { register as health } from './commands/health.ts';
import { register as keys } from './commands/keys.ts';
import { register as loadTest } from './commands/load-test.ts';
import { register as migrate } from './commands/migrate.ts';
import { register as replay } from './commands/replay.ts';
import { register as restore } from './commands/restore.ts';
import { register as start } from './commands/start.ts';
import { describeFailure } from './failure.ts';

const usageError = 2;

const program = new Command('aitrading')
  .description('A multi-tenant AI trading platform built as a supervised actor system.')
  .version(packageJson.version)
  // Set before the commands are added: each takes these settings over.
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(`aitrading: ${usageFault(text)}; see aitrading --help\n`) });

for (const register of [start, migrate, database, backup, restore, config, health, loadTest, replay, keys])
  register(program);

// The reader of a pipe may stop reading, as `head` does: there is nobody left to tell anything.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = error instanceof CommanderError ? usageExitCode(error) : reportFailure(error);
}

function usageExitCode(error: CommanderError): number {
  return error.exitCode === 0 ? 0 : usageError;
}

function reportFailure(error: unknown): number {
  for (const line of describeFailure(error)) process.stderr.write(`aitrading: ${line}\n`);
  return 1;
}

// Commander puts a suggestion on a line of its own: "error: unknown command 'strat'\n(Did you mean start?)".
function usageFault(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
}
