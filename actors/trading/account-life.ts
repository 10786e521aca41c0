/** What befalls an account as a whole: it is opened, funded, watched, blocked and released; its days go by. */
import { bookQuoteAmount } from './booking.ts';
import type { Account, Decision, Facts } from './account.ts';
import { blockKey } from './account-keys.ts';
import type { AccountReply, OpenAccount } from './commands.ts';
import { closingOrder } from './closing.ts';
import type { AccountEvent, BalanceReason, BlockReason } from './events.ts';
import { valuationOf, type Valuation } from './margin.ts';
import { divideDown, formatMoney, MONEY_SCALE, roundToMinorUnit } from './money.ts';
import { cancelRequest, isClosing, refused } from './order-requests.ts';
import { dailyLossBreach, drawdownBreach } from './risk-breaches.ts';
import { marginState, nextStopOutStep } from './stop-out.ts';
import { swapOf } from './swap.ts';

const DONE: AccountReply = { type: 'done' };

export function openAccount(account: Account, command: OpenAccount, { nowMicros }: Facts): Decision {
  if (account.isOpen) return { events: [], reply: DONE };
  const { type: _type, ...terms } = command;
  const { leverage, stopOut } = terms;
  if (!Number.isInteger(leverage) || leverage < 1 || leverage > 500) {
    throw new RangeError(`leverage must be 1 to 500, was ${leverage}`);
  }
  if (stopOut && (stopOut.stopLevel < 0n || stopOut.callLevel < stopOut.stopLevel)) {
    throw new RangeError(
      `stop-out levels must be 0 or more, the call at or above the stop, were ${stopOut.callLevel} and ${stopOut.stopLevel}`,
    );
  }
  return { events: [{ ...terms, type: 'account-opened', timeMicros: nowMicros }], reply: DONE };
}

export function deposit(account: Account, amount: bigint, facts: Facts): Decision {
  if (!account.isOpen) return refused('NOT_FOUND');
  return { events: [moved(account, 'deposit', checkedAmount(account, amount), facts)], reply: DONE };
}

/** What is not needed as margin may leave. */
export function withdraw(account: Account, amount: bigint, facts: Facts): Decision {
  if (!account.isOpen) return refused('NOT_FOUND');
  checkedAmount(account, amount);
  const { currency, balance } = account;
  const valuation = valuationOf(account, facts);
  const free = valuation === undefined ? 0n : valuation.freeMargin < balance ? valuation.freeMargin : balance;
  if (amount > free) {
    const figures = { required: formatMoney(amount, currency), free: formatMoney(free, currency), currency };
    return { events: [], reply: { type: 'denied', denial: { code: 'MARGIN_EXCEEDS_FREE', figures } } };
  }
  return { events: [moved(account, 'withdrawal', -amount, facts)], reply: DONE };
}

function checkedAmount({ currency }: Account, amount: bigint): bigint {
  if (amount <= 0n || roundToMinorUnit(amount, MONEY_SCALE, currency, divideDown) !== amount) {
    throw new RangeError(`an amount must be above zero and a multiple of the minor unit of ${currency}, was ${amount}`);
  }
  return amount;
}

function moved(account: Account, reason: BalanceReason, amount: bigint, { nowMicros }: Facts): AccountEvent {
  const { currency } = account;
  return {
    type: 'balance-changed',
    timeMicros: nowMicros,
    reason,
    amount,
    balance: account.balance + amount,
    currency,
  };
}

/** A difference between our books and the broker's stops the opening of anything here, and here alone, until there is none. */
export function reconcile(account: Account, mismatches: readonly string[], { nowMicros }: Facts): Decision {
  const known = account.blocks.get(blockKey('reconciliation', ''));
  const found = mismatches.slice(0, MISMATCHES_TOLD).join('; ');
  if (mismatches.length === 0) {
    if (!known) return { events: [], reply: DONE };
    const event = { type: 'trading-unblocked', reason: 'reconciliation', subject: '', by: 'reconciliation' } as const;
    return { events: [{ ...event, timeMicros: nowMicros }], reply: DONE };
  }
  if (known?.figures['found'] === found) return { events: [], reply: DONE };
  const figures = { mismatches: String(mismatches.length), found };
  const event = {
    type: 'trading-blocked',
    timeMicros: nowMicros,
    reason: 'reconciliation',
    subject: '',
    figures,
  } as const;
  return { events: [event], reply: DONE };
}
const MISMATCHES_TOLD = 20;

/** The prices of now against the account's terms and limits. */
export function enforce(account: Account, facts: Facts): Decision {
  const valuation = valuationOf(account, facts);
  if (!valuation) return { events: [], reply: DONE };
  return {
    events: [...enforceMargin(account, valuation, facts), ...enforceDay(account, valuation, facts)],
    reply: DONE,
  };
}

