/** What one decision on an order costs: state machine, pre-trade checks, margin and the events, without journal and wire. */
import assert from 'node:assert';
import { simulatedQuote } from '../../actors/market/simulator.ts';
import { decide, emptyAccount, evolve, type Account, type Decision, type Facts } from '../../actors/trading/account.ts';
import type { AccountCommand } from '../../actors/trading/commands.ts';
import type { RiskLimits } from '../../actors/trading/risk.ts';
import { tradedInstruments } from '../../bin/instruments.ts';
import { riskLimits } from '../../config/limits.ts';
import { percentile, type BenchOptions } from '../report.ts';

type SubmitOrder = Extract<AccountCommand, { type: 'submit-order' }>;

const decisions = 50_000;
/** Orders that the decisions go through, again and again. */
const variety = 4_096;
const positions = 8;
const unit = 10n ** 8n;
/** Every bound is looked at, and none is reached. */
const allLimits: RiskLimits = {
  ...riskLimits,
  ...{ maxOrderQuantity: 1_000n * unit, maxOpenQuantity: 10_000n * unit, maxOpenNotional: 10n ** 10n * unit },
  ...{ rollingPriceCollar: unit, duplicateWindowMs: 1, repeatedExecutions: 1_000, repeatedExecutionWindowMs: 1_000 },
  ...{ maxDailyLoss: 10n ** 9n * unit, maxDrawdown: 10n ** 9n * unit, minMarginLevel: 1n },
};

export function measureRiskCheck(scale: number, emit: BenchOptions['emit']): void {
  const count = Math.max(variety, Math.round(decisions * scale));
  const instruments = tradedInstruments();
  const nowMicros = Date.now() * 1_000;
  const quotes = new Map(
    [...instruments.values()].map((instrument) => {
      const quote = simulatedQuote(instrument, 1, nowMicros);
      return [instrument.symbol, { symbol: instrument.symbol, sequence: 1, ...quote }];
    }),
  );
  const facts = (seq: number): Facts => ({
    ...{ nowMicros, seq, limits: () => allLimits, killed: () => undefined },
    ...{ hours: () => undefined, recentRange: () => undefined },
    quote: (symbol) => quotes.get(symbol),
    instrument: (symbol) => instruments.get(symbol),
  });
  const orders = randomOrders([...instruments.keys()], variety);
  const account = tradedAccount(orders.slice(0, positions), facts);
  const next = facts(1_000);

  const accepted = orders.filter((order) => isAccepted(decide(account, order, next)));
  // A refusal is cheaper than a consent: these figures are of orders that go through all checks.
  assert(
    accepted.length >= 0.9 * variety,
    `most random orders are accepted, but only ${accepted.length} of ${variety} were`,
  );
  for (let index = 0; index < count; index++) decide(account, orders[index % variety]!, next);
  const startedMs = performance.now();
  for (let index = 0; index < count; index++) decide(account, orders[index % variety]!, next);
  const perSecond = (count * 1_000) / (performance.now() - startedMs);

  const micros = Array.from({ length: count }, (_, index) => {
    const order = orders[index % variety]!;
    const fromMs = performance.now();
    decide(account, order, next);
    return (performance.now() - fromMs) * 1_000;
  });
  emit({ name: 'risk-check', value: perSecond, unit: 'orders/s', direction: 'higher' });
  emit({ name: 'risk-check-p50', value: percentile(micros, 0.5), unit: 'µs', direction: 'lower' });
  emit({ name: 'risk-check-p99', value: percentile(micros, 0.99), unit: 'µs', direction: 'lower' });
}

/** An account with money whose first orders are filled, so that a decision has positions to value. */
function tradedAccount(orders: readonly SubmitOrder[], facts: (seq: number) => Facts): Account {
  const commands: AccountCommand[] = [
    { type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false },
    { type: 'deposit', reference: 'bench', amount: 1_000_000n * unit },
    ...orders,
  ];
  let account = emptyAccount(1);
  let seq = 0;
  const take = (command: AccountCommand) => {
    const decision = decide(account, command, facts(++seq));
    account = decision.events.reduce(evolve, account);
    return decision;
  };
  for (const command of commands) {
    const decision = take(command);
    if (command.type !== 'submit-order' || !isAccepted(decision)) continue;
    const { orderId } = decision.reply;
    const price = BigInt(facts(seq).quote(command.symbol)!.ask);
    take({
      type: 'broker-report',
      report: {
        ...{ type: 'filled', orderId, venue: 'bench', timeMicros: facts(seq).nowMicros },
        ...{ executionId: String(seq), quantity: command.quantity, price },
      },
    });
  }
  return account;
}

type Accepted = Decision & { readonly reply: { readonly type: 'order'; readonly orderId: string } };

function isAccepted(decision: Decision): decision is Accepted {
  return decision.reply.type === 'order' && decision.reply.state === 'SUBMITTED';
}

/** Market orders of 0.01 to 1 lots on any symbol; the same at every run. */
function randomOrders(symbols: readonly string[], count: number): SubmitOrder[] {
  let state = 1;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, (_, index) => ({
    type: 'submit-order',
    clientOrderId: `risk-${index}`,
    symbol: symbols[below(symbols.length)]!,
    side: below(2) === 0 ? 'buy' : 'sell',
    orderType: 'market',
    quantity: BigInt(1 + below(100)) * (unit / 100n),
    timeInForce: 'ioc',
    source: 'trader',
  }));
}
