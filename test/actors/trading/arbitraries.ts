/** Random values of the trading rules, every field of every event among them. */
import fc from 'fast-check';
import type { AccountReply } from '../../../actors/trading/commands.ts';
import type { AccountEvent, OrderChange, OrderTerms, StopOutTerms } from '../../../actors/trading/events.ts';
import type { Denial } from '../../../actors/trading/risk.ts';
import { instruments } from './fixtures.ts';

const unsigned = fc.bigInt({ min: 0n, max: 10n ** 30n });
const signed = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });
const moment = fc.integer({ min: 0, max: 4_102_444_800_000_000 });
/** What clients may send: quotes, control characters, other scripts. */
const anyText = fc.string({ unit: 'binary', maxLength: 20 });
const symbol = fc.oneof(fc.constantFrom(...instruments.keys()), anyText);
const currency = fc.constantFrom('USD', 'EUR', 'JPY', 'BTC');
const side = fc.constantFrom('buy', 'sell');
const timed = { timeMicros: moment };
const named = { ...timed, orderId: anyText, symbol };
const brokerTimed = { brokerTimeMicros: moment };

const denial: fc.Arbitrary<Denial> = fc.record({
  code: fc.constantFrom('MARGIN_EXCEEDS_FREE', 'SYMBOL_UNKNOWN'),
  figures: fc.dictionary(
    fc.string({ minLength: 1 }).filter((key) => key !== '__proto__'),
    anyText,
    { noNullPrototype: true },
  ),
});

function record<T extends object>(
  model: { [K in keyof T]-?: fc.Arbitrary<NonNullable<T[K]>> },
  optional: readonly (keyof T)[] = [],
): fc.Arbitrary<T> {
  const requiredKeys = (Object.keys(model) as (keyof T)[]).filter((key) => !optional.includes(key));
  return fc.record(model, { requiredKeys, noNullPrototype: true });
}

const source = fc.constantFrom('trader', 'ai', 'strategy', 'bracket', 'close', 'stop-out', 'kill-switch', 'external');
const cancelReason = fc.constantFrom(
  'requested',
  'immediate-or-cancel',
  'post-only',
  'oco',
  'kill-switch',
  'never-arrived',
);

const terms = {
  clientOrderId: anyText,
  symbol,
  side,
  orderType: fc.constantFrom('market', 'limit', 'stop', 'stop-limit', 'trailing-stop'),
  quantity: signed,
  limitPrice: signed,
  stopPrice: signed,
  trailBy: signed,
  timeInForce: fc.constantFrom('gtc', 'day', 'gtd', 'ioc', 'fok'),
  expireAtMicros: moment,
  stopLoss: signed,
  takeProfit: signed,
  reduceOnly: fc.constant(true),
  postOnly: fc.constant(true),
  ocoGroup: anyText,
  positionId: anyText,
  parentOrderId: anyText,
  strategyId: anyText,
  source,
} as const;
const optionalTerms = [
  ...(['limitPrice', 'stopPrice', 'trailBy', 'expireAtMicros', 'stopLoss', 'takeProfit'] as const),
  ...(['reduceOnly', 'postOnly', 'ocoGroup', 'positionId', 'parentOrderId', 'strategyId'] as const),
];

export const orderTerms: fc.Arbitrary<OrderTerms> = record<OrderTerms>(terms, optionalTerms);

const changeFields = {
  ...{ quantity: signed, limitPrice: signed, stopPrice: signed, trailBy: signed, expireAtMicros: moment },
  ...{ stopLoss: signed, takeProfit: signed },
} as const;
export const orderChange: fc.Arbitrary<OrderChange> = record<OrderChange>(
  changeFields,
  Object.keys(changeFields) as (keyof OrderChange)[],
);

export const stopOutTerms: fc.Arbitrary<StopOutTerms> = record<StopOutTerms>({
  mode: fc.constantFrom('percent', 'money'),
  callLevel: unsigned,
  stopLevel: unsigned,
});

