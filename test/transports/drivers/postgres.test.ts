import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Log, silentLog } from '../../../runtime/actor.ts';
import {
  checkDurability,
  connectDatabase,
  DatabaseUnavailable,
  DurabilityOff,
  inTransaction,
  withTimeout,
  type Database,
  type DatabaseOptions,
  type Queryable,
} from '../../../transports/drivers/postgres.ts';
import { usePostgres } from '../../support/postgres.ts';
import { openProxy } from '../../support/proxy.ts';

const postgres = usePostgres();
let database: Database;
beforeAll(async () => {
  database = await postgres.emptyDatabase();
  await database.query('create table item (id int primary key)');
});

function open(options: Partial<DatabaseOptions>): Database {
  const opened = connectDatabase({ ...postgres.server, log: silentLog, ...options });
  onTestFinished(() => opened.close());
  return opened;
}

const unavailable = { name: 'DatabaseUnavailable', retryAfterMs: 1_000 };

test('bigint comes as a number and numeric as exact text', async () => {
  const { rows } = await database.query(
    `select 9007199254740991::bigint as big, '{1,2}'::bigint[] as many, '{}'::bigint[] as none, 0.1::numeric as exact`,
  );
  expect(rows).toEqual([{ big: 9_007_199_254_740_991, many: [1, 2], none: [], exact: '0.1' }]);
});

test('a bigint that a number cannot hold is an error and never a wrong number', async () => {
  await expect(database.query('select 9007199254740993::bigint')).rejects.toThrow(
    'a bigint must be a safe integer here, was 9007199254740993',
  );
});

describe('a transaction', () => {
  const ids = async (): Promise<unknown[]> =>
    (await database.query<{ id: number }>('select id from item order by id')).rows.map(({ id }) => id);

  test('commits when its work returns', async () => {
    const answer = await database.transaction(async (transaction) => {
      await transaction.query('insert into item values (1)');
      return 'done';
    });
    expect([answer, await ids()]).toEqual(['done', [1]]);
  });

  test('leaves nothing behind when its work throws, and throws that error', async () => {
    const fault = new Error('changed my mind');
    const work = database.transaction(async (transaction) => {
      await transaction.query('insert into item values (2)');
      throw fault;
    });
    await expect(work).rejects.toBe(fault);
    expect(await ids()).not.toContain(2);
  });

  test('whose work hides the failure of a statement is not taken for committed', async () => {
    const work = database.transaction(async (transaction) => {
      await transaction.query('insert into item values (3)');
      await transaction.query('select 1 / 0').catch(() => {});
    });
    await expect(work).rejects.toThrow(/was not given up/);
    expect(await ids()).not.toContain(3);
  });
});

