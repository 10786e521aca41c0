import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type GuardInput, guardSignal } from '../../../actors/ai/guard.ts';
import type { PositionTerms } from '../../../actors/trading/events.ts';
import { eurusd } from '../../support/instruments.ts';

const nowMicros = 1_000_000_000;
const good: GuardInput = {
  decisionId: 'd-17',
  signal: { action: 'buy', confidence: 62_000_000n, rationale: 'up' },
  account: { aiMayOrder: true, position: undefined, hasWorkingOrder: false },
  limits: { minConfidence: 60_000_000n, quantity: 10_000_000n },
  instrument: eurusd,
  quote: { symbol: 'EURUSD', bid: 108_010_000, ask: 108_020_000, timeMicros: nowMicros - 5_000_000, sequence: 1 },
  nowMicros,
};
const position: PositionTerms = {
  positionId: 'p-1',
  symbol: 'EURUSD',
  side: 'sell',
  quantity: 10_000_000n,
  cost: 1n,
  averagePrice: 1n,
};

test.each(['buy', 'sell'] as const)('a confident %s becomes an order of the quantity that the limits set', (action) => {
  expect(guardSignal({ ...good, signal: { ...good.signal, action } })).toEqual({
    type: 'order',
    terms: {
      clientOrderId: 'ai-d-17',
      symbol: 'EURUSD',
      side: action,
      orderType: 'market',
      quantity: 10_000_000n,
      timeInForce: 'ioc',
      source: 'ai',
    },
  });
});

const quoted = (change: object) => ({ quote: { ...good.quote!, ...change } });
const limited = (change: object) => ({ limits: { ...good.limits, ...change } });
const facts = (change: object) => ({ account: { ...good.account, ...change } });

test.each<[string, Partial<GuardInput>, Record<string, string>]>([
  ['no-action', { signal: { ...good.signal, action: 'hold' } }, {}],
  ['ai-orders-not-allowed', facts({ aiMayOrder: false }), {}],
  ['confidence-below-minimum', limited({ minConfidence: 62_000_001n }), { minimum: '0.62000001', was: '0.62' }],
  ['quantity-below-minimum', limited({ quantity: 0n }), { minimum: '0.01', was: '0' }],
  ['quantity-above-maximum', limited({ quantity: 10_001_000_000n }), { maximum: '100', was: '100.01' }],
  ['quantity-step', limited({ quantity: 1_500_000n }), { step: '0.01', was: '0.015' }],
  ['quote-missing', { quote: undefined }, {}],
  ['crossed-quote', quoted({ bid: 108_021_000 }), { bid: '1.08021', ask: '1.08020' }],
  ['stale-quote', quoted({ timeMicros: nowMicros - 5_001_000 }), { staleAfterMs: '5000', ageMs: '5001' }],
  ['position-already-open', facts({ position }), { side: 'sell', quantity: '0.10' }],
  ['order-already-working', facts({ hasWorkingOrder: true }), {}],
])('there is no order: %s', (code, change, figures) => {
  expect(guardSignal({ ...good, ...change })).toEqual({ type: 'no-order', code, figures });
});

test('at its limits a signal still passes: confidence at the minimum, quantity at the smallest and the largest', () => {
  const verdicts = [
    limited({ minConfidence: 62_000_000n }),
    limited({ quantity: 1_000_000n }),
    limited({ quantity: 10_000_000_000n }),
  ];
  expect(verdicts.map((change) => guardSignal({ ...good, ...change }).type)).toEqual(['order', 'order', 'order']);
});

test('no signal, however sure, orders where the account forbids it, or another quantity than the limits set', () => {
  const anySignal = fc.record({
    action: fc.constantFrom('buy' as const, 'sell' as const, 'hold' as const),
    confidence: fc.bigInt({ min: 0n, max: 100_000_000n }),
    rationale: fc.string(),
    stopLossDistance: fc.bigInt({ min: 1n }),
  });
  fc.assert(
    fc.property(anySignal, fc.boolean(), (signal, aiMayOrder) => {
      const verdict = guardSignal({ ...good, signal, ...facts({ aiMayOrder }) });
      const isWanted = aiMayOrder && signal.action !== 'hold' && signal.confidence >= good.limits.minConfidence;
      const terms = { quantity: good.limits.quantity, side: signal.action };
      expect(verdict).toMatchObject(isWanted ? { type: 'order', terms } : { type: 'no-order' });
    }),
  );
});
