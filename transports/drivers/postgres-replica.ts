/**
 * A read replica for reports: it answers only what it is known to have.
 *
 * A report of an account has to hold the account's journal up to some seq. The read models keep that seq in the same transaction as
 * their rows, and the replica replays both together: one look at its checkpoint tells, without clocks and log positions.
 */
import { tenantSchema } from './migration-files.ts';
import { DatabaseUnavailable, type Database } from './postgres.ts';
import { asTenant } from './roles.ts';

export interface ReplicaState {
  readonly isUsed: boolean;
  /** Why not. */
  readonly reason?: string;
  /** Between a commit here and its replay there; null while nothing was replayed yet. */
  readonly lagMs: number | null;
  /** Reports that it has answered, those it did not have yet, and those it failed to answer, since the start. */
  readonly served: number;
  readonly behind: number;
  readonly failed: number;
}

export interface ReplicaOptions {
  readonly database: Database;
  /** Above it the replica is told as lagging; what it has is still read from it. */
  readonly maxLagMs: number;
  /** How long it is left alone after it failed to answer. */
  readonly restMs: number;
  monotonicMs(): number;
  onState(state: ReplicaState): void;
}

export class Replica {
  readonly #options: ReplicaOptions;
  #counts = { served: 0, behind: 0, failed: 0 };
  #lagMs: number | null = null;
  #restsUntilMs = 0;
  #reason: string | undefined = 'not asked yet';

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  get state(): ReplicaState {
    const reason = this.#reason;
    return {
      isUsed: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      lagMs: this.#lagMs,
      ...this.#counts,
    };
  }

  get database(): Database {
    return this.#options.database;
  }

  /** Runs `work` here if the account's read models have come to `throughSeq`, else on the primary; there too if this one fails. */
  async read<T>(
    primary: Database,
    account: { readonly tenantId: number; readonly accountId: number },
    throughSeq: number,
    work: (database: Database) => Promise<T>,
  ): Promise<T> {
    if (this.#options.monotonicMs() < this.#restsUntilMs) return work(primary);
    try {
      if (await this.#holds(account, throughSeq)) {
        const result = await work(this.#options.database);
        this.#counts = { ...this.#counts, served: this.#counts.served + 1 };
        return result;
      }
      this.#counts = { ...this.#counts, behind: this.#counts.behind + 1 };
    } catch (error) {
      // A query that is canceled for the sake of replay (40001), a schema that has not arrived yet: the primary knows better.
      if (!(error instanceof DatabaseUnavailable) && !isOfReplay(error)) throw error;
      this.#counts = { ...this.#counts, failed: this.#counts.failed + 1 };
      if (error instanceof DatabaseUnavailable) this.#rest(error.message);
    }
    return work(primary);
  }

  /** Looks whether it is there, and how far behind. To be called now and then; never throws. */
  async check(): Promise<void> {
    try {
      const { rows } = await this.#options.database.query<{ is_standby: boolean; lag: number | null }>(
        `select pg_is_in_recovery() as is_standby,
           case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
             else (extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint end as lag`,
      );
      const { is_standby: isStandby, lag } = rows[0]!;
      this.#lagMs = lag;
      // Promoted, it goes on by itself: what it says is not what this platform has.
      if (!isStandby) return this.#rest('it is no standby');
      this.#tell((lag ?? 0) > this.#options.maxLagMs ? `it is ${lag} ms behind` : undefined);
    } catch (error) {
      this.#rest((error as Error).message);
    }
  }

  async #holds({ tenantId, accountId }: { tenantId: number; accountId: number }, throughSeq: number): Promise<boolean> {
    if (throughSeq === 0) return true;
    const text = `select from ${tenantSchema(tenantId)}.checkpoint where account_id = $1 and seq >= $2 and pg_is_in_recovery()`;
    const { rowCount } = await asTenant(this.#options.database, tenantId, (transaction) =>
      transaction.query(text, [accountId, throughSeq]),
    );
    return rowCount === 1;
  }

  #rest(reason: string): void {
    this.#restsUntilMs = this.#options.monotonicMs() + this.#options.restMs;
    this.#tell(reason);
  }

  #tell(reason: string | undefined): void {
    this.#reason = reason;
    this.#options.onState(this.state);
  }
}

/** 40001: in conflict with recovery; 42P01 and 3F000, 42704: what it names has not been replayed yet. */
function isOfReplay(error: unknown): boolean {
  return /^(40001|42P01|3F000|42704|22023)$/.test(String((error as { code?: unknown }).code));
}
