/** The table of prices: read with every fault named, and looked up by provider, model and time. Amounts are bigints of 10^-12 US dollars. */
import { parseScaled } from '../trading/money.ts';
import type { TokenUsage } from './provider.ts';

/** Of one token, by kind. */
export type Rates = Readonly<Record<keyof TokenUsage, bigint>>;

export interface Price {
  readonly provider: string;
  /** Also of its dated snapshots; `*`: of all models of the provider. */
  readonly model: string;
  readonly rates: Rates;
  /** What all tokens of a call cost that reads more than so many. */
  readonly above: { readonly inputTokens: number; readonly rates: Rates } | undefined;
  /** In force from then on, and before then. */
  readonly fromMicros: number;
  readonly untilMicros: number;
}

export interface PriceTable {
  /** Names the table in each row of the ledger. */
  readonly version: string;
  readonly prices: readonly Price[];
}

export type PriceTableResult =
  | { readonly ok: true; readonly table: PriceTable }
  | { readonly ok: false; readonly faults: readonly string[] };

/** A price that is so many times dearer or cheaper than the middle one of its provider is a slip. */
const farthest = 100;

/** @param value as JSON.parse makes it of `config/ai-prices.json` */
export function readPrices(value: unknown): PriceTableResult {
  const faults: string[] = [];
  const { version, currency, perTokens, prices } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof version !== 'string' || version === '') faults.push('version must be a text');
  if (currency !== 'USD') faults.push(`currency must be USD, was ${String(currency)}`);
  if (perTokens !== 1_000_000) faults.push(`perTokens must be 1000000, was ${String(perTokens)}`);
  const rows = Array.isArray(prices) ? (prices as readonly unknown[]) : [];
  if (rows.length === 0) faults.push('prices must be a list with at least one row');
  const read = rows.map((row, at) =>
    readRow(row, (what) => {
      faults.push(`prices[${at}] ${what}`);
      return undefined;
    }),
  );
  const table = { version: String(version), prices: read.filter((price) => price !== undefined) };
  if (faults.length === 0) faults.push(...overlaps(table.prices), ...outliers(table.prices));
  return faults.length === 0 ? { ok: true, table } : { ok: false, faults };
}

/** Of the model itself, or of the one that a dated name such as `gpt-4o-mini-2024-07-18` is a snapshot of. */
export function priceOf({ prices }: PriceTable, provider: string, model: string, atMicros: number): Price | undefined {
  const isNow = ({ fromMicros, untilMicros }: Price): boolean => atMicros >= fromMicros && atMicros < untilMicros;
  for (const name of [model, model.replace(/-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$/, ''), '*']) {
    const found = prices.find((price) => price.provider === provider && price.model === name && isNow(price));
    if (found) return found;
  }
  return undefined;
}

/** Notes what is wrong. */
type Fault = (what: string) => undefined;

type Amounts = Readonly<Record<string, unknown>>;

function readRow(row: unknown, fault: Fault): Price | undefined {
  if (typeof row !== 'object' || row === null) return fault('must be an object');
  const { provider, model, above, from, until, ...amounts } = row as Amounts;
  if (typeof provider !== 'string' || typeof model !== 'string') return fault('must name its provider and model');
  const rates = readRates(amounts, fault);
  const fromMicros = readDay(from, -Infinity, 'from', fault);
  const untilMicros = readDay(until, Infinity, 'until', fault);
  if (!rates || fromMicros === undefined || untilMicros === undefined) return undefined;
  if (fromMicros >= untilMicros) return fault('must be in force for a while');
  const tier = above === undefined ? undefined : readTier(above as Amounts, fault);
  if (above !== undefined && !tier) return undefined;
  return { provider, model, rates, above: tier, fromMicros, untilMicros };
}

function readTier({ inputTokens, ...amounts }: Amounts, fault: Fault): Price['above'] {
  const rates = readRates(amounts, (what) => fault(`above ${what}`));
  if (typeof inputTokens === 'number' && Number.isSafeInteger(inputTokens) && inputTokens > 0)
    return rates && { inputTokens, rates };
  return fault('above.inputTokens must be a whole number above zero');
}

const fields = ['input', 'cachedInput', 'cacheWrite', 'cacheWrite1h', 'output', 'reasoning'] as const;

/** What has no price of its own costs what it would without a cache, or without thinking. */
function readRates(amounts: Amounts, fault: Fault): Rates | undefined {
  const unknown = Object.keys(amounts).filter((name) => !(fields as readonly string[]).includes(name));
  for (const name of unknown) fault(`has an unknown field ${name}`);
  const amount = (name: (typeof fields)[number], otherwise: bigint | undefined): bigint | undefined => {
    const text = amounts[name];
    if (text === undefined && otherwise !== undefined) return otherwise;
    // Dollars for a million tokens: as many 10^-12 dollars for one.
    const found = typeof text === 'string' && !text.startsWith('-') ? parseScaled(text, 6) : undefined;
    if (found === undefined) fault(`${name} must be a decimal text of at most six places, was ${String(text)}`);
    return found;
  };
  const inputTokens = amount('input', undefined);
  const outputTokens = amount('output', undefined);
  const cachedInputTokens = amount('cachedInput', inputTokens);
  const cacheWriteTokens = amount('cacheWrite', inputTokens);
  const cacheWrite1hTokens = amount('cacheWrite1h', cacheWriteTokens);
  const reasoningTokens = amount('reasoning', outputTokens);
  if (inputTokens === undefined || outputTokens === undefined || cachedInputTokens === undefined) return undefined;
  if (cacheWriteTokens === undefined || cacheWrite1hTokens === undefined || reasoningTokens === undefined)
    return undefined;
  if (cachedInputTokens > inputTokens) fault('cachedInput must not be dearer than input');
  return { inputTokens, cachedInputTokens, cacheWriteTokens, cacheWrite1hTokens, outputTokens, reasoningTokens };
}

function readDay(day: unknown, otherwise: number, name: string, fault: Fault): number | undefined {
  if (day === undefined) return otherwise;
  const ms = typeof day === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(ms)) return fault(`${name} must be a day such as 2026-11-24, was ${JSON.stringify(day)}`);
  return ms * 1_000;
}

function overlaps(prices: readonly Price[]): string[] {
  return prices.flatMap((one, at) =>
    prices
      .slice(0, at)
      .filter(
        (other) =>
          one.provider === other.provider &&
          one.model === other.model &&
          one.fromMicros < other.untilMicros &&
          other.fromMicros < one.untilMicros,
      )
      .map(() => `${one.provider} ${one.model} has two prices at one time`),
  );
}

function outliers(prices: readonly Price[]): string[] {
  return prices.flatMap(({ provider, model, rates }) =>
    (['inputTokens', 'outputTokens'] as const).flatMap((kind) => {
      const siblings = prices.filter((price) => price.provider === provider).map((price) => price.rates[kind]);
      const middle = siblings.toSorted((a, b) => (a < b ? -1 : 1))[siblings.length >> 1]!;
      const rate = rates[kind];
      const isFar = rate > middle * BigInt(farthest) || rate * BigInt(farthest) < middle;
      return isFar
        ? [`${provider} ${model}: ${kind} is more than ${farthest} times away from what the others cost`]
        : [];
    }),
  );
}
