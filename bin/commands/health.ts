/** `health`: asks the running platform how it is. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { PlatformHealth } from '../health-check.ts';

export function register(program: Command): void {
  program
    .command('health')
    .description('ask the running platform how it is; exit code 0 when it is ready, 1 when it is not')
    .option('--json', 'print one JSON object')
    .option('--port-offset <n>', 'offset of its ports; default: PORT_OFFSET', wholeNumber)
    .action(health);
}

interface Options {
  readonly json?: boolean;
  readonly portOffset?: number;
}

async function health({ json = false, portOffset }: Options): Promise<void> {
  const { requireConfig } = await import('../environment.ts');
  const { checkHealth } = await import('../health-check.ts');
  const config = requireConfig(portOffset === undefined ? {} : { PORT_OFFSET: String(portOffset) });
  const report = await checkHealth(config);
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : table(report));
  if (!report.isReady) process.exitCode = 1;
}

function table({ isReady, reasons, checks, supervisors }: PlatformHealth): string {
  const state = isReady ? 'ready' : 'not ready';
  const rows = [...checks, ...supervisors];
  const nameWidth = Math.max(0, ...rows.map(({ name }) => name.length));
  const statusWidth = Math.max(0, ...rows.map(({ status }) => status.length));
  const lines = rows.map(({ name, status, reason = '' }) =>
    `${name.padEnd(nameWidth)}  ${status.padEnd(statusWidth)}  ${reason}`.trimEnd(),
  );
  return `${[state, ...reasons.map((reason) => `  ${reason}`), ...lines].join('\n')}\n`;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, zero or more.');
  return Number(text);
}
