import { expect, test } from 'vitest';
import { instrumentFrom } from '../../actors/trading/instrument.ts';
import { parseScaled } from '../../actors/trading/money.ts';
import { instruments } from '../../config/instruments.ts';

test('there are at least 14 instruments, each once', () => {
  expect(instruments.length).toBeGreaterThanOrEqual(14);
  expect(new Set(instruments.map(({ symbol }) => symbol)).size).toBe(instruments.length);
});

test.each(instruments)('the terms of $symbol are sound', (terms) => {
  const instrument = instrumentFrom(terms);
  const { referencePrice, typicalSpreadTicks, dailyVolatility } = terms.simulator;
  const reference = parseScaled(referencePrice, 8)!;
  expect(reference % instrument.tickSize).toBe(0n);
  expect(instrument.tickSize * BigInt(typicalSpreadTicks)).toBeLessThan(reference / 1000n);
  expect(typicalSpreadTicks).toBeGreaterThanOrEqual(1);
  expect(dailyVolatility).toBeGreaterThan(0);
  expect(dailyVolatility).toBeLessThan(0.1);
  expect(terms.simulator.depthLevels ?? 1).toBeGreaterThanOrEqual(1);
  // A tick price is held as a number, and must stay exact far above the reference.
  expect(Number.isSafeInteger(Number(reference) * 100)).toBe(true);
});

test('crypto currencies show their depth, and nothing else does', () => {
  for (const { assetClass, simulator } of instruments)
    expect(simulator.depthLevels !== undefined).toBe(assetClass === 'crypto');
});

const caps = { 'forex-major': 30, 'forex-minor': 20, metal: 20, commodity: 10, index: 20, equity: 5, crypto: 2 };

test.each(instruments)('$symbol keeps to the leverage cap of its class', ({ assetClass, maxLeverage }) => {
  expect(maxLeverage).toBe(caps[assetClass]);
});

test('pairs of dollar, euro, yen, pound, Canadian dollar and franc are the major ones', () => {
  const majors = new Set(['USD', 'EUR', 'JPY', 'GBP', 'CAD', 'CHF']);
  for (const { calculationMode, assetClass, baseCurrency, quoteCurrency } of instruments) {
    if (calculationMode !== 'forex') continue;
    const isMajor = majors.has(baseCurrency) && majors.has(quoteCurrency);
    expect(assetClass).toBe(isMajor ? 'forex-major' : 'forex-minor');
  }
});

test('each currency of the instruments converts to dollars', () => {
  const symbols = new Set(instruments.map(({ symbol }) => symbol));
  for (const { quoteCurrency, baseCurrency, calculationMode } of instruments) {
    for (const currency of calculationMode === 'forex' ? [quoteCurrency, baseCurrency] : [quoteCurrency]) {
      expect(currency === 'USD' || symbols.has(`${currency}USD`) || symbols.has(`USD${currency}`)).toBe(true);
    }
  }
});
