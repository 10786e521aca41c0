/**
 * Events, replies and journal rows as JSON text: what the journal keeps and every frame carries.
 * Amounts are decimal text with the digits of their instrument or currency. Written by hand: it is on the path of every order.
 */
import { encodeCommand } from './command-codec.ts';
import type { AccountCommand, AccountReply } from './commands.ts';
import { decodeAccountTerms, encodeAccountTerms } from './account-terms.ts';
import type {
  AccountEvent,
  BlockReason,
  CancelReason,
  FillTerms,
  OrderTerms,
  PositionTerms,
  QuarantinedReport,
} from './events.ts';
import { decodeChange, decodeOptional, encodeChange, encodeOptional } from './order-fields.ts';
import type { Instrument } from './instrument.ts';
import { formatPrice, formatQuantity } from './instrument.ts';
import type { Json } from './json-fields.ts';
import { asObject, moment, quoted, scaled, text } from './json-fields.ts';
import {
  COST_SCALE,
  formatMoney,
  formatScaled,
  minorDigits,
  MONEY_SCALE,
  PRICE_SCALE,
  QUANTITY_SCALE,
  RATE_SCALE,
} from './money.ts';
import { formatTime } from './time.ts';

type FindInstrument = (symbol: string) => Instrument | undefined;

/** One event, without a raw control character. `instrument` only says how many zeros an amount ends in. */
export function encodeEvent(event: AccountEvent, instrument: FindInstrument): string {
  return `{"type":"${event.type}",${encodeFields(event, instrument)},"time":"${formatTime(event.timeMicros)}"}`;
}

function encodeFields(event: AccountEvent, find: FindInstrument): string {
  switch (event.type) {
    case 'account-opened':
      return encodeAccountTerms(event);
    case 'balance-changed':
      return encodeBalance(event);
    case 'order-report-quarantined':
      return `"orderId":${quoted(event.orderId)},"report":${quoted(event.report)},"state":"${event.state}","reason":"${event.reason}"`;
    case 'order-pending-cancel':
      return event.reason === undefined ? names(event) : `${names(event)},"reason":"${event.reason}"`;
    case 'order-unknown':
      return `${names(event)},"reason":${quoted(event.reason)}`;
    case 'order-accepted':
    case 'order-triggered':
    case 'order-expired':
      return `${names(event)},${brokerTime(event)}`;
    case 'order-rejected':
    case 'order-update-rejected':
    case 'order-cancel-rejected':
    case 'order-canceled':
      return `${names(event)},"reason":${quoted(event.reason)},${brokerTime(event)}`;
    case 'order-trailed':
      return `${names(event)},"stopPrice":"${formatPrice(find(event.symbol), event.stopPrice)}",${brokerTime(event)}`;
    case 'order-pending-update':
      return `${names(event)},"requestId":${quoted(event.requestId)},"change":${encodeChange(event.change, find(event.symbol))},${margin(event)}`;
    case 'order-updated':
      return `${names(event)},"change":${encodeChange(event.change, find(event.symbol))},${brokerTime(event)}`;
    case 'order-submitted':
      return `${names(event)},${encodeTerms(event, find(event.symbol))},${margin(event)}`;
    case 'order-denied':
      return `${names(event)},${encodeTerms(event, find(event.symbol))},"denial":${JSON.stringify(event.denial)}`;
    case 'order-partially-filled':
    case 'order-filled':
      return `${names(event)},"side":"${event.side}",${encodeFill(event, find(event.symbol))},${brokerTime(event)}`;
    case 'position-opened':
    case 'position-changed':
    case 'position-closed':
      return encodePosition(event, find(event.symbol));
    case 'trading-blocked':
      return `"reason":"${event.reason}","subject":${quoted(event.subject)},"figures":${JSON.stringify(event.figures)}`;
    case 'trading-unblocked':
      return `"reason":"${event.reason}","subject":${quoted(event.subject)},"by":${quoted(event.by)}`;
    case 'day-opened':
      return `"day":${quoted(event.day)},${equity(event)}`;
    case 'equity-peaked':
      return equity(event);
    case 'margin-called':
    case 'margin-restored':
    case 'stopped-out':
      return `${equity(event)},"margin":"${formatMoney(event.margin, event.currency)}"`;
  }
}

