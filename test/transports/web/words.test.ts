import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeProblem, direction, grouped, spelled, spreadPoints } from '../../../transports/web/words.ts';

test.each([
  {
    problem: {
      code: 'PRICE_TICK',
      title: 'The price is off its tick',
      figures: { tickSize: '0.00001', was: '1.079005' },
    },
    says: 'The price is off its tick: tick size 0.00001, was 1.079005 (PRICE_TICK)',
  },
  {
    problem: { code: 'NOT_FOUND', title: 'Nothing here', detail: 'there is no account x' },
    says: 'Nothing here: there is no account x (NOT_FOUND)',
  },
  {
    problem: { code: 'VALIDATION_FAILED', errors: [{ path: 'quantity', detail: 'must be decimal text' }] },
    says: 'validation failed: quantity must be decimal text (VALIDATION_FAILED)',
  },
  { problem: { code: 'OVERLOADED' }, says: 'overloaded (OVERLOADED)' },
])('$says', ({ problem, says }) => {
  expect(describeProblem(problem)).toBe(says);
});

test.each([
  ['freeMargin', 'free margin'],
  ['PENDING_CANCEL', 'pending cancel'],
  ['stop-limit', 'stop limit'],
])('%s is spelled %s', (name, text) => {
  expect(spelled(name)).toBe(text);
});

test.each([
  ['1.08012', '1.08014', '2'],
  ['149.1', '149.135', '35'],
  ['100', '101', '1'],
  ['1.0002', '1.0001', '-1'],
  ['–', '1', undefined],
])('between %s and %s are %s points', (bid, ask, points) => {
  expect(spreadPoints(bid, ask)).toBe(points);
});

test.each([
  ['1.08012', '1.08013', 1],
  ['1.0801', '1.08009', -1],
  ['1.10', '1.1', 0],
  ['', '1.1', 0],
])('from %s to %s the direction is %i', (last, next, move) => {
  expect(direction(last, next)).toBe(move);
});

test('grouping moves digits apart and changes none', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.stringMatching(/^\d{1,8}$/), (whole, fraction) => {
      const amount = `${whole}.${fraction}`;
      const [shown = ''] = grouped(amount).split('.');
      expect(grouped(amount).replaceAll('\u202F', '')).toBe(amount);
      expect(shown).toMatch(/^-?\d{1,3}(\u202F\d{3})*$/);
    }),
  );
});
