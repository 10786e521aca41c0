/** What a broker's report means for an account: the events that follow from it, none when it says nothing new. */
import type { Account, Facts, WorkingOrder } from './account.ts';
import type { BrokerReport } from './broker.ts';
import { conversionRate, worseSide } from './conversion.ts';
import type { AccountEvent, QuarantinedReport } from './events.ts';
import { convertHalfEven } from './margin.ts';
import { transitions } from './order.ts';
import type { Instrument } from './instrument.ts';
import { netFill } from './position.ts';

type FillReport = Extract<BrokerReport, { type: 'filled' }>;

/** @param order the one that the report names, if it is working or ended a short while ago */
export function decideReport(
  account: Account,
  order: WorkingOrder | undefined,
  report: BrokerReport,
  facts: Facts,
): readonly AccountEvent[] {
  if (!order) return quarantine(order, report, facts, 'order-not-known');
  if (report.type === 'filled') return decideFill(account, order, report, facts);

  // Nobody can refuse what is filled in part, whatever else was under way meanwhile.
  const isRefusalOfFilled = report.type === 'rejected' && order.filledQuantity > 0n;
  const next = isRefusalOfFilled ? 'quarantine' : transitions[order.state][report.type];
  if (next === 'ignored') return [];
  if (next === 'quarantine') return quarantine(order, report, facts, 'not-in-this-state');
  const { orderId, symbol } = order;
  const common = { orderId, symbol, timeMicros: facts.nowMicros, brokerTimeMicros: report.timeMicros };
  switch (report.type) {
    case 'accepted':
      return [{ ...common, type: 'order-accepted' }];
    case 'rejected':
      return [{ ...common, type: 'order-rejected', reason: report.reason }];
    case 'canceled':
      return [{ ...common, type: 'order-canceled', reason: report.reason }];
    case 'expired':
      return [{ ...common, type: 'order-expired' }];
  }
}

/** The fill, then what it makes of the position, then the profit that it realizes. */
function decideFill(account: Account, order: WorkingOrder, report: FillReport, facts: Facts): readonly AccountEvent[] {
  const fillId = `f-${report.venue}-${report.executionId}`;
  if (order.fillIds.includes(fillId)) return [];
  const { quantity, price } = report;
  if (quantity <= 0n || price <= 0n) return quarantine(order, report, facts, 'not-positive');
  const filledQuantity = order.filledQuantity + quantity;
  if (filledQuantity > order.quantity) return quarantine(order, report, facts, 'beyond-quantity');
  const input = filledQuantity === order.quantity ? 'filled' : 'partially-filled';
  if (transitions[order.state][input] === 'quarantine') return quarantine(order, report, facts, 'not-in-this-state');
  const instrument = facts.instrument(order.symbol);
  if (!instrument) return quarantine(order, report, facts, 'instrument-not-known');

  const { orderId, symbol, side } = order;
  const common = { orderId, timeMicros: facts.nowMicros };
  const fill = { fillId, quantity, price, filledQuantity, brokerTimeMicros: report.timeMicros };
  const events: AccountEvent[] = [{ ...common, type: `order-${input}`, symbol, side, ...fill }];

  const { changes, realized } = netFill(
    account.positions.get(symbol),
    { side, quantity, price },
    instrument,
    `p-${account.accountId}-${facts.seq}`,
  );
  for (const { type, position } of changes) events.push({ ...common, type, fillId, ...position });
  if (realized !== undefined) events.push(bookProfit(account, order, fillId, realized, instrument, facts));
  return events;
}

/** Profit is booked half-even at the minor unit, at the rate that is worse for the trader. A closing without profit is booked too. */
function bookProfit(
  account: Account,
  order: WorkingOrder,
  fillId: string,
  quoteAmount: bigint,
  instrument: Instrument,
  facts: Facts,
): AccountEvent {
  const rate = bookingRate(account, order, quoteAmount, instrument, facts);
  const { currency } = account;
  const amount = convertHalfEven(quoteAmount, rate, currency);
  return {
    type: 'balance-changed',
    timeMicros: facts.nowMicros,
    reason: 'profit',
    amount,
    balance: account.balance + amount,
    currency,
    orderId: order.orderId,
    fillId,
    quoteAmount,
    conversionRate: rate,
  };
}

/**
 * A fill has happened and must be booked, so a rate is always found: fresh quotes, else the last ones whatever their age,
 * else (the board is still empty after a restart) the rate at which the order was valued when it was let through.
 */
function bookingRate(
  account: Account,
  order: WorkingOrder,
  quoteAmount: bigint,
  instrument: Instrument,
  facts: Facts,
): bigint {
  const side = worseSide(quoteAmount);
  const { quoteCurrency } = instrument;
  return (
    conversionRate(quoteCurrency, account.currency, side, facts, facts.nowMicros) ??
    conversionRate(quoteCurrency, account.currency, side, facts) ??
    order.conversionRate
  );
}

function quarantine(
  order: WorkingOrder | undefined,
  report: BrokerReport,
  facts: Facts,
  reason: QuarantinedReport['reason'],
): readonly AccountEvent[] {
  return [
    {
      type: 'order-report-quarantined',
      orderId: report.orderId,
      timeMicros: facts.nowMicros,
      report: report.type,
      state: order?.state ?? 'NONE',
      reason,
    },
  ];
}
