/** `config check`: every fault in the configuration, or the configuration as it would be used. */
import type { Command } from 'commander';

export function register(program: Command): void {
  const config = program.command('config').description('the configuration that the environment and .env give');
  config
    .command('check')
    .description('print the effective configuration, or every fault in it; secrets are shown as [secret]')
    .option('--json', 'print one JSON object')
    .action(check);
}

async function check({ json = false }: { json?: boolean }): Promise<void> {
  const { readEnvironment } = await import('../environment.ts');
  const { Failure } = await import('../failure.ts');
  const result = readEnvironment();
  if (json) {
    process.stdout.write(`${JSON.stringify(printable(result), undefined, 2)}\n`);
    if (!result.ok) process.exitCode = 1;
    return;
  }
  if (!result.ok) throw new Failure(result.faults);
  const rows = leaves(printable(result.config));
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join(''));
}

type Printable = string | number | boolean | null | readonly Printable[] | { readonly [name: string]: Printable };

const amountDigits = 8;

/** Plain JSON: secrets hidden, what is unset null, amounts (scaled by 10^8) as decimal text. */
function printable(value: unknown): Printable {
  const text = JSON.stringify(value, (_name, member: unknown) => {
    if (typeof member === 'bigint') return decimal(member);
    return member === undefined ? null : member;
  });
  return JSON.parse(text) as Printable;
}

function decimal(amount: bigint): string {
  const digits = amount.toString().padStart(amountDigits + 1, '0');
  return `${digits.slice(0, -amountDigits)}.${digits.slice(-amountDigits)}`.replace(/\.?0+$/, '');
}

function leaves(value: Printable, name = ''): [name: string, value: string][] {
  if (value === null) return [[name, 'unset']];
  if (typeof value !== 'object') return [[name, String(value)]];
  return Object.entries(value).flatMap(([key, member]) => leaves(member, name === '' ? key : `${name}.${key}`));
}
