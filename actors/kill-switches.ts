/**
 * One a node: throws the emergency stop and takes it back.
 *
 * A switch is in force in memory before anything else happens; then the accounts that it stops are told, and then the database.
 * With the database away it is in force all the same, is said not to be latched yet, and is written as soon as that returns.
 * The way back is the other way round: trading goes on only when the release is durable.
 */
import type { ActorContext, Behavior, ReplyTo } from '../runtime/actor.ts';
import type { ActorRef, Asks } from '../runtime/ref.ts';
import type { TradingAccountMessage } from './trading-account.ts';
import type { AccountBoard, BoardedAccount } from './trading/account-board.ts';
import type { CancelAll } from './trading/commands.ts';
import { covers, releasesNeeded, type KillSwitchBoard, type LatchedSwitch } from './trading/kill-switch.ts';

export interface LatchAnswer {
  readonly id: string;
  /** The database has it. */
  readonly latched: boolean;
  /** Accounts that were told to withdraw what works. */
  readonly accounts: number;
}

export type ReleaseAnswer =
  | { readonly type: 'released' }
  /** A second person has to agree. */
  | { readonly type: 'pending'; readonly releasedBy: readonly string[]; readonly needed: number }
  | { readonly type: 'not-found' }
  /** The database does not take it, so trading stays stopped. */
  | { readonly type: 'unavailable' };

export type KillSwitchesMessage =
  | ({ readonly type: 'latch'; readonly latched: LatchedSwitch } & Asks<LatchAnswer>)
  | ({ readonly type: 'release'; readonly id: string; readonly by: string } & Asks<ReleaseAnswer>)
  /** Accounts have been started: those stopped are told again. */
  | { readonly type: 'apply' }
  | { readonly type: 'saved'; readonly id: string; readonly ok: boolean }
  | { readonly type: 'save-again' }
  | { readonly type: 'overdue'; readonly id: string }
  | { readonly type: 'release-saved'; readonly next: LatchedSwitch; readonly ok: boolean; readonly replyTo: ReplyTo };

export interface KillSwitchesSpec {
  readonly board: KillSwitchBoard;
  readonly accounts: AccountBoard;
  ref(account: BoardedAccount): ActorRef<TradingAccountMessage> | undefined;
  /** Writes a switch as it is now; released when enough have agreed. May be called twice. */
  save(latched: LatchedSwitch): Promise<void>;
  /** How long who throws a switch waits for the database. */
  readonly answerMs: number;
  readonly retryMs: number;
}

interface Unsaved {
  readonly latched: LatchedSwitch;
  waiting: { readonly replyTo: ReplyTo; readonly accounts: number }[];
}

export function killSwitches(spec: KillSwitchesSpec): Behavior<object, KillSwitchesMessage> {
  type Context = ActorContext<KillSwitchesMessage>;
  const { board } = spec;
  // What is thrown and not written yet outlives a crash of this actor.
  const unsaved = new Map<string, Unsaved>();
  const counts = { latched: 0, released: 0 };

  /** The same command again has no second effect, so telling an account twice costs nothing. */
  function tellAccounts(latched: LatchedSwitch): number {
    let told = 0;
    for (const account of spec.accounts.values()) {
      const { tenantId, accountId } = account;
      const { strategyId, symbol, flatten, id } = latched;
      const subject = { tenantId, accountId, symbol: symbol ?? '', strategyId };
      if (!covers(latched, subject)) continue;
      const command: CancelAll = {
        ...({ type: 'cancel-all', requestId: `kill:${id}`, reason: 'kill-switch' } as const),
        ...(symbol === undefined ? {} : { symbol }),
        ...(strategyId === undefined ? {} : { strategyId }),
        ...(flatten ? { flatten } : {}),
      };
      spec.ref(account)?.tell({ type: 'command', command, subjectId: latched.by }, { control: true });
      told += 1;
    }
    return told;
  }

  function latch(latched: LatchedSwitch, context: Context): void {
    const known = board.all.find((other) => isSame(other, latched)) ?? latched;
    board.latch(known);
    counts.latched += 1;
    const { id, scope, reason, by } = known;
    context.log.warn({ id, scope, reason, by }, 'a kill switch is thrown');
    const accounts = tellAccounts(known);
    const waiting = { replyTo: context.replyLater(), accounts };
    const before = unsaved.get(id);
    if (before) before.waiting.push(waiting);
    else if (known !== latched) return waiting.replyTo.reply({ id, latched: true, accounts });
    else {
      unsaved.set(id, { latched: known, waiting: [waiting] });
      save(known, context);
    }
    context.after(spec.answerMs, { type: 'overdue', id });
  }

  function save(latched: LatchedSwitch, context: Context): void {
    context.pipe(spec.save(latched), ({ ok }) => ({ type: 'saved', id: latched.id, ok }));
  }

  function onSaved(id: string, ok: boolean, context: Context): void {
    answer(id, ok);
    if (ok) unsaved.delete(id);
    else context.after(spec.retryMs, { type: 'save-again' }, 'save-again');
  }

  function answer(id: string, latched: boolean): void {
    for (const { replyTo, accounts } of unsaved.get(id)?.waiting.splice(0) ?? [])
      replyTo.reply({ id, latched, accounts });
  }

  function release(id: string, by: string, context: Context): void {
    const latched = board.get(id);
    if (!latched) return context.reply({ type: 'not-found' });
    const releasedBy = [...new Set([...latched.releasedBy, by])];
    const next = { ...latched, releasedBy };
    const replyTo = context.replyLater();
    context.pipe(spec.save(next), ({ ok }) => ({ type: 'release-saved', next, ok, replyTo }));
  }

  function onReleaseSaved(next: LatchedSwitch, ok: boolean, replyTo: ReplyTo, context: Context): void {
    if (!ok) return replyTo.reply({ type: 'unavailable' });
    const { id, releasedBy } = next;
    const needed = releasesNeeded(next);
    if (releasedBy.length < needed) {
      board.latch(next);
      return replyTo.reply({ type: 'pending', releasedBy, needed });
    }
    board.release(id);
    unsaved.delete(id);
    counts.released += 1;
    context.log.warn({ id, releasedBy }, 'a kill switch is released');
    replyTo.reply({ type: 'released' });
  }

  return {
    start(context) {
      if (unsaved.size > 0) context.after(spec.retryMs, { type: 'save-again' }, 'save-again');
      return {};
    },

    receive(state, message, context) {
      switch (message.type) {
        case 'latch':
          latch(message.latched, context);
          break;
        case 'release':
          release(message.id, message.by, context);
          break;
        case 'apply':
          for (const latched of board.all) tellAccounts(latched);
          break;
        case 'saved':
          onSaved(message.id, message.ok, context);
          break;
        case 'save-again':
          for (const { latched } of unsaved.values()) save(latched, context);
          break;
        case 'overdue':
          answer(message.id, false);
          break;
        case 'release-saved':
          onReleaseSaved(message.next, message.ok, message.replyTo, context);
          break;
      }
      return state;
    },

    inspect: () => ({ switches: board.all.map(({ id, scope }) => ({ id, scope })), unsaved: unsaved.size, ...counts }),
  };
}

function isSame(a: LatchedSwitch, b: LatchedSwitch): boolean {
  const of = (each: LatchedSwitch) =>
    JSON.stringify([each.scope, each.tenantId, each.accountId, each.strategyId, each.symbol]);
  return of(a) === of(b) && a.flatten === b.flatten;
}
