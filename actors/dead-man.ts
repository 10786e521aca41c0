/**
 * One a node: withdraws the orders of an account whose owner has not been heard of for as long as he has said. The time runs here, not at
 * the connection that set it, since what it is for is the connection that is lost.
 */
import type { ActorContext, Behavior, ReplyTo } from '../runtime/actor.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { TradingAccountMessage } from './trading-account.ts';
import { withdrawals } from './trading/cancel-all.ts';

export interface GuardedAccount {
  readonly tenantId: number;
  readonly tenant: string;
  readonly accountId: number;
  readonly account: string;
}

/** Whose orders go when nobody has said otherwise for `timeoutMs`. */
export interface DeadMan extends GuardedAccount {
  readonly timeoutMs: number;
}

export type DeadManMessage =
  /** Begins the time anew; 0 switches it off. */
  | { readonly type: 'set'; readonly deadMan: DeadMan }
  /** What was on when the platform ended: each gets its whole time once more, for its owner to come back. */
  | { readonly type: 'resume'; readonly all: readonly DeadMan[] }
  | { readonly type: 'saved'; readonly deadMan: DeadMan; readonly ok: boolean; readonly replyTo: ReplyTo }
  | { readonly type: 'forgotten'; readonly deadMan: DeadMan; readonly ok: boolean }
  | { readonly type: 'forget'; readonly deadMan: DeadMan }
  | { readonly type: 'ring'; readonly key: string };

export type DeadManAnswer =
  | { readonly type: 'on'; readonly expiresMicros: number }
  | { readonly type: 'off' }
  /** The database is away: nothing has changed. */
  | { readonly type: 'unavailable' };

export interface DeadManSpec {
  ref(account: GuardedAccount): ActorRef<TradingAccountMessage> | undefined;
  /** Keeps it behind a restart; a timeout of 0 forgets it. */
  save(deadMan: DeadMan): Promise<void>;
  readonly retryMs: number;
}

type Context = ActorContext<DeadManMessage>;

interface Counts {
  readonly rung: number;
}

export function deadMen(spec: DeadManSpec): Behavior<Counts, DeadManMessage> {
  // Outlives a crash of this actor: then each gets its whole time once more.
  const on = new Map<string, DeadMan>();
  /** One after the other, so that the last word is the last that is written. */
  let writing: Promise<void> = Promise.resolve();

  function write(deadMan: DeadMan): Promise<void> {
    const written = writing.then(() => spec.save(deadMan));
    writing = written.catch(() => {});
    return written;
  }

  /** @returns when it rings */
  function arm(deadMan: DeadMan, context: Context): number {
    const key = keyOf(deadMan);
    on.set(key, deadMan);
    context.after(deadMan.timeoutMs, { type: 'ring', key }, key);
    return context.clock.wallMicros() + deadMan.timeoutMs * 1_000;
  }

  function set(deadMan: DeadMan, context: Context): void {
    const known = on.get(keyOf(deadMan));
    // A sign of life is one, whatever the database does.
    const expiresMicros = known && arm(known, context);
    if (expiresMicros !== undefined && known?.timeoutMs === deadMan.timeoutMs)
      return context.reply({ type: 'on', expiresMicros });
    if (!known && deadMan.timeoutMs === 0) return context.reply({ type: 'off' });
    const replyTo = context.replyLater();
    context.pipe(write(deadMan), ({ ok }) => ({ type: 'saved', deadMan, ok, replyTo }));
  }

  function onSaved({ deadMan, ok, replyTo }: Extract<DeadManMessage, { type: 'saved' }>, context: Context): void {
    if (!ok) return replyTo.reply({ type: 'unavailable' });
    if (deadMan.timeoutMs > 0) return replyTo.reply({ type: 'on', expiresMicros: arm(deadMan, context) });
    context.cancel(keyOf(deadMan));
    on.delete(keyOf(deadMan));
    replyTo.reply({ type: 'off' });
  }

  function ring(key: string, context: Context): void {
    const deadMan = on.get(key);
    if (!deadMan) return;
    on.delete(key);
    const { tenant, account, timeoutMs } = deadMan;
    context.log.warn(
      { tenant, account, timeoutMs },
      'the owner of an account is not heard of: its orders are withdrawn',
    );
    const requestId = `dead-man:${context.clock.wallMicros()}`;
    const ref = spec.ref(deadMan);
    for (const { command, control } of withdrawals(requestId, 'dead-man'))
      ref?.tell({ type: 'command', command, subjectId: 'dead-man' }, { control });
    forget({ ...deadMan, timeoutMs: 0 }, context);
  }

  function forget(deadMan: DeadMan, context: Context): void {
    context.pipe(write(deadMan), ({ ok }) => ({ type: 'forgotten', deadMan, ok }));
  }

  return {
    start(context) {
      for (const deadMan of on.values()) arm(deadMan, context);
      return { rung: 0 };
    },

    receive(counts, message, context) {
      switch (message.type) {
        case 'set':
          set(message.deadMan, context);
          return counts;
        case 'resume':
          for (const deadMan of message.all) if (!on.has(keyOf(deadMan))) arm(deadMan, context);
          return counts;
        case 'saved':
          onSaved(message, context);
          return counts;
        case 'forgotten': {
          const { ok, deadMan } = message;
          if (!ok) context.after(spec.retryMs, { type: 'forget', deadMan }, `forget ${keyOf(deadMan)}`);
          return counts;
        }
        case 'forget':
          // What rang stays forgotten, unless it was set anew meanwhile.
          if (!on.has(keyOf(message.deadMan))) forget(message.deadMan, context);
          return counts;
        case 'ring':
          ring(message.key, context);
          return { rung: counts.rung + 1 };
      }
    },

    inspect: ({ rung }) => ({ on: on.size, rung }),
  };
}

function keyOf({ tenantId, accountId }: GuardedAccount): string {
  return `${tenantId}/${accountId}`;
}
