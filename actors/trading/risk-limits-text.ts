/** Bounds as JSON with decimal text: on the wire and in the database. */
import { formatScaled, MONEY_SCALE, parseScaled, QUANTITY_SCALE } from './money.ts';
import { RECENT_FILLS_KEPT } from './recent-orders.ts';
import type { RiskLimits } from './risk-limits.ts';

type Name = keyof RiskLimits;
type Value = bigint | number | true;

/** Digits behind the point of a decimal; a whole number from 1 up to this; or a flag that is there or not. */
type Form = { readonly digits: number } | { readonly most: number } | 'flag';

/** More of anything that is counted is no bound. */
const COUNT = { most: 1_000_000_000 };

const forms = {
  maxOrderQuantity: { digits: QUANTITY_SCALE },
  maxOrderValue: { digits: MONEY_SCALE },
  maxWorkingOrders: COUNT,
  priceCollar: { digits: MONEY_SCALE },
  rollingPriceCollar: { digits: MONEY_SCALE },
  maxOpenQuantity: { digits: QUANTITY_SCALE },
  maxOpenNotional: { digits: MONEY_SCALE },
  duplicateWindowMs: COUNT,
  repeatedExecutions: { most: RECENT_FILLS_KEPT - 1 },
  repeatedExecutionWindowMs: COUNT,
  maxDailyLoss: { digits: MONEY_SCALE },
  maxDrawdown: { digits: MONEY_SCALE },
  minMarginLevel: { digits: 2 },
  maxOrdersPerSecond: COUNT,
  maxAmendsPerSecond: COUNT,
  maxMessagesPerSecond: COUNT,
  isRestricted: 'flag',
} as const satisfies Readonly<Record<Name, Form>>;

export const limitNames = Object.keys(forms) as readonly Name[];

/** As text of a decimal, or as a whole number. */
export function encodeLimit(name: Name, value: Value): string | number | true {
  const form: Form = forms[name];
  return typeof form === 'object' && 'digits' in form
    ? formatScaled(value as bigint, form.digits)
    : (value as number | true);
}

export function encodeLimits(limits: RiskLimits): Readonly<Record<string, string | number | true>> {
  const entries = Object.entries(limits) as [Name, Value][];
  return Object.fromEntries(entries.map(([name, value]) => [name, encodeLimit(name, value)]));
}

export interface LimitFault {
  readonly path: string;
  readonly detail: string;
}

export type DecodedLimits =
  | { readonly ok: true; readonly limits: RiskLimits }
  | { readonly ok: false; readonly faults: readonly LimitFault[] };

/** @returns bounds, or every fault in them */
export function decodeLimits(json: Readonly<Record<string, unknown>>): DecodedLimits {
  const faults: LimitFault[] = [];
  const limits: Partial<Record<Name, Value>> = {};
  for (const [name, value] of Object.entries(json)) {
    if (!Object.hasOwn(forms, name)) {
      faults.push({ path: name, detail: `must be one of ${limitNames.join(', ')}` });
      continue;
    }
    const read = readLimit(forms[name as Name], value);
    if (typeof read === 'string') faults.push({ path: name, detail: read });
    else limits[name as Name] = read;
  }
  if ((limits.repeatedExecutions === undefined) !== (limits.repeatedExecutionWindowMs === undefined))
    faults.push({ path: 'repeatedExecutions', detail: 'must be set together with repeatedExecutionWindowMs' });
  return faults.length > 0 ? { ok: false, faults } : { ok: true, limits: limits as RiskLimits };
}

/** @returns the value, or what is wrong with it */
function readLimit(form: Form, value: unknown): Value | string {
  if (form === 'flag') return value === true ? true : 'must be true, or absent';
  if ('most' in form) {
    const isCount = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= form.most;
    return isCount ? value : `must be a whole number from 1 to ${form.most}`;
  }
  const parsed = typeof value === 'string' && value.length <= 30 ? parseScaled(value, form.digits) : undefined;
  return parsed === undefined || parsed < 0n
    ? `must be a decimal of 0 or more as text, with at most ${form.digits} digits behind the point`
    : parsed;
}
