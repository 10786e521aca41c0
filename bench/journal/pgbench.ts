/** The peer: PostgreSQL's own benchmark, one row a transaction, 32 clients that all wait for their commits. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ConnectionOptions } from '../../transports/drivers/postgres.ts';
import { percentile } from '../report.ts';
import { examplePayload } from './payload.ts';

export interface Pgbench {
  readonly path: string;
  /** As the report names it. */
  readonly name: string;
}

export interface PgbenchResult {
  readonly rows: number;
  readonly rowsPerSecond: number;
  /** Of its own log of every transaction. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const clients = 32;
const accounts = 200;
/** Apart enough for any number of rows of one client in one run. */
const seqsOfClient = 1_000_000_000;
const seqsOfRun = 1_000 * seqsOfClient;

const exec = promisify(execFile);

/** The newest that is installed, or why there is none. */
export async function findPgbench(versions = '/usr/lib/postgresql'): Promise<Pgbench | { readonly skipped: string }> {
  const found = existsSync(versions)
    ? readdirSync(versions)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin', 'pgbench'))
        .find(existsSync)
    : undefined;
  if (found === undefined) return { skipped: 'pgbench is not installed: apt-get install postgresql' };
  const { stdout } = await exec(found, ['--version']);
  return { path: found, name: `pgbench ${/\d+(\.\d+)*/.exec(stdout)?.[0] ?? ''}`.trim() };
}

/**
 * Fills a partition of the journal. All values but the row's own numbers are sent as they are, and prepared, as ours are; every row is
 * one of its own client, so that no two transactions meet.
 *
 * @param run counts the runs on one partition, from 0
 */
export async function runPgbench(
  { path }: Pgbench,
  login: ConnectionOptions,
  { tenantId, run, seconds }: { readonly tenantId: number; readonly run: number; readonly seconds: number },
): Promise<PgbenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'aitrading-pgbench-'));
  try {
    writeFileSync(join(folder, 'script.sql'), script);
    const values = {
      ...{ tenant: tenantId, n: 0, base: run * seqsOfRun, command: 'order:bench', digest: `\\x${'ab'.repeat(32)}` },
      payload: examplePayload,
    };
    const words = [
      ...['-n', '-M', 'prepared', '-c', String(clients), '-j', '2', '-T', String(seconds)],
      ...['-f', join(folder, 'script.sql'), '-l', `--log-prefix=${join(folder, 'log')}`],
      ...Object.entries(values).flatMap(([name, value]) => ['-D', `${name}=${value}`]),
      ...['-h', login.host, '-p', String(login.port), '-U', login.user, login.database],
    ];
    const { stdout } = await exec(path, words, { env: { PGPASSWORD: login.password, LC_ALL: 'C' } });
    const logs = readdirSync(folder).filter((name) => name.startsWith('log.'));
    const ms = logs.flatMap((name) => latenciesOf(readFileSync(join(folder, name), 'utf8')));
    return { ...totalsOf(stdout), p50Ms: percentile(ms, 0.5), p99Ms: percentile(ms, 0.99) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const script = `\\set account random(1, ${accounts})
\\set n :n + 1
\\set seq :base + :client_id * ${seqsOfClient} + :n
insert into platform.journal (tenant_id, account_id, seq, epoch, command_id, digest, payload) values (:tenant, :account, :seq, 1, :command, :digest, :payload);
`;

/** In milliseconds; a line is `client transaction microseconds script seconds microseconds`. @throws {Error} a transaction failed */
export function latenciesOf(log: string): number[] {
  return log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const micros = Number(line.split(' ')[2]);
      if (!(micros >= 0)) throw new Error(`pgbench logged a transaction that failed: ${line}`);
      return micros / 1_000;
    });
}

/** From what it prints at its end. @throws {Error} there is no figure, or a transaction failed */
export function totalsOf(output: string): { readonly rows: number; readonly rowsPerSecond: number } {
  const figure = (pattern: RegExp): number => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) throw new Error(`pgbench gave no figure: ${output}`);
    return Number(found);
  };
  const failed = /number of failed transactions: (\d+)/.exec(output)?.[1];
  if (failed !== undefined && failed !== '0') throw new Error(`${failed} transactions of pgbench failed`);
  return {
    rows: figure(/number of transactions actually processed: (\d+)/),
    rowsPerSecond: figure(/^tps = ([\d.]+)/m),
  };
}
