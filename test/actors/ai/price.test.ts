import { expect, test } from 'vitest';
import { priceOf, readPrices } from '../../../actors/ai/price.ts';
import prices from '../../../config/ai-prices.json' with { type: 'json' };

const row = { provider: 'p', model: 'm', input: '1', output: '2' };
const tableOf = (...rows: readonly object[]): object => ({
  version: 'v',
  currency: 'USD',
  perTokens: 1_000_000,
  prices: rows,
});
const faultsOf = (value: unknown): readonly string[] => {
  const read = readPrices(value);
  return read.ok ? [] : read.faults;
};

test('the table of the platform is sound', () => {
  expect(faultsOf(prices)).toEqual([]);
});

test.each<[string, unknown, string]>([
  ['nothing', undefined, 'version must be a text'],
  ['another currency', { ...tableOf(row), currency: 'EUR' }, 'currency must be USD, was EUR'],
  ['another unit', { ...tableOf(row), perTokens: 1_000 }, 'perTokens must be 1000000, was 1000'],
  ['no rows', tableOf(), 'prices must be a list with at least one row'],
  ['a row that is none', tableOf(row, 7 as never), 'prices[1] must be an object'],
  ['no name', tableOf({ ...row, model: undefined }), 'prices[0] must name its provider and model'],
  [
    'no price',
    tableOf({ ...row, input: undefined }),
    'prices[0] input must be a decimal text of at most six places, was undefined',
  ],
  ['a number', tableOf({ ...row, output: 2 }), 'prices[0] output must be a decimal text of at most six places, was 2'],
  [
    'one below zero',
    tableOf({ ...row, input: '-1' }),
    'prices[0] input must be a decimal text of at most six places, was -1',
  ],
  [
    'one too exact',
    tableOf({ ...row, input: '0.0000001' }),
    'prices[0] input must be a decimal text of at most six places, was 0.0000001',
  ],
  [
    'a cache that costs more',
    tableOf({ ...row, cachedInput: '1.1' }),
    'prices[0] cachedInput must not be dearer than input',
  ],
  ['a field that nobody knows', tableOf({ ...row, images: '1' }), 'prices[0] has an unknown field images'],
  [
    'a day that is none',
    tableOf({ ...row, from: '2026-13-01' }),
    'prices[0] from must be a day such as 2026-11-24, was "2026-13-01"',
  ],
  [
    'no time in force',
    tableOf({ ...row, from: '2026-02-01', until: '2026-02-01' }),
    'prices[0] must be in force for a while',
  ],
  [
    'a tier without a threshold',
    tableOf({ ...row, above: { input: '1', output: '2' } }),
    'prices[0] above.inputTokens must be a whole number above zero',
  ],
  [
    'two at one time',
    tableOf({ ...row, until: '2026-02-02' }, { ...row, from: '2026-02-01' }),
    'p m has two prices at one time',
  ],
  [
    'one far from its siblings',
    tableOf(row, { ...row, model: 'n' }, { ...row, model: 'o', input: '101', cachedInput: '1' }),
    'p o: inputTokens is more than 100 times away from what the others cost',
  ],
])('a table with %s is refused', (_, value, fault) => {
  expect(faultsOf(value)).toContain(fault);
});

test('a price holds from its day on, and before the next one', () => {
  const read = readPrices(tableOf({ ...row, until: '2026-07-30' }, { ...row, input: '5', from: '2026-07-30' }));
  if (!read.ok) throw new Error(read.faults.join());
  const at = (time: string) => priceOf(read.table, 'p', 'm', Date.parse(time) * 1_000)?.rates.inputTokens;
  expect([at('2026-07-29T23:59:59.999Z'), at('2026-07-30T00:00:00Z')]).toEqual([1_000_000n, 5_000_000n]);
});

test('a snapshot costs what its model does, unless it has a price of its own; a star is for all the others', () => {
  const read = readPrices(
    tableOf(row, { ...row, model: 'm-2026-01-01', input: '9' }, { provider: 'q', model: '*', input: '0', output: '0' }),
  );
  if (!read.ok) throw new Error(read.faults.join());
  const input = (provider: string, model: string) => priceOf(read.table, provider, model, 0)?.rates.inputTokens;
  expect(
    ['m', 'm-2025-12-31', 'm-20251231', 'm-latest', 'm-2026-01-01', 'm-mini'].map((model) => input('p', model)),
  ).toEqual([...[1_000_000n, 1_000_000n, 1_000_000n, 1_000_000n, 9_000_000n, undefined]]);
  expect(input('q', 'anything')).toBe(0n);
});
