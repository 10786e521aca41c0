/**
 * One a node: brings the database up and watches it. An unreachable database is a state, not a crash:
 * this actor tries again for ever, and everyone else asks the readiness board.
 */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { Readiness } from '../runtime/readiness.ts';

export type DatabaseMessage =
  | { readonly type: 'step' }
  | { readonly type: 'stepped'; readonly ok: true }
  | { readonly type: 'stepped'; readonly ok: false; readonly error: unknown }
  | { readonly type: 'pinged'; readonly error: unknown };

/** One step of bringing the platform's storage up; idempotent, since it runs again when it has failed. */
export interface DatabaseStep {
  /** In the words of an operator: `connecting to the database`, `applying migrations`. */
  readonly doing: string;
  run(): Promise<void>;
}

export interface DatabaseSpec {
  readonly readiness: Readiness;
  /** In order. Once all have succeeded, the database is only pinged. */
  readonly steps: readonly DatabaseStep[];
  /** Throws while the database cannot serve. Brings a server of our own back, if it has died. */
  ping(): Promise<void>;
  /** A failure that no retry can mend, such as a changed migration: the process ends with this line. */
  isFatal(error: unknown): boolean;
  onFatal(error: unknown): void;
  readonly pingMs: number;
  readonly retry: { readonly firstMs: number; readonly maxMs: number };
}

interface Database {
  readonly next: number;
  readonly failures: number;
}

export function database(spec: DatabaseSpec): Behavior<Database, DatabaseMessage> {
  function step(state: Database, context: ActorContext<DatabaseMessage>): Database {
    const current = spec.steps[state.next];
    if (!current) {
      context.pipe(spec.ping(), (result) => ({ type: 'pinged', error: result.ok ? undefined : result.error }));
      return state;
    }
    if (state.failures === 0) spec.readiness.set('database', 'starting', current.doing);
    context.pipe(current.run(), (result) =>
      result.ok ? { type: 'stepped', ok: true } : { type: 'stepped', ok: false, error: result.error },
    );
    return state;
  }

  function retryLater(
    state: Database,
    doing: string,
    error: unknown,
    context: ActorContext<DatabaseMessage>,
  ): Database {
    const reason = `${doing}: ${error instanceof Error ? error.message : String(error)}`;
    if (state.failures === 0) context.log.warn({ error }, reason);
    spec.readiness.set('database', 'down', reason);
    context.after(Math.min(spec.retry.firstMs * 2 ** state.failures, spec.retry.maxMs), { type: 'step' });
    return { ...state, failures: Math.min(state.failures + 1, 16) };
  }

  return {
    start(context) {
      context.self.tell({ type: 'step' });
      return { next: 0, failures: 0 };
    },

    receive(state, message, context) {
      switch (message.type) {
        case 'step':
          return step(state, context);
        case 'stepped': {
          if (message.ok) return step({ next: state.next + 1, failures: 0 }, context);
          if (spec.isFatal(message.error)) spec.onFatal(message.error);
          return retryLater(state, spec.steps[state.next]!.doing, message.error, context);
        }
        case 'pinged':
          if (message.error !== undefined)
            return retryLater(state, 'the database cannot serve', message.error, context);
          if (state.failures > 0) context.log.info({}, 'the database serves again');
          spec.readiness.set('database', 'ready');
          context.after(spec.pingMs, { type: 'step' });
          return { ...state, failures: 0 };
      }
    },

    inspect: ({ next, failures }) => ({ doing: spec.steps[next]?.doing ?? 'serving', failures }),
  };
}
