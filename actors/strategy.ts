/**
 * One a running strategy: prices become candles, candles an opinion of the rule, and the opinion an order through the account, by the same
 * door and the same checks as any other. It never assumes what it holds: it asks the account, so a restart in the middle sends nothing twice.
 */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { PriceStreamMessage } from './price-stream.ts';
import type { AccountCommandResult, TradingAccountMessage } from './trading-account.ts';
import { applyTick, emptySeries, type Candle, type CandleInterval, type CandleSeries } from './market/candle.ts';
import type { Quote } from './market/quote.ts';
import type { Opinion, StrategyRule, Target, Vote } from './strategies/rule.ts';
import { orderTowards, type StrategyLimits } from './strategies/towards.ts';
import type { Account } from './trading/account.ts';
import type { Instrument } from './trading/instrument.ts';

export type StrategyMessage =
  | { readonly type: 'quote'; readonly quote: Quote }
  /** The past that the rule has asked for. */
  | { readonly type: 'history'; readonly candles: readonly Candle[] }
  | { readonly type: 'votes'; readonly votes: readonly Vote[]; readonly candle: Candle }
  | {
      readonly type: 'account';
      readonly account: Account | undefined;
      readonly target: Target;
      readonly candle: Candle;
    }
  | { readonly type: 'ordered'; readonly result: AccountCommandResult | undefined };

export interface StrategySpec<State> {
  readonly id: string;
  readonly symbol: string;
  readonly interval: CandleInterval;
  readonly rule: StrategyRule<State>;
  readonly limits: StrategyLimits;
  instrument(symbol: string): Instrument | undefined;
  account(): ActorRef<TradingAccountMessage> | undefined;
  /** Absent: it begins without a past. */
  stream?(): ActorRef<PriceStreamMessage> | undefined;
  /** @returns what ends it */
  subscribe(onQuote: (quote: Quote) => void): () => void;
  /** Hears the advisers; absent: there are none. */
  advise?(): Promise<readonly Vote[]>;
  readonly deadlineMs: number;
}

interface Running<State> {
  readonly rule: State;
  readonly series: CandleSeries;
  readonly unsubscribe: () => void;
}

const hourMs = 3_600_000;

export function strategy<State>(spec: StrategySpec<State>): Behavior<Running<State>, StrategyMessage> {
  const { id, symbol, interval, rule, limits } = spec;
  // What it has done and why it stopped outlives a crash: it must not begin anew for that.
  const counts = { candles: 0, orders: 0, denials: 0 };
  let denialsInARow = 0;
  let stopped: string | undefined;
  let sentMs: number[] = [];
  type Context = ActorContext<StrategyMessage>;

  function onQuote(running: Running<State>, quote: Quote, context: Context): Running<State> {
    const before = running.series.closed.newest;
    const series = applyTick(running.series, quote);
    const candle = series.closed.newest;
    if (!candle || candle === before) return { ...running, series };
    counts.candles += 1;
    return heed({ ...running, series }, rule.onCandle(running.rule, candle), candle, context);
  }

  function heed(running: Running<State>, opinion: Opinion<State>, candle: Candle, context: Context): Running<State> {
    const { state, target, asksAdvice } = opinion;
    if (asksAdvice && spec.advise)
      context.pipe(spec.advise(), (votes) => ({ type: 'votes', votes: votes.ok ? votes.value : [], candle }));
    if (target !== undefined && stopped === undefined) lookAt(target, candle, context);
    return { ...running, rule: state };
  }

  function lookAt(target: Target, candle: Candle, context: Context): void {
    const account = spec.account();
    if (!account) return;
    context.pipe(account.ask({ type: 'read' }, { timeoutMs: spec.deadlineMs }), (read) => {
      const state = read.ok && 'state' in read.value ? read.value.state : undefined;
      return { type: 'account', account: state, target, candle };
    });
  }

  function order({ account, target, candle }: Extract<StrategyMessage, { type: 'account' }>, context: Context): void {
    const instrument = spec.instrument(symbol);
    if (!account || !instrument || stopped !== undefined) return;
    const terms = orderTowards(account, instrument, id, target, limits, String(candle.openMicros));
    if (!terms) return;
    const nowMs = context.clock.monotonicMs();
    sentMs = sentMs.filter((atMs) => atMs > nowMs - hourMs);
    if (sentMs.length >= limits.maxOrdersPerHour)
      return stop(`more than ${limits.maxOrdersPerHour} orders in an hour`, context);
    sentMs.push(nowMs);
    counts.orders += 1;
    const message = {
      type: 'command',
      command: { type: 'submit-order', ...terms },
      subjectId: `strategy:${id}`,
    } as const;
    const asked = spec.account()?.ask(message, { timeoutMs: spec.deadlineMs });
    if (asked) context.pipe(asked, (result) => ({ type: 'ordered', result: result.ok ? result.value : undefined }));
  }

  function onOrdered(result: AccountCommandResult | undefined, context: Context): void {
    const denial = result?.type === 'done' && result.reply.type === 'order' ? result.reply.denial : undefined;
    if (!denial) {
      denialsInARow = 0;
      return;
    }
    counts.denials += 1;
    denialsInARow += 1;
    context.log.warn({ strategy: id, ...denial }, 'an order of a strategy is denied');
    if (denialsInARow >= limits.maxDenials) stop(`${denialsInARow} denials in a row, the last ${denial.code}`, context);
  }

  function stop(reason: string, context: Context): void {
    stopped = reason;
    context.log.error({ strategy: id, reason }, 'a strategy has stopped: somebody has to look');
  }

  return {
    start(context) {
      const unsubscribe = spec.subscribe((quote) => context.self.tell({ type: 'quote', quote }));
      const stream = rule.warmUp > 0 ? spec.stream?.() : undefined;
      if (stream) {
        const question = { type: 'get-candles', interval, limit: rule.warmUp + 1 } as const;
        context.pipe(stream.ask(question, { timeoutMs: spec.deadlineMs }), (candles) => ({
          type: 'history',
          candles: candles.ok ? candles.value : [],
        }));
      }
      return { rule: rule.start(), series: emptySeries(interval), unsubscribe };
    },

    receive(running, message, context) {
      switch (message.type) {
        case 'quote':
          return onQuote(running, message.quote, context);
        case 'history': {
          // The last one is not complete. Of the past it only learns.
          const past = message.candles.slice(0, -1);
          return { ...running, rule: past.reduce((state, candle) => rule.onCandle(state, candle).state, rule.start()) };
        }
        case 'votes':
          return heed(running, rule.onVotes(running.rule, message.votes), message.candle, context);
        case 'account':
          order(message, context);
          return running;
        case 'ordered':
          onOrdered(message.result, context);
          return running;
      }
    },

    stop: ({ unsubscribe }) => unsubscribe(),
    inspect: () => ({ symbol, interval, ...counts, ...(stopped === undefined ? {} : { stopped }) }),
  };
}
