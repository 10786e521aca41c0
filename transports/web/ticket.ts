/** The order form: what is sent, and what came of it, in words. */
import { noAnswer, type Answer } from './api.ts';
import { byId, option, setText } from './dom.ts';
import type { InstrumentItem, OrderRequest, OrderResult, Quote, Side } from './wire.ts';
import { describeProblem } from './words.ts';

export interface TicketOptions {
  submit(order: OrderRequest): Promise<Answer<OrderResult>>;
  quote(symbol: string): Quote | undefined;
}

/** Which the platform takes for a type; the first is preset. */
const timesInForce = {
  market: [
    ['ioc', 'Immediate or cancel'],
    ['fok', 'Fill or kill'],
    ['day', 'Day'],
    ['gtc', 'Good till canceled'],
  ],
  limit: [
    ['gtc', 'Good till canceled'],
    ['ioc', 'Immediate or cancel'],
    ['fok', 'Fill or kill'],
  ],
} as const;

/** Codes after which it is not known whether the order stands: the same order goes under the same id, so it cannot stand twice. */
const uncertain: ReadonlySet<string> = new Set([noAnswer, 'OUTCOME_UNKNOWN']);

export class Ticket {
  readonly #options: TicketOptions;
  readonly #form = byId('ticket', HTMLFormElement);
  readonly #symbol = byId('symbol', HTMLSelectElement);
  readonly #type = byId('type', HTMLSelectElement);
  readonly #quantity = byId('quantity', HTMLInputElement);
  readonly #limitField = byId('limit-field', HTMLDivElement);
  readonly #limitPrice = byId('limit-price', HTMLInputElement);
  readonly #timeInForce = byId('time-in-force', HTMLSelectElement);
  readonly #send = byId('send', HTMLButtonElement);
  readonly #reply = byId('ticket-reply', HTMLParagraphElement);
  #instruments: ReadonlyMap<string, InstrumentItem> = new Map();
  #uncertain: { readonly terms: string; readonly clientOrderId: string } | undefined;

  constructor(options: TicketOptions) {
    this.#options = options;
    this.#type.addEventListener('change', () => this.#typeChanged());
    this.#symbol.addEventListener('change', () => this.#symbolChanged());
    this.#form.addEventListener('input', () => this.#label());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#typeChanged();
  }

  show(instruments: readonly InstrumentItem[]): void {
    this.#instruments = new Map(instruments.map((instrument) => [instrument.symbol, instrument]));
    this.#symbol.replaceChildren(...instruments.map(({ symbol }) => option(symbol)));
    this.#symbolChanged();
  }

  choose(symbol: string): void {
    this.#symbol.value = symbol;
    this.#symbolChanged();
    this.#quantity.focus();
  }

  onQuote(symbol: string): void {
    if (symbol === this.#symbol.value) this.#showQuote();
  }

  #typeChanged(): void {
    const type = this.#orderType();
    this.#limitField.hidden = type !== 'limit';
    this.#limitPrice.required = type === 'limit';
    this.#timeInForce.replaceChildren(...timesInForce[type].map(([value, label]) => option(value, label)));
    this.#label();
  }

  #symbolChanged(): void {
    const instrument = this.#instruments.get(this.#symbol.value);
    const hint = instrument ? `from ${instrument.minQuantity}, step ${instrument.quantityStep}` : '';
    setText(byId('quantity-hint', HTMLSpanElement), hint);
    this.#limitPrice.value = '';
    this.#showQuote();
    this.#label();
  }

  #showQuote(): void {
    const quote = this.#options.quote(this.#symbol.value);
    setText(byId('buy-price', HTMLSpanElement), quote?.ask ?? '–');
    setText(byId('sell-price', HTMLSpanElement), quote?.bid ?? '–');
  }

  #label(): void {
    const side = this.#side();
    setText(this.#send, `${side === 'buy' ? 'Buy' : 'Sell'} ${this.#quantity.value} ${this.#symbol.value}`);
    this.#send.dataset['side'] = side;
  }

  async #submit(): Promise<void> {
    const order = this.#order();
    this.#send.disabled = true;
    this.#say('sending …', 'pending');
    const answer = await this.#options.submit(order);
    this.#send.disabled = false;
    if (answer.ok) return this.#accepted(order, answer.value);
    this.#uncertain = uncertain.has(answer.problem.code)
      ? { terms: termsOf(order), clientOrderId: order.clientOrderId }
      : undefined;
    const advice = this.#uncertain ? '. Send it again: under the same id it cannot be placed twice.' : '';
    this.#say(`${describeProblem(answer.problem)}${advice}`, 'refused');
  }

  #accepted(order: OrderRequest, { orderId, state, duplicate }: OrderResult): void {
    this.#uncertain = undefined;
    const what = `${order.side} ${order.quantity} ${order.symbol}`;
    const again = duplicate === true ? '; it had arrived the first time' : '';
    this.#say(`Order ${orderId}: ${what} is ${state.toLowerCase()}${again}.`, 'done');
  }

  #order(): OrderRequest {
    const type = this.#orderType();
    const terms = {
      symbol: this.#symbol.value,
      side: this.#side(),
      type,
      quantity: this.#quantity.value.trim(),
      ...(type === 'limit' ? { limitPrice: this.#limitPrice.value.trim() } : {}),
      timeInForce: this.#timeInForce.value,
    };
    const isRepeated = this.#uncertain?.terms === termsOf(terms);
    return { clientOrderId: isRepeated && this.#uncertain ? this.#uncertain.clientOrderId : newOrderId(), ...terms };
  }

  #orderType(): 'market' | 'limit' {
    return this.#type.value === 'limit' ? 'limit' : 'market';
  }

  #side(): Side {
    return new FormData(this.#form).get('side') === 'sell' ? 'sell' : 'buy';
  }

  #say(text: string, outcome: 'pending' | 'done' | 'refused'): void {
    setText(this.#reply, text);
    this.#reply.dataset['outcome'] = outcome;
  }
}

function termsOf({
  symbol,
  side,
  type,
  quantity,
  limitPrice,
  timeInForce,
}: Omit<OrderRequest, 'clientOrderId'>): string {
  return [symbol, side, type, quantity, limitPrice ?? '', timeInForce].join(' ');
}

// `crypto.randomUUID` is there on https and localhost alone.
function newOrderId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
