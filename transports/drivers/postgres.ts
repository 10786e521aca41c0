/** PostgreSQL through a pool: queries, transactions, and the difference between a server that is away and a statement that is wrong. */
import assert from 'node:assert';
import pg from 'pg';
import type { Log } from '../../runtime/actor.ts';
import { Retryable, Terminal } from '../../runtime/errors.ts';
import { PoolMeter, type PoolStats, type SlowStatement } from './pool-meter.ts';

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface DatabaseOptions extends ConnectionOptions {
  readonly log: Log;
  /** Connections at most; 10 where absent. */
  readonly poolSize?: number;
  /** Wait for a connection at most; 5,000 where absent. */
  readonly connectTimeoutMs?: number;
  /** Run of one statement at most; 30,000 where absent. */
  readonly statementTimeoutMs?: number;
  /** From which on a statement is told as slow; 1,000 where absent. */
  readonly slowMs?: number;
}

export interface QueryResult<Row> {
  readonly rows: readonly Row[];
  /** Rows returned or changed. */
  readonly rowCount: number;
  /** What the server says it did, such as `COMMIT`. */
  readonly command: string;
}

/** Runs statements. bigint comes as a number (a RangeError where it is not safe), numeric as text, timestamptz as a Date. */
export interface Queryable {
  /** @throws DatabaseUnavailable, or the server's own error (`code` is the SQLSTATE) */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<QueryResult<Row>>;
}

/** SQL that makes a moment of microseconds since the epoch, exactly: PostgreSQL's to_timestamp takes floating seconds. @param micros a column or parameter */
export function momentOf(micros: string): string {
  return `timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond'`;
}

export interface TransactionOptions {
  /** It changes nothing, so it may be done again: once, where its connection was lost. */
  readonly isRepeatable?: boolean;
  /** Run of one of its statements at most; absent: that of the pool. */
  readonly timeoutMs?: number;
}

export interface Database extends Queryable {
  /** Commits when `work` returns and rolls back when it throws. */
  transaction<T>(work: (transaction: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
  stats(): PoolStats;
  /** Newest first; a bounded number of them. */
  slowStatements(): readonly SlowStatement[];
  /** Passes when a connection can be had and a function in plpgsql runs (a half-done upgrade of the server breaks that first). */
  checkHealth(): Promise<void>;
  /**
   * A connection of one's own to the same server, past every pool: for session locks, DDL and named statements.
   * @throws DatabaseUnavailable
   */
  connect(options?: ConnectionOverrides): Promise<DirectConnection>;
  /** Waits for what is running. May be called twice. */
  close(): Promise<void>;
}

export interface ConnectionOverrides {
  readonly statementTimeoutMs?: number;
}

export interface DirectConnection extends Queryable {
  readonly client: pg.Client;
  /** May be called twice. */
  close(): Promise<void>;
}

/** The server cannot be reached, is starting or stopping, or did not answer in time. Whether a statement took effect is not known. */
export class DatabaseUnavailable extends Retryable {
  constructor(cause: unknown) {
    super(`the database is unavailable: ${(cause as Error).message}`, { retryAfterMs: 1_000, cause });
  }
}

/** The server would lose what it has acknowledged. */
export class DurabilityOff extends Terminal {
  constructor(setting: string, value: string) {
    super(`PostgreSQL's ${setting} must be on, was ${value}`);
  }
}

/** Connects when it is first used; nothing is tried here. */
export function connectDatabase(options: DatabaseOptions): Database {
  const { poolSize = 10, slowMs = 1_000 } = options;
  const pool = new pg.Pool({ ...clientOptions(options), max: poolSize, idleTimeoutMillis: 30_000 });
  const meter = new PoolMeter(slowMs);
  let closed: Promise<void> | undefined;
  // A connection that breaks while idle has no query to fail: without a handler it would end the process.
  pool.on('error', (error) => {
    // A closed pool has taken its leave, but a server that stops behind it may still answer that it does.
    if (!closed) options.log.warn({ error: error.message }, 'an idle database connection was lost');
  });
  pool.on('connect', (client) => client.on('error', () => {}));

  async function acquire(): Promise<pg.PoolClient> {
    if (closed) throw new DatabaseUnavailable(new Error('it is closed'));
    const fromMs = performance.now();
    const told = (isOk: boolean): void => meter.onAcquire(performance.now() - fromMs, isOk, pool.waitingCount > 0);
    const asked = pool.connect();
    if (pool.waitingCount > 0) meter.onWait();
    try {
      const client = await asked;
      told(true);
      return client;
    } catch (error) {
      told(false);
      return rethrow(error);
    }
  }

  async function lend<T>(work: (connection: Queryable) => Promise<T>): Promise<T> {
    const client = await acquire();
    return work(on(client, meter)).then(
      (result) => {
        client.release();
        return result;
      },
      (error: unknown) => {
        client.release(error instanceof DatabaseUnavailable);
        throw error;
      },
    );
  }

  async function transaction<T>(
    work: (transaction: Queryable) => Promise<T>,
    { isRepeatable = false, timeoutMs }: TransactionOptions = {},
  ): Promise<T> {
    const begin = beginText(timeoutMs);
    const once = () => lend((connection) => inTransaction(connection, work, begin));
    if (!isRepeatable) return once();
    return once().catch((error: unknown) => {
      if (!isLostConnection(error)) throw error;
      meter.onRetry();
      return once();
    });
  }

  return {
    query: (text, values) => lend((connection) => connection.query(text, values)),
    transaction,
    stats: () => {
      const { totalCount: open, idleCount: idle, waitingCount: waiting } = pool;
      return meter.stats({ limit: poolSize, open, idle, waiting });
    },
    slowStatements: () => meter.slow,
    checkHealth: async () => {
      await lend((connection) => connection.query(`do language plpgsql $$ begin perform 1; end $$`));
    },
    connect: (overrides) => connectDirectly({ ...options, ...overrides }),
    close: () => (closed ??= pool.end()),
  };
}

/** The same database, where a transaction's statements run no longer than this unless it says otherwise. */
export function withTimeout(database: Database, timeoutMs: number): Database {
  return {
    ...database,
    transaction: (work, options) => database.transaction(work, { timeoutMs, ...options }),
  };
}

/** A connection that broke, or a server that went: not one that had no time or no room, which it would have no more of the next time. */
function isLostConnection(error: unknown): boolean {
  if (!(error instanceof DatabaseUnavailable)) return false;
  const { code, message = '' } = error.cause as { code?: string; message?: string };
  if (code !== undefined) return /^(08...|57P0[12]|ECONNRESET|EPIPE)$/.test(code);
  return message.startsWith('Connection terminated');
}

/**
 * A client that vanishes without a word leaves its transaction open, and its locks would be waited for until TCP gives up.
 * No work over a pool pauses for so long between two statements.
 */
function beginText(timeoutMs: number | undefined): string {
  const limit = timeoutMs === undefined ? '' : `; set local statement_timeout = ${Math.ceil(timeoutMs)}`;
  return `begin; set local idle_in_transaction_session_timeout = '5s'${limit}`;
}

/** BEGIN, work, COMMIT; ROLLBACK when the work throws. */
export async function inTransaction<T>(
  client: Queryable,
  work: (client: Queryable) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  await client.query(begin);
  try {
    const result = await work(client);
    const { command } = await client.query('commit');
    assert(command === 'COMMIT', 'a transaction whose statement failed was not given up by its work');
    return result;
  } catch (error) {
    try {
      await client.query('rollback');
    } catch (rollbackError) {
      if (error instanceof DatabaseUnavailable) throw error;
      // What the transaction had set, its role for one, may still hold: nobody else may have this connection.
      throw new DatabaseUnavailable(new AggregateError([error, rollbackError], (rollbackError as Error).message));
    }
    throw error;
  }
}

async function connectDirectly(options: DatabaseOptions & ConnectionOverrides): Promise<DirectConnection> {
  const client = new pg.Client(clientOptions(options));
  // A lost connection shows at the next query.
  client.on('error', () => {});
  await client.connect().catch(rethrow);
  return { client, query: on(client).query, close: () => client.end().catch(() => {}) };
}

/** @throws DurabilityOff a setting without which an acknowledged commit can be lost is off */
export async function checkDurability(client: Queryable): Promise<void> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')`,
  );
  for (const { name, setting } of rows) {
    if (setting !== 'on') throw new DurabilityOff(name, setting);
  }
}

