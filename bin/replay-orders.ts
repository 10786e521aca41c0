/** Orders of a replay from a CSV file: `time,side,type,quantity,limitPrice,timeInForce`, times in RFC 3339. */
import { readFileSync } from 'node:fs';
import { Temporal } from 'temporal-polyfill';
import { parseScaled, PRICE_SCALE, QUANTITY_SCALE } from '../actors/trading/money.ts';
import type { OrderTerms } from '../actors/trading/events.ts';
import { Failure } from './failure.ts';
import type { TimedOrder } from './replay.ts';

const header = 'time,side,type,quantity,limitPrice,timeInForce';

/** The order of line n gets the client order id `line-n`. @throws Failure with every faulty line */
export function readOrders(path: string, symbol: string): TimedOrder[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Failure(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const [first, ...lines] = text.split(/\r?\n/);
  if (first !== header) throw new Failure(`${path}:1: the first line must be ${header}`);
  const faults: string[] = [];
  const orders: TimedOrder[] = [];
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const order = parseLine(line, symbol, i + 2);
    if (typeof order === 'string') faults.push(`${path}:${i + 2}: ${order}`);
    else orders.push(order);
  }
  if (faults.length > 0) throw new Failure(faults);
  return orders;
}

/** @returns the order, or what is wrong with the line */
function parseLine(line: string, symbol: string, number: number): TimedOrder | string {
  const [time = '', side = '', type = '', quantityText = '', limitText = '', timeInForce = '', ...rest] =
    line.split(',');
  const timeMicros = momentOf(time);
  const quantity = parseScaled(quantityText, QUANTITY_SCALE);
  const limitPrice = limitText === '' ? undefined : parseScaled(limitText, PRICE_SCALE);
  if (rest.length > 0) return 'there must be six columns';
  if (timeMicros === undefined) return `time must be RFC 3339 with a zone, was ${time}`;
  if (side !== 'buy' && side !== 'sell') return `side must be buy or sell, was ${side}`;
  if (type !== 'market' && type !== 'limit') return `type must be market or limit, was ${type}`;
  if (quantity === undefined || quantity <= 0n) return `quantity must be a decimal above 0, was ${quantityText}`;
  if (limitText !== '' && (limitPrice === undefined || limitPrice <= 0n))
    return `limitPrice must be a decimal above 0, was ${limitText}`;
  if (timeInForce !== 'gtc' && timeInForce !== 'ioc' && timeInForce !== 'fok')
    return `timeInForce must be gtc, ioc or fok, was ${timeInForce}`;
  const terms: OrderTerms = {
    ...{ clientOrderId: `line-${number}`, symbol, side, orderType: type, quantity, timeInForce, source: 'trader' },
    ...(limitPrice === undefined ? {} : { limitPrice }),
  };
  return { timeMicros, terms };
}

/** RFC 3339 with a zone → microseconds since 1970; unlike `Date.parse` it knows how long a month is. */
function momentOf(time: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(time)) return undefined;
  try {
    return Number(Temporal.Instant.from(time).epochNanoseconds / 1_000n);
  } catch {
    return undefined;
  }
}
