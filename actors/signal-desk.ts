/**
 * One a tenant: turns "what about EURUSD?" into a decision. Candles → a model's advice → the guard → an order, or none.
 * Advice enters trading by the same door as a trader's order, and only when the guard lets it through.
 */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { Clock } from '../runtime/clock.ts';
import { AskTimeout } from '../runtime/errors.ts';
import { Retryable } from '../runtime/errors.ts';
import type { ActorRef, Asks } from '../runtime/ref.ts';
import type { AiRouterMessage } from './ai-router.ts';
import type { PriceStreamMessage } from './price-stream.ts';
import type { AccountCommandResult, TradingAccountMessage } from './trading-account.ts';
import type { DecisionParts } from './ai/decision-view.ts';
import { guardSignal, type GuardInput } from './ai/guard.ts';
import { parseSignal, signalRequest } from './ai/signal.ts';
import type { CandleInterval } from './market/candle.ts';
import type { QuoteBoard } from './market/quote.ts';
import type { Instrument } from './trading/instrument.ts';

export interface SignalRequest {
  readonly symbol: string;
  readonly interval: CandleInterval;
  /** Where an order may be placed; without it the decision is advice only. */
  readonly account?: string;
  readonly subjectId: string;
}

export type SignalDeskMessage =
  | ({ readonly type: 'request-signal'; readonly request: SignalRequest } & Asks<Decision>)
  | { readonly type: 'decided' };

/** A decision and what came of it. */
export interface Decision extends DecisionParts {
  readonly request: SignalRequest;
  readonly order: AccountCommandResult | undefined;
}

export interface SignalDeskSpec {
  router(): ActorRef<AiRouterMessage> | undefined;
  stream(symbol: string): ActorRef<PriceStreamMessage> | undefined;
  account(name: string): ActorRef<TradingAccountMessage> | undefined;
  instrument(symbol: string): Instrument | undefined;
  readonly quotes: QuoteBoard;
  readonly guard: GuardInput['limits'];
  /** Kept for GET /signals/{id}: before an order is sent, and in its place the whole decision before the asker hears of it. */
  save(decision: Decision): Promise<void>;
  /** Unique for ever within the tenant. */
  newId(): string;
  readonly candles: number;
  readonly deadlineMs: number;
}

export function signalDeskPath(tenant: string): string {
  return `/tenants/${tenant}/router/desk`;
}

export function signalDesk(
  spec: SignalDeskSpec,
): Behavior<{ readonly underWay: number; readonly decided: number }, SignalDeskMessage> {
  const onTheirWay: OnTheirWay = new Set();
  return {
    start: () => ({ underWay: 0, decided: 0 }),

    receive(state, message, context) {
      switch (message.type) {
        case 'request-signal': {
          const replyTo = context.replyLater();
          const decision = decide(spec, message.request, onTheirWay, context).then(async (made) => {
            await spec.save(made);
            return made;
          });
          context.pipe(decision, (result) => {
            if (result.ok) replyTo.reply(result.value);
            else replyTo.fail(result.error instanceof Error ? result.error : new Error(String(result.error)));
            return { type: 'decided' };
          });
          return { ...state, underWay: state.underWay + 1 };
        }
        case 'decided':
          return { underWay: state.underWay - 1, decided: state.decided + 1 };
      }
    },

    inspect: (state) => state,
  };
}

/**
 * `account/symbol` of the orders that are sent and not answered. An account shows what is durable, so of two decisions at once the second
 * would not see the order of the first.
 */
type OnTheirWay = Set<string>;

/** The router has to answer before whoever waits for it has gone. */
const deadlineMarginMs = 500;

/** How long an order is believed to be on its way; far above what a journal that is away for a while takes. */
const orderFateMs = 600_000;

type Options = { readonly timeoutMs: number; readonly traceId?: string };