/** Whether an error speaks of the connection and not of the statement. */
export function isConnectionClass(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && code !== '') {
    // 08: connection; 57P0x: shutdown, crash, not yet ready; 57014: ran out of time; 53300: no connection left.
    return /^(08...|57P0[1-4]|57014|53300|E(?!RR_)[A-Z_]+|ERR_(STREAM|SOCKET)_[A-Z_]+)$/.test(code);
  }
  return typeof message === 'string' && /connection|timeout|not queryable/i.test(message);
}

function on(client: pg.ClientBase, meter?: PoolMeter): Queryable {
  return {
    query: async <Row extends object>(text: string, values?: readonly unknown[]) => {
      const fromMs = performance.now();
      const result = await client.query<Row>(text, values as unknown[] | undefined).catch((error: unknown) => {
        meter?.onStatement(text, performance.now() - fromMs, error);
        return rethrow(error);
      });
      meter?.onStatement(text, performance.now() - fromMs);
      return { rows: result.rows, rowCount: result.rowCount ?? 0, command: result.command };
    },
  };
}

function rethrow(error: unknown): never {
  throw isConnectionClass(error) ? new DatabaseUnavailable(error) : error;
}

function clientOptions(options: DatabaseOptions): pg.ClientConfig {
  const { host, port, user, password, database, connectTimeoutMs = 5_000, statementTimeoutMs = 30_000 } = options;
  return {
    host,
    port,
    user,
    password,
    database,
    application_name: 'aitrading',
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    // The server's own limit comes first; this one is for a server that no longer answers at all.
    query_timeout: statementTimeoutMs + 5_000,
    keepAlive: true,
    types: { getTypeParser: parserFor as typeof pg.types.getTypeParser },
  };
}

const bigintType = 20;
const bigintArrayType = 1016;

function parserFor(type: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (type === bigintType) return safeInteger;
  if (type === bigintArrayType)
    return (value) => (value === '{}' ? [] : value.slice(1, -1).split(',').map(safeInteger));
  return pg.types.getTypeParser(type, format) as (value: string) => unknown;
}

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`a bigint must be a safe integer here, was ${text}`);
  return value;
}
