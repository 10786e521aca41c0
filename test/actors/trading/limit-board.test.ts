import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LimitBoard, type LimitLayer } from '../../../actors/trading/limit-board.ts';
import { tightest, type RiskLimits } from '../../../actors/trading/risk-limits.ts';
import { decodeLimits, encodeLimits, limitNames } from '../../../actors/trading/risk-limits-text.ts';

const highest = new Set(['duplicateWindowMs', 'repeatedExecutionWindowMs', 'minMarginLevel']);
const counts = new Set(['maxWorkingOrders', 'duplicateWindowMs', 'repeatedExecutions', 'repeatedExecutionWindowMs']);
const isCount = (name: string) => counts.has(name) || name.endsWith('PerSecond');

const bounds: fc.Arbitrary<RiskLimits> = fc
  .record(
    Object.fromEntries(
      limitNames.map((name) => {
        if (name === 'isRestricted') return [name, fc.constant(true)];
        return [name, isCount(name) ? fc.integer({ min: 1, max: 60 }) : fc.bigInt({ min: 0n, max: 10n ** 12n })];
      }),
    ),
    { requiredKeys: [] },
  )
  .map((limits) => limits as RiskLimits);

test('of the tightest no bound is looser than in any layer, whatever their order, and each comes from one', () => {
  fc.assert(
    fc.property(fc.array(bounds, { maxLength: 5 }), (layers) => {
      const all = tightest(layers);
      expect(tightest(layers.toReversed())).toEqual(all);
      expect(tightest([all, ...layers])).toEqual(all);
      for (const name of limitNames) {
        const values = layers.map((layer) => layer[name]).filter((value) => value !== undefined);
        const [first, ...rest] = values;
        if (first === undefined) {
          expect(all[name]).toBeUndefined();
          continue;
        }
        const isBetter = (a: typeof first, b: typeof first) => (highest.has(name) ? a > b : a < b);
        expect(all[name]).toBe(rest.reduce((best, value) => (isBetter(value, best) ? value : best), first));
      }
    }),
  );
});

const names = {
  tenantId: fc.constantFrom(1, 2),
  accountId: fc.constantFrom(1, 2),
  symbol: fc.constantFrom('EURUSD', 'BTCUSD'),
};
const strategyId = fc.constantFrom('cross', 'trend');
const layer = fc.record({ ...names, strategyId, limits: bounds }, { requiredKeys: ['limits'] }) as fc.Arbitrary<
  Pick<LimitLayer, 'tenantId' | 'accountId' | 'symbol' | 'strategyId' | 'limits'>
>;
const subject = fc.record({ ...names, strategyId: fc.option(strategyId, { nil: undefined }) });

test('what is in force is what all layers that apply say, the last of each subject alone, and where each bound comes from', () => {
  fc.assert(
    fc.property(bounds, fc.array(layer, { maxLength: 12 }), fc.array(subject, { maxLength: 8 }), (base, set, asked) => {
      const board = new LimitBoard(base);
      const last = new Map<string, (typeof set)[number]>();
      for (const [version, one] of set.entries()) {
        const complete: LimitLayer = { ...one, scope: 'tenant', reason: 'r', by: 'ann', setMicros: 1, version };
        board.set(complete);
        // Told once more, and too late: it changes nothing.
        if (version > 0) board.set({ ...complete, limits: { maxWorkingOrders: 1 }, version: version - 1 });
        last.set(JSON.stringify([one.tenantId, one.accountId, one.strategyId, one.symbol]), one);
        for (const who of asked) {
          const applying = [...last.values()].filter((known) =>
            (['tenantId', 'accountId', 'strategyId', 'symbol'] as const).every(
              (name) => known[name] === undefined || known[name] === who[name],
            ),
          );
          const expected = tightest([base, ...applying.map(({ limits }) => limits)]);
          expect(board.limits(who)).toEqual(expected);
          const effective = board.effective(who);
          expect(Object.fromEntries(effective.map(({ name, value }) => [name, value]))).toEqual(expected);
          for (const { name, value, layer: from } of effective) expect((from?.limits ?? base)[name]).toBe(value);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('bounds are read as they were written, on the wire and in the database', () => {
  fc.assert(
    fc.property(bounds, (limits) => {
      const { repeatedExecutions: _count, repeatedExecutionWindowMs: _window, ...rest } = limits;
      const written = JSON.parse(JSON.stringify(encodeLimits(rest))) as Record<string, unknown>;
      expect(decodeLimits(written)).toEqual({ ok: true, limits: rest });
    }),
  );
});

test.each<[string, Record<string, unknown>, string]>([
  ['a name that is none', { maxEverything: '1' }, 'maxEverything'],
  ['a name of a prototype', JSON.parse('{"__proto__":"1"}') as Record<string, unknown>, '__proto__'],
  ['money as a number', { maxOrderValue: 1 }, 'maxOrderValue'],
  ['money below zero', { maxOrderValue: '-1' }, 'maxOrderValue'],
  ['money with an exponent', { maxOrderValue: '1e5' }, 'maxOrderValue'],
  ['money of ten thousand digits', { maxOrderValue: '9'.repeat(10_000) }, 'maxOrderValue'],
  ['more digits than there are', { minMarginLevel: '1.234' }, 'minMarginLevel'],
  ['a count as text', { maxWorkingOrders: '1' }, 'maxWorkingOrders'],
  ['a count of none', { maxWorkingOrders: 0 }, 'maxWorkingOrders'],
  ['half a count', { maxWorkingOrders: 1.5 }, 'maxWorkingOrders'],
  ['a flag that is false', { isRestricted: false }, 'isRestricted'],
  ['executions without their window', { repeatedExecutions: 5 }, 'repeatedExecutions'],
  ['a window without executions', { repeatedExecutionWindowMs: 5 }, 'repeatedExecutions'],
  [
    'more executions than are remembered',
    { repeatedExecutions: 64, repeatedExecutionWindowMs: 5 },
    'repeatedExecutions',
  ],
])('%s is refused', (_, json, path) => {
  const decoded = decodeLimits(json);
  expect(decoded.ok).toBe(false);
  if (!decoded.ok) expect(decoded.faults.map((fault) => fault.path)).toContain(path);
});