/** A failure on the way is part of the decision: by then an order may have been sent, and the record must say so. */
async function decide(
  spec: SignalDeskSpec,
  request: SignalRequest,
  onTheirWay: OnTheirWay,
  context: ActorContext<SignalDeskMessage>,
): Promise<Decision> {
  const { traceId } = context;
  const options = { timeoutMs: spec.deadlineMs, ...(traceId === undefined ? {} : { traceId }) };
  let decision: Decision = {
    ...{ id: spec.newId(), request, timeMicros: context.clock.wallMicros() },
    ...{ routed: undefined, signal: undefined, evidence: undefined },
    ...{ verdict: undefined, order: undefined, failure: undefined },
  };
  try {
    for await (const found of steps(spec, decision, options, onTheirWay, context.clock)) {
      decision = { ...decision, ...found };
      // No order without the record that explains it.
      if (found.verdict?.type === 'order') await spec.save(decision);
    }
    return decision;
  } catch (error) {
    if (error instanceof Retryable) return { ...decision, failure: error.message };
    // A fault of ours is for the log: clients read the decision.
    context.log.error({ err: error, decision: decision.id }, 'a decision could not be finished');
    return { ...decision, failure: 'the decision could not be finished' };
  }
}

/** What each step adds to the decision, up to the one that ends it. */
async function* steps(
  spec: SignalDeskSpec,
  { id, request }: Decision,
  options: Options,
  onTheirWay: OnTheirWay,
  clock: Clock,
): AsyncGenerator<Partial<Decision>, void> {
  const instrument = spec.instrument(request.symbol);
  const stream = spec.stream(request.symbol);
  const router = spec.router();
  const quote = spec.quotes.get(request.symbol);
  if (!instrument || !stream || !router || !quote) return yield { failure: 'no price of this instrument yet' };

  const candles = await stream.ask({ type: 'get-candles', interval: request.interval, limit: spec.candles }, options);
  yield { evidence: { bid: quote.bid, ask: quote.ask, candles: candles.length } };
  const question = signalRequest({ instrument, quote, interval: request.interval, candles });
  const order = {
    ...{ request: question, model: 'auto', subjectId: request.subjectId, purpose: 'signal' },
    deadlineMs: options.timeoutMs - deadlineMarginMs,
  };
  const routed = await router.ask({ type: 'complete', order }, options);
  if (!routed.ok) return yield { routed, failure: routed.refusal.message };
  const signal = parseSignal(routed.answer.completion.text);
  yield { routed, signal };
  if (!signal.ok || request.account === undefined) return;

  const account = spec.account(request.account);
  const durable = await account?.ask({ type: 'read' }, options);
  if (!account || !durable || !('state' in durable)) return yield { failure: 'the account is not ready' };
  const { state } = durable;
  const place = `${request.account}/${request.symbol}`;
  const verdict = guardSignal({
    ...{ decisionId: id, signal: signal.signal, limits: spec.guard, instrument },
    account: {
      aiMayOrder: state.aiMayOrder,
      position: state.positions.get(request.symbol),
      hasWorkingOrder:
        onTheirWay.has(place) || [...state.orders.values()].some((order) => order.symbol === request.symbol),
    },
    // The price now, not the one the model was shown.
    quote: spec.quotes.get(request.symbol),
    nowMicros: clock.wallMicros(),
  });
  if (verdict.type === 'no-order') return yield { verdict };
  onTheirWay.add(place);
  let fate: Promise<AccountCommandResult> | undefined;
  try {
    yield { verdict };
    const command = { type: 'submit-order', ...verdict.terms } as const;
    const message = { type: 'command', command, subjectId: request.subjectId } as const;
    fate = account.ask(message, { ...options, timeoutMs: orderFateMs });
    yield { order: await within(options.timeoutMs, fate, account.path, clock) };
  } finally {
    const arrive = (): void => void onTheirWay.delete(place);
    if (fate) fate.then(arrive, arrive);
    else arrive();
  }
}

/** @throws AskTimeout the answer, which may still come, did not come in time */
async function within<T>(timeoutMs: number, answer: Promise<T>, path: string, clock: Clock): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.after(timeoutMs, () => late.reject(new AskTimeout(path, 'an order', timeoutMs, 'handler')));
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    timer.cancel();
  }
}
