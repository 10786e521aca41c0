/**
 * One a node: looks at every account that has something open at the prices of now, and tells those their terms or limits ask something of.
 * What is then done is the account's own decision; here it is only noticed. A sweep is done in slices, so that nobody waits for it.
 */
import type { Behavior } from '../runtime/actor.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { TradingAccountMessage } from './trading-account.ts';
import type { Facts, TradingDays } from './trading/account.ts';
import type { AccountBoard, BoardedAccount } from './trading/account-board.ts';
import { enforce } from './trading/account-life.ts';
import type { AccountCommand } from './trading/commands.ts';

export type MarginWatchMessage = { readonly type: 'sweep' } | { readonly type: 'slice' };

export interface MarginWatchSpec {
  readonly accounts: AccountBoard;
  ref(account: BoardedAccount): ActorRef<TradingAccountMessage> | undefined;
  facts(account: BoardedAccount, nowMicros: number): Facts;
  readonly days: TradingDays;
  /** Between two sweeps. */
  readonly everyMs: number;
  readonly accountsPerSlice: number;
}

interface Watch {
  readonly left: Iterator<BoardedAccount> | undefined;
  /** Accounts that were told something. */
  readonly told: number;
  readonly sweeps: number;
  /** Makes each command one of its own. */
  readonly requests: number;
}

export function marginWatch(spec: MarginWatchSpec): Behavior<Watch, MarginWatchMessage> {
  const command = (account: BoardedAccount, toDo: AccountCommand): void => {
    // Nobody waits for it: what it comes to is in the journal, and the next sweep looks again.
    spec.ref(account)?.tell({ type: 'command', command: toDo, subjectId: 'margin-watch' }, { control: true });
  };

  function look(account: BoardedAccount, nowMicros: number, requestId: string): boolean {
    const { state } = account;
    const today = spec.days.tradingDay(nowMicros);
    const last = state.day?.day;
    // Only forward: a clock that was set back must not book a night twice.
    if (last === undefined || last < today) {
      const swapDays = last === undefined ? 0 : spec.days.swapDays(last, today);
      command(account, { type: 'roll-day', day: today, swapDays });
      return true;
    }
    if (state.positions.size === 0) return false;
    if (enforce(state, spec.facts(account, nowMicros)).events.length === 0) return false;
    command(account, { type: 'enforce', requestId });
    return true;
  }

  return {
    start(context) {
      context.every(spec.everyMs, { type: 'sweep' });
      return { left: undefined, told: 0, sweeps: 0, requests: 0 };
    },

    receive(watch, message, context) {
      if (message.type === 'sweep' && watch.left) return watch;
      const left = message.type === 'sweep' ? spec.accounts.values()[Symbol.iterator]() : watch.left;
      if (!left) return watch;
      const nowMicros = context.clock.wallMicros();
      let { told, requests } = watch;
      for (let i = 0; i < spec.accountsPerSlice; i += 1) {
        const next = left.next();
        if (next.done) return { left: undefined, told, requests, sweeps: watch.sweeps + 1 };
        if (look(next.value, nowMicros, `${nowMicros}-${requests}`)) [told, requests] = [told + 1, requests + 1];
      }
      context.self.tell({ type: 'slice' });
      return { left, told, requests, sweeps: watch.sweeps };
    },

    inspect: ({ told, sweeps }) => ({ accounts: spec.accounts.size, told, sweeps }),
  };
}
