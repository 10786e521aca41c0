/** One a node: saves the platform once a day, removes what has had its time, and says in the health how old the newest backup is. */
import { nextBackupMicros, type BackupHistory, type BackupTimes } from './operations/backup-plan.ts';
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { Readiness } from '../runtime/readiness.ts';
import { describeError } from '../runtime/redaction.ts';

export type BackupsMessage =
  | { readonly type: 'look' }
  | { readonly type: 'saved'; readonly timeMicros: number; readonly ok: true; readonly fileBytes: number }
  | { readonly type: 'saved'; readonly timeMicros: number; readonly ok: false; readonly error: unknown };

export interface BackupsSpec {
  readonly readiness: Readiness;
  /** Of the newest backup that there is; undefined: none. */
  latest(): number | undefined;
  /** Whether there is a database to save. What is due waits for it. */
  isServing(): boolean;
  /** Resolves once the backup was read back. */
  save(timeMicros: number): Promise<{ readonly fileBytes: number }>;
  removeExpired(nowMicros: number): readonly string[];
  readonly times: BackupTimes & {
    /** The first backup of a process is due this long after its start, so that the start is over by then. */
    readonly firstMicros: number;
    readonly lookMs: number;
  };
}

interface Backups extends BackupHistory {
  /** When the first of this process is due. */
  readonly earliestMicros: number;
  readonly failure: string | undefined;
}

type Context = ActorContext<BackupsMessage>;

export function backups(spec: BackupsSpec): Behavior<Backups, BackupsMessage> {
  // Outlives a crash of the actor, as the backup does.
  let isUnderWay = false;

  function look(state: Backups, context: Context): Backups {
    const nowMicros = context.clock.wallMicros();
    if (!isUnderWay && spec.isServing() && nowMicros >= nextBackupMicros(state, state.earliestMicros, spec.times)) {
      isUnderWay = true;
      const saving = spec.save(nowMicros).finally(() => (isUnderWay = false));
      context.pipe(saving, (result) => ({
        ...{ type: 'saved', timeMicros: nowMicros },
        ...(result.ok ? { ok: true, fileBytes: result.value.fileBytes } : { ok: false, error: result.error }),
      }));
    }
    tell(state, nowMicros);
    return state;
  }

  function tell(state: Backups, nowMicros: number): void {
    const { lastMicros, failure } = state;
    const next = nextBackupMicros(state, state.earliestMicros, spec.times);
    const age =
      lastMicros === undefined ? 'there is no backup yet' : `the newest backup is ${span(nowMicros - lastMicros)} old`;
    const plan = isUnderWay
      ? 'one is under way'
      : next <= nowMicros
        ? 'the next is due'
        : `the next is due in ${span(next - nowMicros)}`;
    const isOld = lastMicros !== undefined && nowMicros - lastMicros > 2 * spec.times.everyMicros;
    const reason = [age, plan, ...(failure === undefined ? [] : [`the last one failed: ${failure}`])].join(', ');
    spec.readiness.set('backups', isOld || failure !== undefined ? 'degraded' : 'ready', reason);
  }

  function onSaved(state: Backups, message: Extract<BackupsMessage, { type: 'saved' }>, context: Context): Backups {
    const { timeMicros } = message;
    if (!message.ok) {
      const failure = message.error instanceof Error ? message.error.message : String(message.error);
      context.log.error({ error: describeError(message.error) }, 'a backup failed');
      return { ...state, failedMicros: timeMicros, failures: state.failures + 1, failure };
    }
    const removed = spec.removeExpired(timeMicros);
    context.log.info({ fileBytes: message.fileBytes, removed }, 'the platform was backed up');
    return { ...state, lastMicros: timeMicros, failedMicros: undefined, failures: 0, failure: undefined };
  }

  return {
    start(context) {
      context.every(spec.times.lookMs, { type: 'look' });
      const nowMicros = context.clock.wallMicros();
      const state = {
        ...{ lastMicros: spec.latest(), failedMicros: undefined, failures: 0, failure: undefined },
        earliestMicros: nowMicros + spec.times.firstMicros,
      };
      tell(state, nowMicros);
      return state;
    },

    receive(state, message, context) {
      switch (message.type) {
        case 'look':
          return look(state, context);
        case 'saved': {
          const next = onSaved(state, message, context);
          tell(next, context.clock.wallMicros());
          return next;
        }
      }
    },

    inspect: ({ lastMicros, failures, failure }) => ({ lastMicros, failures, failure, isUnderWay }),
  };
}

/** In the largest unit of which there are two. */
function span(micros: number): string {
  const minutes = Math.max(0, Math.round(micros / 60_000_000));
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}
