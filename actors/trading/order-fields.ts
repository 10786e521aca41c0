/** The optional fields of orders and of changes to them: one list for what writes them and what reads them. */
import type { OrderChange, OrderTerms } from './events.ts';
import { formatPrice, formatQuantity, type Instrument } from './instrument.ts';
import { moment, quoted, scaled, text, type Json } from './json-fields.ts';
import { formatScaled, PRICE_SCALE, QUANTITY_SCALE } from './money.ts';
import { formatTime } from './time.ts';

type Kind = 'price' | 'quantity' | 'moment' | 'flag' | 'text';
type Field<Name> = readonly [name: Name, wire: string, kind: Kind];
type Optional<Terms> = { [Name in keyof Terms]-?: undefined extends Terms[Name] ? Name : never }[keyof Terms];

/** By their names on the wire, so that canonical text has its keys sorted. */
const orderFields: readonly Field<Exclude<Optional<OrderTerms>, 'limitPrice'>>[] = [
  ['expireAtMicros', 'expireAt', 'moment'],
  ['ocoGroup', 'ocoGroup', 'text'],
  ['parentOrderId', 'parentOrderId', 'text'],
  ['positionId', 'positionId', 'text'],
  ['postOnly', 'postOnly', 'flag'],
  ['reduceOnly', 'reduceOnly', 'flag'],
  ['stopLoss', 'stopLoss', 'price'],
  ['stopPrice', 'stopPrice', 'price'],
  ['strategyId', 'strategyId', 'text'],
  ['takeProfit', 'takeProfit', 'price'],
  ['trailBy', 'trailBy', 'price'],
];

const changeFields: readonly Field<keyof OrderChange>[] = [
  ['expireAtMicros', 'expireAt', 'moment'],
  ['limitPrice', 'limitPrice', 'price'],
  ['quantity', 'quantity', 'quantity'],
  ['stopLoss', 'stopLoss', 'price'],
  ['stopPrice', 'stopPrice', 'price'],
  ['takeProfit', 'takeProfit', 'price'],
  ['trailBy', 'trailBy', 'price'],
];

type Values = Readonly<Record<string, unknown>>;

/** `,"name":value` for each field that is there; nothing for most orders. */
export function encodeOptional(terms: OrderTerms, instrument: Instrument | undefined): string {
  return encodeFields(orderFields, terms as unknown as Values, instrument);
}

/** As canonical text has them: amounts as short as they go. @returns pairs of name and JSON text, sorted */
export function canonicalOptional(terms: OrderTerms): readonly (readonly [string, string])[] {
  return pairsOf(orderFields, terms as unknown as Values);
}

/** The same as JSON values. */
export function optionalFields(terms: OrderTerms): Json {
  return objectOf(canonicalOptional(terms));
}

export function changeObject(change: OrderChange): Json {
  return objectOf(pairsOf(changeFields, change as Values));
}

/** As the API shows them, with the digits of the instrument. */
export function optionalView(terms: OrderTerms, instrument: Instrument | undefined): Json {
  return JSON.parse(`{${encodeOptional(terms, instrument).slice(1)}}`) as Json;
}

function objectOf(pairs: readonly (readonly [string, string])[]): Json {
  return Object.fromEntries(pairs.map(([name, value]) => [name, JSON.parse(value) as unknown]));
}

export function decodeOptional(json: Json): Partial<OrderTerms> {
  return decodeFields(orderFields, json);
}

export function encodeChange(change: OrderChange, instrument: Instrument | undefined): string {
  return `{${encodeFields(changeFields, change as Values, instrument).slice(1)}}`;
}

export function canonicalChange(change: OrderChange): string {
  return `{${pairsOf(changeFields, change as Values)
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`;
}

export function decodeChange(json: Json): OrderChange {
  return decodeFields(changeFields, json);
}

function encodeFields(fields: readonly Field<string>[], values: Values, instrument: Instrument | undefined): string {
  let text = '';
  for (const [name, wire, kind] of fields) {
    const value = values[name];
    if (value !== undefined) text += `,"${wire}":${shown(kind, value, instrument)}`;
  }
  return text;
}

function shown(kind: Kind, value: unknown, instrument: Instrument | undefined): string {
  if (kind === 'price') return `"${formatPrice(instrument, value as bigint)}"`;
  if (kind === 'quantity') return `"${formatQuantity(instrument, value as bigint)}"`;
  return canonical(kind, value);
}

function canonical(kind: Kind, value: unknown): string {
  switch (kind) {
    case 'price':
      return `"${formatScaled(value as bigint, PRICE_SCALE)}"`;
    case 'quantity':
      return `"${formatScaled(value as bigint, QUANTITY_SCALE)}"`;
    case 'moment':
      return `"${formatTime(value as number)}"`;
    case 'flag':
      return 'true';
    case 'text':
      return quoted(value as string);
  }
}

function pairsOf(fields: readonly Field<string>[], values: Values): readonly (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (const [name, wire, kind] of fields) {
    const value = values[name];
    if (value !== undefined) pairs.push([wire, canonical(kind, value)]);
  }
  return pairs;
}

function decodeFields(fields: readonly Field<string>[], json: Json): Values {
  const values: Record<string, unknown> = {};
  for (const [name, wire, kind] of fields) if (json[wire] !== undefined) values[name] = decoded(kind, json, wire);
  return values;
}

function decoded(kind: Kind, json: Json, wire: string): unknown {
  switch (kind) {
    case 'price':
      return scaled(json, wire, PRICE_SCALE);
    case 'quantity':
      return scaled(json, wire, QUANTITY_SCALE);
    case 'moment':
      return moment(json, wire);
    case 'flag':
      if (json[wire] !== true) throw new TypeError(`${wire} must be true or absent, was ${String(json[wire])}`);
      return true;
    case 'text':
      return text(json, wire);
  }
}