function margin(event: {
  readonly margin: bigint;
  readonly currency: string;
  readonly conversionRate: bigint;
}): string {
  return (
    `"margin":"${formatMoney(event.margin, event.currency)}","currency":${quoted(event.currency)},` +
    `"conversionRate":"${formatScaled(event.conversionRate, RATE_SCALE)}"`
  );
}

function equity({ equity: value, currency }: { readonly equity: bigint; readonly currency: string }): string {
  return `"equity":"${formatMoney(value, currency)}","currency":${quoted(currency)}`;
}

function names({ orderId, symbol }: { readonly orderId: string; readonly symbol: string }): string {
  return `"orderId":${quoted(orderId)},"symbol":${quoted(symbol)}`;
}

function brokerTime({ brokerTimeMicros }: { readonly brokerTimeMicros: number }): string {
  return `"brokerTime":"${formatTime(brokerTimeMicros)}"`;
}

function encodeTerms(terms: OrderTerms, instrument: Instrument | undefined): string {
  const price = terms.limitPrice === undefined ? '' : `"limitPrice":"${formatPrice(instrument, terms.limitPrice)}",`;
  return (
    `"clientOrderId":${quoted(terms.clientOrderId)},"side":"${terms.side}","orderType":"${terms.orderType}",` +
    `"quantity":"${formatQuantity(instrument, terms.quantity)}",${price}` +
    `"timeInForce":"${terms.timeInForce}","source":"${terms.source}"${encodeOptional(terms, instrument)}`
  );
}

function encodeFill(fill: FillTerms, instrument: Instrument | undefined): string {
  return (
    `"fillId":${quoted(fill.fillId)},"quantity":"${formatQuantity(instrument, fill.quantity)}",` +
    `"price":"${formatPrice(instrument, fill.price)}","filledQuantity":"${formatQuantity(instrument, fill.filledQuantity)}"`
  );
}

function encodePosition(
  event: PositionTerms & { readonly orderId: string; readonly fillId: string },
  instrument: Instrument | undefined,
): string {
  const costDigits = instrument ? minorDigits(instrument.quoteCurrency) : 0;
  return (
    `"positionId":${quoted(event.positionId)},${names(event)},"fillId":${quoted(event.fillId)},"side":"${event.side}",` +
    `"quantity":"${formatQuantity(instrument, event.quantity)}","cost":"${formatScaled(event.cost, COST_SCALE, costDigits)}",` +
    `"averagePrice":"${formatPrice(instrument, event.averagePrice)}"`
  );
}

function encodeBalance(event: Extract<AccountEvent, { type: 'balance-changed' }>): string {
  const { reason, amount, balance, currency, orderId, fillId, quoteAmount, conversionRate } = event;
  let fields =
    `"reason":"${reason}","amount":"${formatMoney(amount, currency)}",` +
    `"balance":"${formatMoney(balance, currency)}","currency":${quoted(currency)}`;
  if (orderId !== undefined) fields += `,"orderId":${quoted(orderId)}`;
  if (fillId !== undefined) fields += `,"fillId":${quoted(fillId)}`;
  if (event.positionId !== undefined) fields += `,"positionId":${quoted(event.positionId)}`;
  if (quoteAmount !== undefined) fields += `,"quoteAmount":"${formatScaled(quoteAmount, COST_SCALE)}"`;
  if (event.quoteCurrency !== undefined) fields += `,"quoteCurrency":${quoted(event.quoteCurrency)}`;
  if (conversionRate !== undefined) fields += `,"conversionRate":"${formatScaled(conversionRate, RATE_SCALE)}"`;
  return fields;
}

