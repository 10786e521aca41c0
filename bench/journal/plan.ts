/** How much is done, and how long each part may take. */
import type { Database } from '../../transports/drivers/postgres.ts';
import type { PostgresJournal } from '../../transports/drivers/postgres-journal.ts';
import type { BenchOptions } from '../report.ts';
import type { Appends } from './appends.ts';
import type { Expectation } from './expectation.ts';

/** What every part of the suite works with. */
export interface JournalBench {
  readonly database: Database;
  readonly journal: PostgresJournal;
  epochOf(slot: number): number;
  readonly appends: Appends;
  readonly expectation: Expectation;
  readonly plan: Plan;
  emit: BenchOptions['emit'];
}

export interface Plan {
  /** Of the write-ahead log, made before anything is measured. */
  readonly logFiles: number;
  readonly producers: number;
  /** Populations at which growth is measured, by their full size: the last of them stays for all that follows. */
  readonly growth: readonly { readonly name: number; readonly tenants: number }[];
  readonly warmUpMs: number;
  readonly windowMs: number;
  readonly growthWindowMs: number;
  readonly rounds: number;
  readonly pgbenchSeconds: number;
  /** No round begins that would, by the length of the one before, end after this. */
  readonly roundsDeadlineMs: number;
  /** Batches with the fence, and as many without. */
  readonly fenceBatches: number;
  readonly replayRows: number;
  readonly provisioned: number;
}

const populations = [1, 100, 1_000] as const;
/** With less time, one round has to do. */
const secondsForRounds = 40;
/** What comes behind the rounds: fence, replay, provisioning and the count of all rows. */
const secondsBehindRounds = 16;

/** @param nowMs when the suite began, monotonic */
export function planOf(scale: number, seconds: number, nowMs: number): Plan {
  const scaled = (full: number, least: number): number => Math.max(least, Math.round(full * scale));
  const isFull = scale === 1 && seconds >= secondsForRounds;
  return {
    ...{ logFiles: scaled(64, 1), producers: 200 },
    growth: populations.map((name) => ({ name, tenants: scaled(name, Math.min(name, 10)) })),
    ...{ warmUpMs: scaled(300, 50), windowMs: scaled(2_000, 200), growthWindowMs: scaled(1_000, 100) },
    ...{ rounds: isFull ? 3 : 1, pgbenchSeconds: scaled(2, 1) },
    roundsDeadlineMs: nowMs + (seconds - secondsBehindRounds) * 1_000,
    ...{ fenceBatches: scaled(250, 20), replayRows: scaled(40_000, 1_000), provisioned: scaled(20, 3) },
  };
}
