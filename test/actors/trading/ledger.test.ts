import fc from 'fast-check';
import { expect, test } from 'vitest';
import { postingsOf, type BalanceChange } from '../../../actors/trading/ledger.ts';
import { s } from './fixtures.ts';

const c = (text: string) => s(text) * 10n ** 10n;

test.each<[string, BalanceChange, readonly (readonly [string, string, bigint])[]]>([
  [
    'a deposit',
    { reason: 'deposit', amount: s('100'), currency: 'USD' },
    [
      ['client', 'USD', c('100')],
      ['funding', 'USD', c('-100')],
    ],
  ],
  [
    'a withdrawal',
    { reason: 'withdrawal', amount: s('-40'), currency: 'USD' },
    [
      ['client', 'USD', c('-40')],
      ['funding', 'USD', c('40')],
    ],
  ],
  [
    'a profit that was made in yen',
    { reason: 'profit', amount: s('6.66'), currency: 'USD', quoteAmount: c('1000'), quoteCurrency: 'JPY' },
    [
      ['client', 'USD', c('6.66')],
      ['exchange', 'JPY', c('1000')],
      ['exchange', 'USD', c('-6.66')],
      ['market', 'JPY', c('-1000')],
    ],
  ],
  [
    'a loss in the currency of the account, rounded to a cent',
    { reason: 'profit', amount: s('-0.12'), currency: 'USD', quoteAmount: c('-0.123'), quoteCurrency: 'USD' },
    [
      ['client', 'USD', c('-0.12')],
      ['exchange', 'USD', c('-0.003')],
      ['market', 'USD', c('0.123')],
    ],
  ],
  [
    'a commission that is even',
    { reason: 'commission', amount: s('-7'), currency: 'USD', quoteAmount: c('-7'), quoteCurrency: 'USD' },
    [
      ['client', 'USD', c('-7')],
      ['commission', 'USD', c('7')],
    ],
  ],
  [
    'a row from before the other currency was written down',
    { reason: 'swap', amount: s('-1.5'), currency: 'EUR', quoteAmount: c('-1.6') },
    [
      ['client', 'EUR', c('-1.5')],
      ['swap', 'EUR', c('1.5')],
    ],
  ],
  [
    'what is forgiven',
    { reason: 'negative-balance-protection', amount: s('3'), currency: 'EUR' },
    [
      ['client', 'EUR', c('3')],
      ['protection', 'EUR', c('-3')],
    ],
  ],
])('%s', (_, change, postings) => {
  expect(postingsOf(change).map(({ account, currency, amount }) => [account, currency, amount])).toEqual(postings);
});

const amount = fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n });
const currency = fc.constantFrom('USD', 'EUR', 'JPY', 'BTC');
const change: fc.Arbitrary<BalanceChange> = fc
  .record(
    {
      reason: fc.constantFrom<BalanceChange['reason']>(
        'deposit',
        'profit',
        'commission',
        'swap',
        'negative-balance-protection',
      ),
      ...{ amount, currency, quoteAmount: amount.map((value) => value * 10n ** 7n), quoteCurrency: currency },
    },
    { requiredKeys: ['reason', 'amount', 'currency'] },
  )
  .map((made) => made as BalanceChange);

test('what one gets another gives: every entry sums to zero in each currency, and so do the books', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const sums = new Map<string, bigint>();
      const clients = new Map<string, bigint>();
      for (const each of changes) {
        const own = new Map<string, bigint>();
        for (const posting of postingsOf(each)) {
          own.set(posting.currency, (own.get(posting.currency) ?? 0n) + posting.amount);
          sums.set(posting.currency, (sums.get(posting.currency) ?? 0n) + posting.amount);
          if (posting.account !== 'client') continue;
          clients.set(posting.currency, (clients.get(posting.currency) ?? 0n) + posting.amount);
        }
        expect([...own.values()].every((sum) => sum === 0n)).toBe(true);
      }
      expect([...sums.values()].every((sum) => sum === 0n)).toBe(true);
      const booked = new Map<string, bigint>();
      for (const each of changes)
        booked.set(each.currency, (booked.get(each.currency) ?? 0n) + each.amount * 10n ** 10n);
      expect(clients).toEqual(booked);
    }),
  );
});