describe('unavailable is', () => {
  test('a server that nobody reaches', async () => {
    await expect(open({ port: 1 }).query('select 1')).rejects.toMatchObject(unavailable);
    await expect(open({ host: 'no-such-host.invalid' }).query('select 1')).rejects.toMatchObject(unavailable);
  });

  test('a server that does not answer in time', async () => {
    const proxy = await openProxy('127.0.0.1', postgres.server.port);
    proxy.mode = 'silent';
    const slow = open({ port: proxy.port, connectTimeoutMs: 100 });
    await expect(slow.query('select 1')).rejects.toMatchObject(unavailable);
  });

  test('a statement that runs for too long', async () => {
    const impatient = open({ statementTimeoutMs: 50 });
    await expect(impatient.query('select pg_sleep(10)')).rejects.toMatchObject({
      ...unavailable,
      cause: { code: '57014' },
    });
    expect((await impatient.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('a connection that the server ends, and the next one works again', async () => {
    const alone = open({ poolSize: 1 });
    await expect(alone.query('select pg_terminate_backend(pg_backend_pid())')).rejects.toMatchObject(unavailable);
    expect((await alone.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('a connection that breaks in the middle of a transaction', async () => {
    const alone = open({ poolSize: 1 });
    const work = alone.transaction((transaction) => transaction.query('select pg_terminate_backend(pg_backend_pid())'));
    await expect(work).rejects.toBeInstanceOf(DatabaseUnavailable);
    await alone.checkHealth();
  });

  test('not a statement that is wrong', async () => {
    await expect(database.query('select nonsense')).rejects.toMatchObject({ code: '42703' });
    await expect(open({ password: 'guessed' }).query('select 1')).rejects.toMatchObject({ code: '28P01' });
  });
});

test.each(['fsync', 'full_page_writes', 'synchronous_commit'])('a server with %s off is not durable', async (name) => {
  const setting = { rows: [{ name, setting: 'off' }], rowCount: 1, command: 'SELECT' };
  const query = async <Row extends object>() =>
    setting as unknown as { rows: Row[]; rowCount: number; command: string };
  await expect(checkDurability({ query })).rejects.toThrow(DurabilityOff);
  await expect(checkDurability({ query })).rejects.toThrow(`PostgreSQL's ${name} must be on, was off`);
});

test('a server as it comes is durable', async () => {
  await expect(checkDurability(database)).resolves.toBeUndefined();
});

test('a direct connection keeps its session', async () => {
  const direct = await database.connect();
  await inTransaction(direct, async (transaction) => transaction.query(`set local search_path = 'pg_catalog'`));
  await direct.query(`set application_name = 'mine'`);
  expect((await direct.query('show application_name')).rows).toEqual([{ application_name: 'mine' }]);
  await direct.close();
  await direct.close();
  await expect(direct.query('select 1')).rejects.toBeInstanceOf(DatabaseUnavailable);
});

test('a database that is closed twice is closed', async () => {
  const closing = connectDatabase({ ...postgres.server, log: silentLog });
  await closing.query('select 1');
  await Promise.all([closing.close(), closing.close()]);
  await expect(closing.query('select 1')).rejects.toThrow('the database is unavailable: it is closed');
});

describe('an idle connection that the server ends', () => {
  /** Opens one, lets the server end it once `before` is done, and waits for its end. @returns what the log got */
  async function end(before: (opened: Database) => unknown): Promise<readonly string[]> {
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_, message) => warnings.push(message) };
    const opened = open({ log });
    const { rows } = await opened.query<{ pid: number }>('select pg_backend_pid() as pid');
    const { pid } = rows[0]!;
    // Asleep it reads nothing, whatever is sent to it; awake it sees first that it has to end.
    process.kill(pid, 'SIGSTOP');
    await before(opened);
    process.kill(pid, 'SIGTERM');
    process.kill(pid, 'SIGCONT');
    await vi.waitUntil(async () => {
      const left = await database.query('select 1 from pg_stat_activity where pid = $1', [pid]);
      return left.rowCount === 0;
    });
    // What the server said last has come by then.
    await database.query('select 1');
    return warnings;
  }

  test('is told', async () => {
    expect(await end(() => {})).toEqual(['an idle database connection was lost']);
  });

  test('is not told when the database was closed before', async () => {
    expect(await end((opened) => opened.close())).toEqual([]);
  });
});

test('a connection on which even the rollback fails is not lent again', async () => {
  const pool = open({ poolSize: 1 });
  const pids: number[] = [];
  const refusing = pool.transaction(async (transaction) => {
    const { rows } = await transaction.query<{ pid: number }>('select pg_backend_pid() as pid');
    pids.push(rows[0]!.pid);
    // Stands for any answer to a rollback but the one that it is done.
    const query = transaction.query.bind(transaction);
    Object.assign(transaction, {
      query: (text: string) => (text === 'rollback' ? Promise.reject(new Error('no')) : query(text)),
    });
    throw new Error('the work failed');
  });
  await expect(refusing).rejects.toBeInstanceOf(DatabaseUnavailable);
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
  expect(pids).not.toContain(rows[0]!.pid);
});

test('a transaction whose client has vanished does not keep its locks', async () => {
  const { rows } = await database.transaction((transaction) =>
    transaction.query<{ limit: string }>(`select current_setting('idle_in_transaction_session_timeout') as limit`),
  );
  expect(rows).toEqual([{ limit: '5s' }]);
});

describe('a pool', () => {
  test('tells how busy it is, and for how long somebody has been waiting', async () => {
    const pool = open({ poolSize: 1 });
    await pool.query('select 1');
    expect(pool.stats()).toMatchObject({
      limit: 1,
      open: 1,
      idle: 1,
      waiting: 0,
      saturation: 0,
      saturatedMs: 0,
      acquired: 1,
    });
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const holding = pool.transaction(() => held);
    const waiting = pool.query('select 1');
    // The first is handed its connection in a turn of its own; until then both wait.
    await vi.waitFor(() => expect(pool.stats()).toMatchObject({ idle: 0, waiting: 1, saturation: 1 }));
    await vi.waitFor(() => expect(pool.stats().saturatedMs).toBeGreaterThan(0));
    letGo();
    await Promise.all([holding, waiting]);
    expect(pool.stats()).toMatchObject({ waiting: 0, saturation: 0, saturatedMs: 0, acquireTimeouts: 0 });
  });

  test('counts who got no connection in time', async () => {
    const pool = open({ poolSize: 1, connectTimeoutMs: 50 });
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    const holding = pool.transaction(() => held);
    await expect(pool.query('select 1')).rejects.toMatchObject(unavailable);
    expect(pool.stats().acquireTimeouts).toBe(1);
    letGo();
    await holding;
  });

  test('counts statements that were ended for taking too long', async () => {
    const pool = withTimeout(open({}), 50);
    await expect(pool.transaction((transaction) => transaction.query('select pg_sleep(5)'))).rejects.toMatchObject(
      unavailable,
    );
    expect(pool.stats()).toMatchObject({ statementTimeouts: 1, retries: 0 });
  });
});

describe('a connection that is lost', () => {
  const throughProxy = async () => {
    const proxy = await openProxy('127.0.0.1', postgres.server.port);
    return { proxy, pool: open({ port: proxy.port, poolSize: 2 }) };
  };

  test('is no loss to a transaction that only reads: it is done again, once', async () => {
    const { proxy, pool } = await throughProxy();
    let runs = 0;
    const read = (transaction: Queryable) => {
      runs += 1;
      if (runs === 1) proxy.cut();
      return transaction.query('select 7 as seven');
    };
    expect((await pool.transaction(read, { isRepeatable: true })).rows).toEqual([{ seven: 7 }]);
    expect([runs, pool.stats().retries]).toEqual([2, 1]);
    runs = 0;
    const cutAlways = async (transaction: Queryable) => {
      runs += 1;
      proxy.cut();
      return transaction.query('select 7 as seven');
    };
    await expect(pool.transaction(cutAlways, { isRepeatable: true })).rejects.toMatchObject(unavailable);
    expect(runs).toBe(2);
  });

  test('ends a transaction that writes: nobody knows what became of it', async () => {
    const { proxy, pool } = await throughProxy();
    let runs = 0;
    const write = async (transaction: Queryable) => {
      runs += 1;
      proxy.cut();
      return transaction.query('insert into item values (901)');
    };
    await expect(pool.transaction(write)).rejects.toMatchObject(unavailable);
    expect([runs, pool.stats().retries]).toEqual([1, 0]);
  });
});
