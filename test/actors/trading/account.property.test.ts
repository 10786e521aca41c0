/** What holds for an account whatever traders, models and brokers send it, in whatever order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, emptyAccount, evolve, type Account, type SymbolTotals } from '../../../actors/trading/account.ts';
import { decodeAccount, encodeAccount } from '../../../actors/trading/account-snapshot.ts';
import { decodeEvent, encodeEvent } from '../../../actors/trading/codec.ts';
import type { AccountCommand } from '../../../actors/trading/commands.ts';
import { channelOf, type AccountEvent } from '../../../actors/trading/events.ts';
import { valuationOf } from '../../../actors/trading/margin.ts';
import { factsOf, instrument, Ledger, market, NOW, order, s } from './fixtures.ts';

const symbols = ['EURUSD', 'USDJPY', 'EURGBP', 'XAUUSD', 'BTCUSD'];
const side = fc.constantFrom('buy' as const, 'sell' as const);
const lots = fc.integer({ min: 1, max: 60 }).map((hundredths) => BigInt(hundredths) * s('0.01'));

/** Orders are named by how many were submitted before them; some that never were are named too. */
type Step =
  | { readonly type: 'submit'; readonly command: AccountCommand }
  | { readonly type: 'cancel'; readonly order: number }
  | { readonly type: 'fill'; readonly order: number; readonly quantity: bigint; readonly execution: number }
  | {
      readonly type: 'report';
      readonly order: number;
      readonly said: 'accepted' | 'rejected' | 'canceled' | 'expired';
    };

const submit = fc
  .record({
    symbol: fc.constantFrom(...symbols),
    side,
    quantity: fc.oneof({ weight: 9, arbitrary: lots }, fc.constant(s('0.015'))),
    isLimit: fc.boolean(),
    source: fc.constantFrom('trader' as const, 'ai' as const),
  })
  .map(({ isLimit, ...terms }): Step => {
    const { bid } = market.find((quote) => quote.symbol === terms.symbol)!;
    const command = isLimit
      ? order({ ...terms, orderType: 'limit', limitPrice: BigInt(bid), timeInForce: 'gtc' })
      : order(terms);
    return { type: 'submit', command };
  });

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: submit },
    fc.record({ type: fc.constant('cancel' as const), order: fc.nat(9) }),
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constant('fill' as const),
        order: fc.nat(9),
        quantity: lots,
        execution: fc.nat(5),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('report' as const),
        order: fc.nat(9),
        said: fc.constantFrom('accepted', 'rejected', 'canceled', 'expired'),
      }),
    },
  ),
  { maxLength: 40 },
) as fc.Arbitrary<Step[]>;

const terms = fc.record({
  currency: fc.constantFrom('USD', 'EUR', 'JPY', 'GBP'),
  balance: fc.integer({ min: 1, max: 100_000 }),
  leverage: fc.constantFrom(1, 10, 30, 500),
  aiMayOrder: fc.boolean(),
});

interface Story {
  readonly ledger: Ledger;
  /** The account after each row. */
  readonly accounts: readonly Account[];
}

function play({ currency, balance, leverage, aiMayOrder }: TermsOf<typeof terms>, script: readonly Step[]): Story {
  const ledger = new Ledger(7);
  const accounts: Account[] = [];
  const give = (command: AccountCommand) => {
    const decision = ledger.give(command);
    accounts.push(ledger.account);
    return decision;
  };
  give({ type: 'open-account', currency, oms: 'netting', leverage, aiMayOrder });
  give({ type: 'deposit', reference: 'seed', amount: s(String(balance)) });
  const orderIds: string[] = [];
  for (const step of script) {
    if (step.type === 'submit') {
      const { reply } = give(step.command);
      if (reply.type === 'order') orderIds.push(reply.orderId);
      continue;
    }
    const orderId = orderIds[step.order] ?? 'o-7-999';
    if (step.type === 'cancel') give({ type: 'cancel-order', orderId, requestId: String(accounts.length) });
    else give({ type: 'broker-report', report: reportOf(step, orderId) });
  }
  return { ledger, accounts };
}
type TermsOf<Arbitrary> = Arbitrary extends fc.Arbitrary<infer Value> ? Value : never;

function reportOf(step: Extract<Step, { type: 'fill' | 'report' }>, orderId: string) {
  const common = { orderId, venue: 'paper', timeMicros: NOW };
  if (step.type === 'fill') {
    const executionId = `${orderId}-${step.execution}`;
    return { ...common, type: 'filled', executionId, quantity: step.quantity, price: s('1.08') } as const;
  }
  if (step.said === 'rejected') return { ...common, type: step.said, reason: 'no' } as const;
  return step.said === 'canceled'
    ? ({ ...common, type: step.said, reason: 'requested' } as const)
    : ({ ...common, type: step.said } as const);
}