/** The inverse of `encodeEvent`, from parsed JSON. @throws {TypeError} this is no event of ours */
export function decodeEvent(value: unknown): AccountEvent {
  const json = asObject(value, 'event');
  const type = text(json, 'type') as AccountEvent['type'];
  const timeMicros = moment(json, 'time');
  switch (type) {
    case 'account-opened':
      return { type, timeMicros, ...decodeAccountTerms(json) };
    case 'balance-changed':
      return { type, timeMicros, ...decodeBalance(json) };
    case 'order-report-quarantined':
      return {
        type,
        timeMicros,
        orderId: text(json, 'orderId'),
        report: text(json, 'report'),
        state: text(json, 'state') as QuarantinedReport['state'],
        reason: text(json, 'reason') as QuarantinedReport['reason'],
      };
    case 'order-pending-cancel': {
      const reason = json['reason'] === undefined ? {} : { reason: text(json, 'reason') as CancelReason };
      return { type, timeMicros, ...decodeNames(json), ...reason };
    }
    case 'order-unknown':
      return { type, timeMicros, ...decodeNames(json), reason: text(json, 'reason') };
    case 'order-accepted':
    case 'order-triggered':
    case 'order-expired':
      return { type, timeMicros, ...decodeNames(json), brokerTimeMicros: moment(json, 'brokerTime') };
    case 'order-rejected':
    case 'order-update-rejected':
    case 'order-cancel-rejected':
      return { type, timeMicros, ...decodeNames(json), reason: text(json, 'reason'), ...decodeBrokerTime(json) };
    case 'order-canceled':
      return {
        ...{ type, timeMicros, ...decodeNames(json), ...decodeBrokerTime(json) },
        reason: text(json, 'reason') as CancelReason,
      };
    case 'order-trailed': {
      const stopPrice = scaled(json, 'stopPrice', PRICE_SCALE);
      return { type, timeMicros, ...decodeNames(json), stopPrice, ...decodeBrokerTime(json) };
    }
    case 'order-pending-update':
      return {
        ...{ type, timeMicros, ...decodeNames(json), requestId: text(json, 'requestId') },
        ...{ change: decodeChange(asObject(json['change'], 'change')), ...decodeMargin(json) },
      };
    case 'order-updated': {
      const change = decodeChange(asObject(json['change'], 'change'));
      return { type, timeMicros, ...decodeNames(json), change, ...decodeBrokerTime(json) };
    }
    case 'order-submitted':
      return { type, timeMicros, ...decodeNames(json), ...decodeTerms(json), ...decodeMargin(json) };
    case 'order-denied':
      return {
        type,
        timeMicros,
        ...decodeNames(json),
        ...decodeTerms(json),
        denial: asObject(json['denial'], 'denial') as never,
      };
    case 'order-partially-filled':
    case 'order-filled':
      return {
        type,
        timeMicros,
        ...decodeNames(json),
        side: text(json, 'side') as OrderTerms['side'],
        ...decodeFill(json),
      };
    case 'position-opened':
    case 'position-changed':
    case 'position-closed':
      return { type, timeMicros, ...decodePosition(json) };
    case 'trading-blocked':
      return {
        ...{ type, timeMicros, ...decodeBlocked(json) },
        figures: asObject(json['figures'], 'figures') as Readonly<Record<string, string>>,
      };
    case 'trading-unblocked':
      return { type, timeMicros, ...decodeBlocked(json), by: text(json, 'by') };
    case 'day-opened':
      return { type, timeMicros, day: text(json, 'day'), ...decodeEquity(json) };
    case 'equity-peaked':
      return { type, timeMicros, ...decodeEquity(json) };
    case 'margin-called':
    case 'margin-restored':
    case 'stopped-out':
      return { type, timeMicros, ...decodeEquity(json), margin: scaled(json, 'margin', MONEY_SCALE) };
  }
  throw new TypeError(`event type must be a known one, was ${String(type)}`);
}

function decodeNames(json: Json): { orderId: string; symbol: string } {
  return { orderId: text(json, 'orderId'), symbol: text(json, 'symbol') };
}

function decodeBrokerTime(json: Json): { brokerTimeMicros: number } {
  return { brokerTimeMicros: moment(json, 'brokerTime') };
}

function decodeMargin(json: Json): { margin: bigint; currency: string; conversionRate: bigint } {
  return {
    ...{ margin: scaled(json, 'margin', MONEY_SCALE), currency: text(json, 'currency') },
    conversionRate: scaled(json, 'conversionRate', RATE_SCALE),
  };
}

function decodeBlocked(json: Json): { reason: BlockReason; subject: string } {
  return { reason: text(json, 'reason') as BlockReason, subject: text(json, 'subject') };
}

function decodeEquity(json: Json): { equity: bigint; currency: string } {
  return { equity: scaled(json, 'equity', MONEY_SCALE), currency: text(json, 'currency') };
}

function decodeTerms(json: Json): Omit<OrderTerms, 'symbol'> {
  return {
    clientOrderId: text(json, 'clientOrderId'),
    side: text(json, 'side') as OrderTerms['side'],
    orderType: text(json, 'orderType') as OrderTerms['orderType'],
    quantity: scaled(json, 'quantity', QUANTITY_SCALE),
    ...(json['limitPrice'] === undefined ? {} : { limitPrice: scaled(json, 'limitPrice', PRICE_SCALE) }),
    timeInForce: text(json, 'timeInForce') as OrderTerms['timeInForce'],
    source: text(json, 'source') as OrderTerms['source'],
    ...decodeOptional(json),
  };
}