const figures = denial.map((each) => each.figures);
const blocked = {
  reason: fc.constantFrom('reconciliation', 'daily-loss', 'drawdown', 'repeated-execution'),
  subject: anyText,
};
const orderMargin = { margin: unsigned, currency, conversionRate: unsigned };

type EventOf<Type extends AccountEvent['type']> = Extract<AccountEvent, { readonly type: Type }>;

/** One arbitrary an event type, so that a new type does not compile before it has one. */
const events: { [Type in AccountEvent['type']]: fc.Arbitrary<EventOf<Type>> } = {
  'account-opened': record<EventOf<'account-opened'>>(
    {
      type: fc.constant('account-opened'),
      ...timed,
      currency,
      oms: fc.constantFrom('netting', 'hedging'),
      leverage: fc.integer({ min: 1, max: 500 }),
      aiMayOrder: fc.boolean(),
      stopOut: stopOutTerms,
      negativeBalanceProtection: fc.constant(true),
    },
    ['stopOut', 'negativeBalanceProtection'],
  ),
  'balance-changed': record<EventOf<'balance-changed'>>(
    {
      type: fc.constant('balance-changed'),
      ...timed,
      reason: fc.constantFrom('deposit', 'withdrawal', 'profit', 'commission', 'swap', 'negative-balance-protection'),
      amount: signed,
      balance: signed,
      currency,
      orderId: anyText,
      fillId: anyText,
      positionId: anyText,
      quoteAmount: signed,
      quoteCurrency: fc.constantFrom('USD', 'EUR', 'JPY'),
      conversionRate: unsigned,
    },
    ['orderId', 'fillId', 'positionId', 'quoteAmount', 'quoteCurrency', 'conversionRate'],
  ),
  'order-submitted': record<EventOf<'order-submitted'>>(
    { type: fc.constant('order-submitted'), ...named, ...terms, ...orderMargin },
    optionalTerms,
  ),
  'order-denied': record<EventOf<'order-denied'>>(
    { type: fc.constant('order-denied'), ...named, ...terms, denial },
    optionalTerms,
  ),
  'order-accepted': plainEvent('order-accepted'),
  'order-triggered': plainEvent('order-triggered'),
  'order-expired': plainEvent('order-expired'),
  'order-rejected': reasonEvent('order-rejected'),
  'order-update-rejected': reasonEvent('order-update-rejected'),
  'order-cancel-rejected': reasonEvent('order-cancel-rejected'),
  'order-partially-filled': fillEvent('order-partially-filled') as fc.Arbitrary<EventOf<'order-partially-filled'>>,
  'order-filled': fillEvent('order-filled') as fc.Arbitrary<EventOf<'order-filled'>>,
  'order-trailed': record<EventOf<'order-trailed'>>({
    type: fc.constant('order-trailed'),
    ...{ ...named, ...brokerTimed, stopPrice: signed },
  }),
  'order-pending-update': record<EventOf<'order-pending-update'>>({
    type: fc.constant('order-pending-update'),
    ...{ ...named, ...orderMargin, requestId: anyText, change: orderChange },
  }),
  'order-updated': record<EventOf<'order-updated'>>({
    type: fc.constant('order-updated'),
    ...{ ...named, ...brokerTimed, change: orderChange },
  }),
  'order-pending-cancel': record<EventOf<'order-pending-cancel'>>(
    { type: fc.constant('order-pending-cancel'), ...named, reason: cancelReason },
    ['reason'],
  ),
  'order-canceled': record<EventOf<'order-canceled'>>({
    type: fc.constant('order-canceled'),
    ...{ ...named, ...brokerTimed, reason: cancelReason },
  }),
  'order-unknown': record<EventOf<'order-unknown'>>({
    type: fc.constant('order-unknown'),
    ...{ ...named, reason: anyText },
  }),
  'order-report-quarantined': record<EventOf<'order-report-quarantined'>>({
    type: fc.constant('order-report-quarantined'),
    ...timed,
    orderId: anyText,
    report: anyText,
    state: fc.constantFrom('NONE', 'SUBMITTED', 'FILLED'),
    reason: fc.constantFrom('order-not-known', 'beyond-quantity'),
  }),
  'position-opened': positionEvent('position-opened') as fc.Arbitrary<EventOf<'position-opened'>>,
  'position-changed': positionEvent('position-changed') as fc.Arbitrary<EventOf<'position-changed'>>,
  'position-closed': positionEvent('position-closed') as fc.Arbitrary<EventOf<'position-closed'>>,
  'trading-blocked': record<EventOf<'trading-blocked'>>({
    type: fc.constant('trading-blocked'),
    ...{ ...timed, ...blocked, figures },
  }),
  'trading-unblocked': record<EventOf<'trading-unblocked'>>({
    type: fc.constant('trading-unblocked'),
    ...{ ...timed, ...blocked, by: anyText },
  }),
  'day-opened': record<EventOf<'day-opened'>>({
    type: fc.constant('day-opened'),
    ...{ ...timed, day: anyText, equity: signed, currency },
  }),
  'equity-peaked': record<EventOf<'equity-peaked'>>({
    type: fc.constant('equity-peaked'),
    ...{ ...timed, equity: signed, currency },
  }),
  'margin-called': marginEvent('margin-called') as fc.Arbitrary<EventOf<'margin-called'>>,
  'margin-restored': marginEvent('margin-restored') as fc.Arbitrary<EventOf<'margin-restored'>>,
  'stopped-out': marginEvent('stopped-out') as fc.Arbitrary<EventOf<'stopped-out'>>,
};