function holds(check: (story: Story) => void): void {
  fc.assert(
    fc.property(terms, steps, (opening, script) => check(play(opening, script))),
    { numRuns: 300 },
  );
}

test('replaying the events, also those read back from text, gives every state that the account was in', () => {
  holds(({ ledger, accounts }) => {
    let replayed = emptyAccount(7);
    ledger.rows.forEach(({ events }, row) => {
      for (const event of events) replayed = evolve(replayed, decodeEvent(JSON.parse(encodeEvent(event, instrument))));
      expect(replayed).toEqual(accounts[row]);
    });
  });
});

test('every state that the account was in is the same when it is read back from its text', () => {
  holds(({ accounts }) => {
    for (const account of accounts) expect(decodeAccount(encodeAccount(account))).toStrictEqual(account);
  });
});

test('fills of an order never pass its quantity, and add up to what it says is filled', () => {
  holds(({ ledger }) => {
    const quantities = new Map<string, bigint>();
    const sums = new Map<string, bigint>();
    for (const event of ledger.events) {
      if (event.type === 'order-submitted') quantities.set(event.orderId, event.quantity);
      if (event.type !== 'order-filled' && event.type !== 'order-partially-filled') continue;
      const sum = (sums.get(event.orderId) ?? 0n) + event.quantity;
      sums.set(event.orderId, sum);
      expect(event.filledQuantity).toBe(sum);
      expect(sum <= quantities.get(event.orderId)!).toBe(true);
      expect(event.type === 'order-filled').toBe(sum === quantities.get(event.orderId));
    }
  });
});

test('an execution is booked once, however often it is told', () => {
  holds(({ ledger }) => {
    const fillIds = ledger.events.flatMap((event) =>
      event.type.startsWith('order-') && 'fillId' in event ? [event.fillId] : [],
    );
    expect(new Set(fillIds).size).toBe(fillIds.length);
  });
});

test('the positions are the sum of the fills', () => {
  holds(({ ledger }) => {
    const net = new Map<string, bigint>();
    for (const event of ledger.events) {
      if (event.type !== 'order-filled' && event.type !== 'order-partially-filled') continue;
      const signed = event.side === 'buy' ? event.quantity : -event.quantity;
      net.set(event.symbol, (net.get(event.symbol) ?? 0n) + signed);
    }
    for (const symbol of symbols) {
      const position = ledger.account.positions.get(symbol);
      const signed = position ? (position.side === 'buy' ? position.quantity : -position.quantity) : 0n;
      expect(signed).toBe(net.get(symbol) ?? 0n);
    }
  });
});

test('the balance is the sum of what was booked', () => {
  holds(({ ledger }) => {
    let balance = 0n;
    for (const event of ledger.events) {
      if (event.type !== 'balance-changed') continue;
      balance += event.amount;
      expect(event.balance).toBe(balance);
    }
    expect(ledger.account.balance).toBe(balance);
  });
});

test('the totals of a symbol are the sums over its working orders', () => {
  holds(({ accounts }) => {
    for (const account of accounts) expect(account.totals).toEqual(totalsOf(account));
  });
});

function totalsOf(account: Account): Map<string, SymbolTotals> {
  const totals = new Map<string, SymbolTotals>();
  for (const { symbol, side: at, quantity, filledQuantity, margin } of account.orders.values()) {
    const none = { quantity: 0n, margin: 0n };
    const before = totals.get(symbol) ?? { buy: none, sell: none };
    const sum = { quantity: before[at].quantity + quantity - filledQuantity, margin: before[at].margin + margin };
    totals.set(symbol, { ...before, [at]: sum });
  }
  return totals;
}

test('an order is let through only if margin stays within equity, or does not grow', () => {
  holds(({ ledger, accounts }) => {
    ledger.rows.forEach(({ events }, row) => {
      if (events[0]?.type !== 'order-submitted') return;
      const before = valuationOf(accounts[row - 1]!, factsOf())!;
      const after = valuationOf(accounts[row]!, factsOf())!;
      expect(after.margin <= before.margin || after.margin <= after.equity).toBe(true);
    });
  });
});

test('each channel counts its own events', () => {
  holds(({ ledger }) => {
    const count = (channel: string) => ledger.events.filter((event) => channelOf(event) === channel).length;
    const { orders, positions, account } = ledger.account.sequences;
    expect([orders, positions, account]).toEqual([count('orders'), count('positions'), count('account')]);
  });
});

test('deciding changes nothing and answers the same again', () => {
  holds(({ ledger }) => {
    const command = order({ symbol: 'EURGBP' });
    const facts = factsOf({ seq: ledger.nextSeq });
    const first = decide(ledger.account, command, facts);
    expect(decide(ledger.account, command, facts)).toEqual(first);
    const replayed = ledger.events.reduce<Account>(
      (account: Account, event: AccountEvent) => evolve(account, event),
      emptyAccount(7),
    );
    expect(ledger.account).toEqual(replayed);
  });
});