function decodeFill(json: Json): FillTerms {
  return {
    fillId: text(json, 'fillId'),
    quantity: scaled(json, 'quantity', QUANTITY_SCALE),
    price: scaled(json, 'price', PRICE_SCALE),
    filledQuantity: scaled(json, 'filledQuantity', QUANTITY_SCALE),
    brokerTimeMicros: moment(json, 'brokerTime'),
  };
}

function decodePosition(json: Json): PositionTerms & { orderId: string; fillId: string } {
  return {
    positionId: text(json, 'positionId'),
    ...decodeNames(json),
    fillId: text(json, 'fillId'),
    side: text(json, 'side') as PositionTerms['side'],
    quantity: scaled(json, 'quantity', QUANTITY_SCALE),
    cost: scaled(json, 'cost', COST_SCALE),
    averagePrice: scaled(json, 'averagePrice', PRICE_SCALE),
  };
}

function decodeBalance(json: Json): Omit<Extract<AccountEvent, { type: 'balance-changed' }>, 'type' | 'timeMicros'> {
  return {
    reason: text(json, 'reason') as 'deposit',
    amount: scaled(json, 'amount', MONEY_SCALE),
    balance: scaled(json, 'balance', MONEY_SCALE),
    currency: text(json, 'currency'),
    ...(json['orderId'] === undefined ? {} : { orderId: text(json, 'orderId') }),
    ...(json['fillId'] === undefined ? {} : { fillId: text(json, 'fillId') }),
    ...(json['positionId'] === undefined ? {} : { positionId: text(json, 'positionId') }),
    ...(json['quoteAmount'] === undefined ? {} : { quoteAmount: scaled(json, 'quoteAmount', COST_SCALE) }),
    ...(json['quoteCurrency'] === undefined ? {} : { quoteCurrency: text(json, 'quoteCurrency') }),
    ...(json['conversionRate'] === undefined ? {} : { conversionRate: scaled(json, 'conversionRate', RATE_SCALE) }),
  };
}

export function encodeReply(reply: AccountReply): string {
  return JSON.stringify(reply);
}

/** The inverse of `encodeReply`, from parsed JSON. @throws {TypeError} this is no reply of ours */
export function decodeReply(value: unknown): AccountReply {
  const json = asObject(value, 'reply');
  text(json, 'type');
  return json as unknown as AccountReply;
}

/** The text of a journal row. */
export interface PayloadParts {
  readonly command: AccountCommand;
  /** As `encodeEvent` wrote them. */
  readonly events: readonly string[];
  readonly reply: AccountReply;
  /** Follows the request through the platform. */
  readonly traceId?: string | undefined;
  /** Who acted: an opaque id, no personal data. */
  readonly subjectId?: string | undefined;
}

export function encodePayload({ command, events, reply, traceId, subjectId }: PayloadParts): string {
  return (
    `{"v":1,"command":${encodeCommand(command)},"events":[${events.join(',')}],"reply":${encodeReply(reply)},` +
    `"traceId":${traceId === undefined ? 'null' : quoted(traceId)},"subjectId":${subjectId === undefined ? 'null' : quoted(subjectId)}}`
  );
}

export interface Payload {
  /** In its canonical form, as parsed JSON. */
  readonly command: Json;
  readonly events: readonly AccountEvent[];
  readonly reply: AccountReply;
  readonly traceId?: string;
  readonly subjectId?: string;
}

/** @throws {TypeError | SyntaxError} this is no payload of ours, or of a later version than we know */
export function decodePayload(payload: string): Payload {
  const json = asObject(JSON.parse(payload), 'payload');
  if (json['v'] !== 1) throw new TypeError(`payload version must be 1, was ${JSON.stringify(json['v'])}`);
  const events = json['events'];
  if (!Array.isArray(events)) throw new TypeError('events must be a list');
  return {
    command: asObject(json['command'], 'command'),
    events: events.map(decodeEvent),
    reply: decodeReply(json['reply']),
    ...(json['traceId'] === null ? {} : { traceId: text(json, 'traceId') }),
    ...(json['subjectId'] === null ? {} : { subjectId: text(json, 'subjectId') }),
  };
}
