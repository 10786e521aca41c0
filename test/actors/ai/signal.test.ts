import fc from 'fast-check';
import { expect, test } from 'vitest';

import { maxRationaleLength, maxSignalLength, parseSignal, signalRequest } from '../../../actors/ai/signal.ts';
import { formatScaled } from '../../../actors/trading/money.ts';
import { eurusd } from '../../support/instruments.ts';

const answer = { action: 'buy', confidence: '0.62', rationale: 'The fast average is above the slow one.' };
const withChange = (change: object) => JSON.stringify({ ...answer, ...change });

test('an answer as it was asked for is a signal', () => {
  expect(parseSignal(withChange({ stopLossDistance: '0.00150', takeProfitDistance: '0.003' }))).toEqual({
    ok: true,
    signal: { ...answer, confidence: 62_000_000n, stopLossDistance: 150_000n, takeProfitDistance: 300_000n },
  });
});

test.each([
  ['0', 0n],
  ['1', 100_000_000n],
  ['1.00000000', 100_000_000n],
  ['0.00000001', 1n],
])('confidence %s is within its range', (confidence, scaled) => {
  expect(parseSignal(withChange({ confidence }))).toMatchObject({ ok: true, signal: { confidence: scaled } });
});

test.each([
  ['Buy!', { code: 'not-json', found: 'Buy!' }],
  ['', { code: 'not-json' }],
  ['{"action":"buy"', { code: 'not-json' }],
  [`Sure: ${JSON.stringify(answer)}`, { code: 'text-around-json' }],
  [`\`\`\`json\n${JSON.stringify(answer)}\n\`\`\``, { code: 'text-around-json' }],
  ['[]', { code: 'not-an-object' }],
  ['null', { code: 'not-an-object' }],
  ['"buy"', { code: 'not-an-object' }],
  [withChange({ rationale: 'x'.repeat(maxSignalLength) }), { code: 'too-long' }],
  ['{"action":"buy","action":"sell","confidence":"1","rationale":"x"}', { code: 'duplicate-field' }],
  ['{"action":"buy","\\u0061ction":"sell","confidence":"1","rationale":"x"}', { code: 'duplicate-field' }],
  [withChange({ quantity: '100' }), { code: 'unknown-field', field: 'quantity' }],
  ['{"__proto__":"x","action":"buy","confidence":"1","rationale":"x"}', { code: 'unknown-field', field: '__proto__' }],
  ['{"confidence":"1","rationale":"x"}', { code: 'missing-field', field: 'action' }],
  ['{"action":"buy","confidence":"1"}', { code: 'missing-field', field: 'rationale' }],
  [withChange({ confidence: 0.62 }), { code: 'wrong-type', field: 'confidence', found: 'number' }],
  [withChange({ stopLossDistance: null }), { code: 'wrong-type', field: 'stopLossDistance' }],
  [withChange({ action: 'BUY' }), { code: 'out-of-range', field: 'action', found: 'BUY' }],
  [withChange({ confidence: '1.00000001' }), { code: 'out-of-range', field: 'confidence', found: '1.00000001' }],
  [withChange({ confidence: '-0.1' }), { code: 'out-of-range', field: 'confidence' }],
  [withChange({ confidence: '-0' }), { code: 'out-of-range', field: 'confidence' }],
  [withChange({ confidence: '62%' }), { code: 'out-of-range', field: 'confidence' }],
  [withChange({ confidence: '6e-1' }), { code: 'out-of-range', field: 'confidence' }],
  [withChange({ confidence: '0.123456789' }), { code: 'out-of-range', field: 'confidence' }],
  [withChange({ rationale: '  ' }), { code: 'out-of-range', field: 'rationale' }],
  [withChange({ rationale: 'x'.repeat(maxRationaleLength + 1) }), { code: 'out-of-range', field: 'rationale' }],
  [withChange({ stopLossDistance: '0' }), { code: 'out-of-range', field: 'stopLossDistance', found: '0' }],
  [withChange({ takeProfitDistance: '-1' }), { code: 'out-of-range', field: 'takeProfitDistance' }],
])('%s is no signal, and the fault says why', (text, fault) => {
  expect(parseSignal(text)).toMatchObject({ ok: false, fault });
});

test('every signal that is written as asked is read back as it was, whatever its rationale holds', () => {
  const distance = fc.option(fc.bigInt({ min: 1n, max: 10n ** 14n }), { nil: undefined });
  const anySignal = fc.record({
    action: fc.constantFrom('buy' as const, 'sell' as const, 'hold' as const),
    confidence: fc.bigInt({ min: 0n, max: 10n ** 8n }),
    rationale: fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }).filter((text) => text.trim() !== ''),
    stopLossDistance: distance,
    takeProfitDistance: distance,
  });
  fc.assert(
    fc.property(anySignal, (signal) => {
      const text = JSON.stringify(signal, (_, value: unknown) =>
        typeof value === 'bigint' ? formatScaled(value, 8) : value,
      );
      fc.pre(text.length <= maxSignalLength);
      expect(parseSignal(text)).toEqual({ ok: true, signal });
    }),
  );
});

test('no text makes the parser throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(typeof parseSignal(text).ok).toBe('boolean');
    }),
  );
});

test('a request holds the market as decimal text in a message of its own, and is the same for the same question', () => {
  const quote = { symbol: 'EURUSD', bid: 108_010_000, ask: 108_020_000, timeMicros: 90_000_000, sequence: 1 };
  const candles = [
    {
      ...{ openMicros: 60_000_000, open: 108_000_000, high: 108_012_000, low: 107_900_000, close: 108_001_000 },
      ...{ ticks: 3, isComplete: true },
    },
  ];
  const question = { instrument: eurusd, quote, interval: '1m' as const, candles };
  const request = signalRequest(question);
  expect(request.messages.map(({ role }) => role)).toEqual(['system', 'user']);
  expect(JSON.parse(request.messages[1]!.content)).toEqual({
    symbol: 'EURUSD',
    description: 'EUR/USD',
    digits: 5,
    quote: { bid: '1.08010', ask: '1.08020' },
    interval: '1m',
    candles: [
      {
        time: '1970-01-01T00:01:00.000000Z',
        open: '1.08000',
        high: '1.08012',
        low: '1.07900',
        close: '1.08001',
        ticks: 3,
      },
    ],
  });
  expect(signalRequest(question)).toEqual(request);
});
