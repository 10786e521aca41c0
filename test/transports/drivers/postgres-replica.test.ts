/** A primary and its standby, both real. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, appendFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../../runtime/actor.ts';
import { migrate } from '../../../transports/drivers/migrations.ts';
import { Replica, type ReplicaState } from '../../../transports/drivers/postgres-replica.ts';
import { connectDatabase, type Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { asTenant } from '../../../transports/drivers/roles.ts';
import { systemPostgres } from '../../support/postgres.ts';

const binaries = systemPostgres();
const account = { tenantId: 1, accountId: 7 };

describe.skipIf(!binaries)('a standby of PostgreSQL', () => {
  const bin = join(binaries?.root ?? '', 'bin');
  const running = new Map<number, ChildProcess>();
  let folder: string;
  let [primaryPort, standbyPort] = [0, 0];
  let primary: Database;
  let standby: Database;
  let nowMs = 0;
  let states: ReplicaState[];
  let replica: Replica;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aitrading-test-'));
    if (isRoot) chownSync(folder, ...postgresUser());
    [primaryPort, standbyPort] = [await freePort(), await freePort()];
    const data = join(folder, 'primary');
    run('initdb', '-D', data, '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--auth=trust');
    appendFileSync(join(data, 'pg_hba.conf'), 'host replication all 127.0.0.1/32 trust\n');
    await start('primary', primaryPort);
    primary = connect(primaryPort);
    await migrate(primary);
    await provisionTenant(primary, { slug: 'demo', name: 'Demo' });
    run(
      'pg_basebackup',
      '-h',
      '127.0.0.1',
      '-p',
      String(primaryPort),
      '-U',
      'postgres',
      '-D',
      join(folder, 'standby'),
      '-R',
      '-c',
      'fast',
    );
    await start('standby', standbyPort);
    standby = connect(standbyPort);
  }, 60_000);

  afterAll(async () => {
    await Promise.all([primary?.close(), standby?.close()]);
    for (const child of running.values()) child.kill('SIGQUIT');
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    [nowMs, states] = [0, []];
    replica = new Replica({
      ...{ database: standby, maxLagMs: 1_000, restMs: 5_000 },
      monotonicMs: () => nowMs,
      onState: (state) => states.push(state),
    });
    await standby.query('select pg_wal_replay_resume()').catch(() => {});
  });

  const whichServer = async (from: Database): Promise<string> => {
    const { rows } = await asTenant(from, 1, (transaction) =>
      transaction.query<{ standby: boolean }>('select pg_is_in_recovery() as standby'),
    );
    return rows[0]!.standby ? 'standby' : 'primary';
  };
  const checkpoint = (seq: number): Promise<unknown> =>
    primary.query(
      `insert into t_1.checkpoint values (7, $1, 0) on conflict (account_id) do update set seq = excluded.seq`,
      [seq],
    );
  const replayed = (seq: number): Promise<void> =>
    vi.waitFor(
      async () => {
        const { rows } = await standby.query('select seq from t_1.checkpoint where account_id = 7');
        expect(rows).toEqual([{ seq }]);
      },
      { timeout: 10_000 },
    );

  test('answers what it has replayed', async () => {
    await checkpoint(5);
    await replayed(5);
    expect(await replica.read(primary, account, 5, whichServer)).toBe('standby');
    expect(replica.state).toMatchObject({ served: 1, behind: 0, failed: 0 });
  });

  test('leaves to the primary what it has not replayed yet, and answers it later', async () => {
    await checkpoint(6);
    await replayed(6);
    await standby.query('select pg_wal_replay_pause()');
    await checkpoint(7);
    expect(await replica.read(primary, account, 7, whichServer)).toBe('primary');
    expect(await replica.read(primary, account, 6, whichServer)).toBe('standby');
    await standby.query('select pg_wal_replay_resume()');
    await replayed(7);
    expect(await replica.read(primary, account, 7, whichServer)).toBe('standby');
    expect(replica.state).toMatchObject({ served: 2, behind: 1, failed: 0 });
  });

  test('reads there with the rights of the tenant alone', async () => {
    const foreign = (from: Database) =>
      asTenant(from, 1, (transaction) => transaction.query('select from platform.api_key'));
    await expect(replica.read(primary, account, 0, foreign)).rejects.toMatchObject({ code: '42501' });
  });

  test('is told to lag while its replay stands still', async () => {
    await replica.check();
    expect(states.at(-1)).toMatchObject({ isUsed: true });
    await standby.query('select pg_wal_replay_pause()');
    await checkpoint(8);
    await vi.waitFor(
      async () => {
        await replica.check();
        expect(states.at(-1)).toMatchObject({ isUsed: false, reason: expect.stringMatching(/^it is \d+ ms behind$/) });
      },
      { timeout: 10_000, interval: 200 },
    );
  });

  test('a server that is no standby is not read from', async () => {
    const promoted = new Replica({
      ...{ database: primary, maxLagMs: 1_000, restMs: 5_000 },
      ...{ monotonicMs: () => nowMs, onState: (state) => states.push(state) },
    });
    await promoted.check();
    expect(states.at(-1)).toMatchObject({ isUsed: false, reason: 'it is no standby' });
    expect(await promoted.read(primary, account, 1, whichServer)).toBe('primary');
    expect(promoted.state.served).toBe(0);
  });

  test('the primary answers while it is dead, and it is left alone for a while', async () => {
    const gone = new Replica({
      database: connect(await freePort()),
      ...{ maxLagMs: 1_000, restMs: 5_000, monotonicMs: () => nowMs, onState: (state) => states.push(state) },
    });
    expect(await gone.read(primary, account, 1, whichServer)).toBe('primary');
    expect(gone.state).toMatchObject({ isUsed: false, failed: 1 });
    expect(await gone.read(primary, account, 1, whichServer)).toBe('primary');
    expect(gone.state.failed).toBe(1);
    nowMs = 5_000;
    expect(await gone.read(primary, account, 1, whichServer)).toBe('primary');
    expect(gone.state.failed).toBe(2);
    await gone.database.close();
  });

  function connect(port: number): Database {
    const login = { host: '127.0.0.1', port, user: 'postgres', password: '', database: 'postgres' };
    return connectDatabase({ ...login, log: silentLog, connectTimeoutMs: 2_000 });
  }

  function run(program: string, ...words: string[]): void {
    const command = isRoot
      ? ['setpriv', ...asPostgres(), join(bin, program), ...words]
      : [join(bin, program), ...words];
    execFileSync(command[0]!, command.slice(1), { stdio: 'pipe', cwd: folder });
  }

  async function start(name: string, port: number): Promise<void> {
    const words = [
      '-D',
      join(folder, name),
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
    ];
    const command = isRoot
      ? ['setpriv', ...asPostgres(), join(bin, 'postgres'), ...words]
      : [join(bin, 'postgres'), ...words];
    running.set(port, spawn(command[0]!, command.slice(1), { stdio: 'ignore', cwd: folder }));
    const probe = connect(port);
    await vi.waitFor(() => probe.query('select 1'), { timeout: 20_000, interval: 100 });
    await probe.close();
  }
});

const isRoot = process.getuid?.() === 0;

function postgresUser(): [number, number] {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return [id('-u'), id('-g')];
}

function asPostgres(): string[] {
  const [uid, gid] = postgresUser();
  return [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
