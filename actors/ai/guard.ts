/**
 * What becomes of a signal: the terms of an order, or why there is none. A model only advises; this rule decides from the account's own
 * facts, and a signal can neither raise a limit nor choose a quantity. When an input is missing or doubtful there is no order.
 */
import { isCrossed, isStale, type Quote } from '../market/quote.ts';
import type { OrderTerms, PositionTerms } from '../trading/events.ts';
import type { Instrument } from '../trading/instrument.ts';
import { formatScaled } from '../trading/money.ts';
import type { Signal } from './signal.ts';

export interface GuardInput {
  /** Names the decision for ever; the order's `clientOrderId` is made of it, so deciding twice orders once. */
  readonly decisionId: string;
  readonly signal: Signal;
  readonly account: {
    readonly aiMayOrder: boolean;
    /** The open position in this instrument. */
    readonly position: PositionTerms | undefined;
    /** Whether an order in this instrument is on its way or working. */
    readonly hasWorkingOrder: boolean;
  };
  readonly limits: {
    /** 0 to 1, scaled by 10^8. */
    readonly minConfidence: bigint;
    /** What an order of the AI is for, in lots, scaled by 10^8. */
    readonly quantity: bigint;
  };
  readonly instrument: Instrument;
  readonly quote: Quote | undefined;
  readonly nowMicros: number;
}

export type Verdict =
  | { readonly type: 'order'; readonly terms: OrderTerms }
  | {
      readonly type: 'no-order';
      readonly code: NoOrderCode;
      /** Decimal text. */ readonly figures: Readonly<Record<string, string>>;
    };

export type NoOrderCode =
  | 'no-action'
  | 'ai-orders-not-allowed'
  | 'confidence-below-minimum'
  | 'quantity-below-minimum'
  | 'quantity-above-maximum'
  | 'quantity-step'
  | 'quote-missing'
  | 'crossed-quote'
  | 'stale-quote'
  | 'position-already-open'
  | 'order-already-working';

/** The first reason against an order, in a fixed sequence: what the signal says, what the account allows, quantity, price, exposure. */
export function guardSignal(input: GuardInput): Verdict {
  const { decisionId, signal, account, limits, instrument } = input;
  const { action, confidence } = signal;
  if (action === 'hold') return noOrder('no-action');
  if (!account.aiMayOrder) return noOrder('ai-orders-not-allowed');
  if (confidence < limits.minConfidence) {
    return noOrder('confidence-below-minimum', { minimum: text(limits.minConfidence), was: text(confidence) });
  }
  const refusal =
    quantityRefusal(limits.quantity, instrument) ?? quoteRefusal(input) ?? exposureRefusal(account, instrument);
  if (refusal) return refusal;
  return {
    type: 'order',
    terms: {
      clientOrderId: `ai-${decisionId}`,
      symbol: instrument.symbol,
      side: action,
      orderType: 'market',
      quantity: limits.quantity,
      // The signal was about this quote: an order that cannot be filled at once is not to wait for another.
      timeInForce: 'ioc',
      source: 'ai',
    },
  };
}

function quantityRefusal(quantity: bigint, instrument: Instrument): Verdict | undefined {
  const { minQuantity, maxQuantity, quantityStep } = instrument;
  const was = text(quantity);
  if (quantity < minQuantity) return noOrder('quantity-below-minimum', { minimum: text(minQuantity), was });
  if (quantity > maxQuantity) return noOrder('quantity-above-maximum', { maximum: text(maxQuantity), was });
  if (quantity % quantityStep !== 0n) return noOrder('quantity-step', { step: text(quantityStep), was });
  return undefined;
}

function quoteRefusal({ quote, instrument, nowMicros }: GuardInput): Verdict | undefined {
  if (!quote) return noOrder('quote-missing');
  if (isCrossed(quote)) {
    const price = (value: number) => formatScaled(BigInt(value), 8, instrument.digits);
    return noOrder('crossed-quote', { bid: price(quote.bid), ask: price(quote.ask) });
  }
  if (isStale(quote, nowMicros, instrument.staleAfterMs)) {
    const ageMs = Math.floor((nowMicros - quote.timeMicros) / 1000);
    return noOrder('stale-quote', { staleAfterMs: String(instrument.staleAfterMs), ageMs: String(ageMs) });
  }
  return undefined;
}

function exposureRefusal(
  { position, hasWorkingOrder }: GuardInput['account'],
  instrument: Instrument,
): Verdict | undefined {
  if (position) {
    const quantity = formatScaled(position.quantity, 8, instrument.quantityDigits);
    return noOrder('position-already-open', { side: position.side, quantity });
  }
  return hasWorkingOrder ? noOrder('order-already-working') : undefined;
}

function noOrder(code: NoOrderCode, figures: Readonly<Record<string, string>> = {}): Verdict {
  return { type: 'no-order', code, figures };
}

function text(scaled: bigint): string {
  return formatScaled(scaled, 8, 0);
}
