/** The platform's database: the embedded one or the firm's, opened when it can be reached and opened again when it was lost. */
import type { Log } from '../runtime/actor.ts';
import { JournalUnavailable, type Journal } from '../runtime/journal.ts';
import type { SnapshotStore } from '../runtime/snapshots.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../transports/drivers/embedded-postgres.ts';
import { PostgresJournal } from '../transports/drivers/postgres-journal.ts';
import { PostgresSnapshots } from '../transports/drivers/postgres-snapshots.ts';
import {
  connectDatabase,
  DatabaseUnavailable,
  type ConnectionOptions,
  type Database,
} from '../transports/drivers/postgres.ts';
import type { DatabaseConfig } from '../config/config.ts';
import { limits } from '../config/limits.ts';

export interface Storage {
  /** Starts or finds the server. May be called again: a server of ours that has died is started anew. @throws what kept it from opening */
  open(): Promise<void>;
  readonly isOpen: boolean;
  /** @throws DatabaseUnavailable unless open */
  database(): Database;
  /** Always there; throws JournalUnavailable while the server is not. */
  readonly journal: Journal;
  /** Always there; fails while the server is not. */
  readonly snapshots: SnapshotStore;
  /** @throws while the database cannot serve */
  ping(): Promise<void>;
  close(): Promise<void>;
}

interface Opened {
  readonly port: number;
  readonly database: Database;
  readonly journal: PostgresJournal;
}

export function openStorage(options: {
  home: string;
  external: DatabaseConfig | undefined;
  log: Log;
  /** From which on a statement is told as slow. */
  slowMs?: number;
}): Storage {
  const { home, external, log, slowMs = limits.database.slowMs } = options;
  let server: EmbeddedPostgres | undefined;
  let opened: Opened | undefined;
  let opening: Promise<void> = Promise.resolve();

  async function login(): Promise<ConnectionOptions> {
    if (external) {
      const { host, port, name, user, password } = external;
      return { host, port, user, database: name, password: password?.reveal() ?? '' };
    }
    server ??= await startEmbeddedPostgres({ home, log, onExit: onServerExit });
    const { host, port, user, password, database } = server;
    return { host, port, user, password, database };
  }

  function onServerExit(lines: readonly string[]): void {
    log.error({ lines }, 'the embedded database has ended');
    server = undefined;
  }

  function current(): Opened {
    if (!opened) throw new DatabaseUnavailable(new Error('it is not open yet'));
    return opened;
  }

  async function close(): Promise<void> {
    const closing = opened;
    opened = undefined;
    await closing?.journal.close();
    await closing?.database.close();
  }

  async function open(): Promise<void> {
    const at = await login();
    if (opened && opened.port === at.port) return;
    await close();
    const database = connectDatabase({ ...at, log, slowMs });
    opened = { port: at.port, database, journal: new PostgresJournal(database, log) };
  }

  /** One at a time; whoever closes waits for it, so that no server is left behind. */
  function openInTurn(): Promise<void> {
    const turn = opening.then(open);
    opening = turn.catch(() => {});
    return turn;
  }

  const reachable = async <T>(work: (journal: Journal) => Promise<T>): Promise<T> => {
    if (!opened) throw new JournalUnavailable();
    return work(opened.journal);
  };

  return {
    open: openInTurn,
    get isOpen() {
      return opened !== undefined;
    },
    database: () => current().database,
    journal: {
      append: (batch) => reachable((journal) => journal.append(batch)),
      settle: (batch) => reachable((journal) => journal.settle(batch)),
      lastSeqs: (tenantId) => reachable((journal) => journal.lastSeqs(tenantId)),
      async *read(key, afterSeq) {
        if (!opened) throw new JournalUnavailable();
        yield* opened.journal.read(key, afterSeq);
      },
    },
    snapshots: new PostgresSnapshots(() => current().database),
    async ping() {
      if (!external && !server) await openInTurn();
      await current().database.checkHealth();
    },
    async close() {
      await opening;
      await close();
      await server?.stop();
    },
  };
}