function enforceMargin(account: Account, valuation: Valuation, facts: Facts): readonly AccountEvent[] {
  const { equity, margin } = valuation;
  const state = marginState(account, valuation);
  const at = { timeMicros: facts.nowMicros, equity, margin, currency: account.currency };
  if (state === 'fine') return account.isMarginCalled ? [{ ...at, type: 'margin-restored' }] : [];
  const events: AccountEvent[] = account.isMarginCalled ? [] : [{ ...at, type: 'margin-called' }];
  if (state === 'call') return events;

  // One position at a time: what its closing brings may be enough for the others.
  if ([...account.orders.values()].some((order) => isClosing(order))) return events;
  const step = nextStopOutStep(account, facts);
  const order = step && closingOrder(account, step, facts, { source: 'stop-out', n: 0 });
  const withdrawn = [...account.orders.values()]
    .filter(({ cancelRequested, reduceOnly }) => !cancelRequested && !reduceOnly)
    .map((each) => cancelRequest(each, facts, 'stop-out'));
  if (!order && withdrawn.length === 0) return events;
  return [...events, { ...at, type: 'stopped-out' }, ...withdrawn, ...(order ? [order] : [])];
}

/**
 * Where the last position of an account is closed its margin is not short any more; and what a stop-out leaves it owing is forgiven,
 * where that is agreed.
 */
export function settle(
  account: Account,
  balance: bigint,
  isStopOut: boolean,
  { nowMicros }: Facts,
): readonly AccountEvent[] {
  const { currency } = account;
  const common = { timeMicros: nowMicros, currency };
  const events: AccountEvent[] = [];
  if (account.isMarginCalled) events.push({ ...common, type: 'margin-restored', equity: balance, margin: 0n });
  if (isStopOut && account.negativeBalanceProtection && balance < 0n) {
    const reason = 'negative-balance-protection';
    events.push({ ...common, type: 'balance-changed', reason, amount: -balance, balance: 0n });
  }
  return events;
}

/** A new peak is worth a row once it is this part above the last: 1/256. */
const PEAK_SHIFT = 8n;

function enforceDay(account: Account, { equity }: Valuation, facts: Facts): readonly AccountEvent[] {
  const { day, currency } = account;
  if (!day) return [];
  const limits = facts.limits({ symbol: '' });
  const events: AccountEvent[] = [];
  if (equity > day.peakEquity + (day.peakEquity >> PEAK_SHIFT)) {
    events.push({ type: 'equity-peaked', timeMicros: facts.nowMicros, equity, currency });
  }
  for (const [reason, figures] of [
    ['daily-loss', dailyLossBreach(account, equity, limits)],
    ['drawdown', drawdownBreach(account, equity, limits)],
  ] as const) {
    if (figures && !account.blocks.has(blockKey(reason, '')))
      events.push({ type: 'trading-blocked', timeMicros: facts.nowMicros, reason, subject: '', figures });
  }
  return events;
}

/** A new day: what is open has cost or earned its swap, losses count from here, and what the last day has blocked is free again. */
export function rollDay(
  account: Account,
  command: { readonly day: string; readonly swapDays: number },
  facts: Facts,
): Decision {
  const last = account.day?.day;
  if (!account.isOpen || (last !== undefined && last >= command.day)) return { events: [], reply: DONE };
  const events: AccountEvent[] = [];
  let { balance } = account;
  for (const position of account.positions.values()) {
    const instrument = facts.instrument(position.symbol);
    const swap = instrument && swapOf(instrument, position, facts.quote(position.symbol), command.swapDays);
    if (!swap || swap.amount === 0n) continue;
    const { positionId } = position;
    const booked = bookQuoteAmount(account, 'swap', swap.amount, swap.currency, facts, { positionId, balance });
    ({ balance } = booked);
    events.push(booked);
  }
  const valuation = valuationOf({ ...account, balance }, facts);
  const { currency } = account;
  const timeMicros = facts.nowMicros;
  events.push({ type: 'day-opened', timeMicros, day: command.day, equity: valuation?.equity ?? balance, currency });
  for (const { reason, subject } of account.blocks.values()) {
    if (reason === 'daily-loss') events.push({ type: 'trading-unblocked', timeMicros, reason, subject, by: 'day' });
  }
  return { events, reply: DONE };
}

export function rearm(
  account: Account,
  command: { readonly reason: BlockReason; readonly subject: string; readonly by: string },
  { nowMicros }: Facts,
): Decision {
  const { reason, subject, by } = command;
  if (!account.blocks.has(blockKey(reason, subject))) return refused('NOT_BLOCKED', { reason, subject });
  return { events: [{ type: 'trading-unblocked', timeMicros: nowMicros, reason, subject, by }], reply: DONE };
}