function marginEvent(type: string): fc.Arbitrary<object> {
  return fc.record({ type: fc.constant(type), ...timed, equity: signed, margin: unsigned, currency });
}

function plainEvent<Type extends AccountEvent['type']>(type: Type): fc.Arbitrary<EventOf<Type>> {
  return record({ type: fc.constant(type), ...named, ...brokerTimed } as never);
}

function reasonEvent<Type extends AccountEvent['type']>(type: Type): fc.Arbitrary<EventOf<Type>> {
  return record({ type: fc.constant(type), ...named, ...brokerTimed, reason: anyText } as never);
}

export const accountEvent: fc.Arbitrary<AccountEvent> = fc.oneof(...Object.values(events));

function fillEvent(type: 'order-partially-filled' | 'order-filled'): fc.Arbitrary<object> {
  return fc.record({
    type: fc.constant(type),
    ...named,
    ...brokerTimed,
    side,
    fillId: anyText,
    quantity: unsigned,
    price: unsigned,
    filledQuantity: unsigned,
  });
}

function positionEvent(type: 'position-opened' | 'position-changed' | 'position-closed'): fc.Arbitrary<object> {
  return fc.record({
    type: fc.constant(type),
    ...named,
    fillId: anyText,
    positionId: anyText,
    side,
    quantity: unsigned,
    cost: unsigned,
    averagePrice: unsigned,
  });
}

export const accountReply: fc.Arbitrary<AccountReply> = fc.oneof(
  record<Extract<AccountReply, { type: 'order' }>>(
    {
      type: fc.constant('order'),
      orderId: anyText,
      clientOrderId: anyText,
      state: fc.constantFrom('SUBMITTED', 'DENIED'),
      denial,
    },
    ['denial'],
  ),
  record<Extract<AccountReply, { type: 'cancel' }>>({
    type: fc.constant('cancel'),
    orderId: anyText,
    state: fc.constant('PENDING_CANCEL'),
  }),
  record<Extract<AccountReply, { type: 'refused' }>>(
    {
      type: fc.constant('refused'),
      code: fc.constantFrom('NOT_FOUND', 'ORDER_NOT_WORKING'),
      figures: denial.map(({ figures }) => figures),
    },
    ['figures'],
  ),
  record<Extract<AccountReply, { type: 'done' }>>({ type: fc.constant('done') }),
);
