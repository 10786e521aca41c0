/** The panels of one account: positions, working orders, fills; kept live by its channels. */
import {
  afterOrderEvent,
  afterPositionEvent,
  fillOf,
  ordersOf,
  positionsOf,
  withFills,
  type Orders,
  type Positions,
} from './account-book.ts';
import type { Answer } from './api.ts';
import { byId, cell, Rows, setText } from './dom.ts';
import type { AccountEvent, FillItem, OrderItem, PositionItem, Quote } from './wire.ts';
import { describeProblem, grouped, spelled } from './words.ts';

export interface OrdersOptions {
  cancel(orderId: string): Promise<Answer<unknown>>;
  quote(symbol: string): Quote | undefined;
}

export const fillsShown = 50;

const cancelColumn = 7;

export class OrderPanels {
  readonly #options: OrdersOptions;
  readonly #orderRows = new Rows(byId('orders', HTMLTableSectionElement), [
    ...['symbol', 'side', 'type', 'number', 'number', 'number', 'state', 'action'],
  ]);
  readonly #positionRows = new Rows(byId('positions', HTMLTableSectionElement), [
    ...['symbol', 'side', 'number', 'number', 'number', 'number profit'],
  ]);
  readonly #fillRows = new Rows(byId('fills', HTMLTableSectionElement), ['time', 'symbol', 'side', 'number', 'number']);
  readonly #reply = byId('orders-reply', HTMLParagraphElement);
  #orders: Orders = new Map();
  #positions: Positions = new Map();
  #profits: ReadonlyMap<string, string> = new Map();
  #fills: readonly FillItem[] = [];

  constructor(options: OrdersOptions) {
    this.#options = options;
    byId('orders', HTMLTableSectionElement).addEventListener('click', ({ target }) => {
      const button = target instanceof Element ? target.closest('button') : null;
      const orderId = button?.closest('tr')?.dataset['key'];
      if (button !== null && orderId !== undefined) void this.#cancel(button, orderId);
    });
  }

  /** Another account is shown from now on. */
  clear(): void {
    this.#orders = new Map();
    this.#positions = new Map();
    this.#profits = new Map();
    this.#fills = [];
    setText(this.#reply, '');
    this.#draw();
  }

  onSnapshot(kind: string, data: unknown): void {
    if (kind === 'orders') this.#orders = ordersOf(data);
    else if (kind === 'positions') this.#positions = positionsOf(data);
    this.#draw();
  }

  onEvent(kind: string, event: AccountEvent): void {
    if (kind === 'orders') {
      this.#orders = afterOrderEvent(this.#orders, event);
      const fill = fillOf(event);
      if (fill !== undefined) this.#fills = withFills(this.#fills, [fill], fillsShown);
    } else if (kind === 'positions') {
      this.#positions = afterPositionEvent(this.#positions, event);
    }
    this.#draw();
  }

  onFills(fills: readonly FillItem[]): void {
    this.#fills = withFills(this.#fills, fills, fillsShown);
    this.#draw();
  }

  /** Profits follow prices, which events do not: they are asked for, and the positions themselves stay those of the channel. */
  onProfits(positions: readonly PositionItem[]): void {
    this.#profits = new Map(positions.map(({ positionId, openProfit }) => [positionId, openProfit ?? '–']));
    this.#drawPositions();
  }

  onQuote(symbol: string): void {
    for (const position of this.#positions.values()) if (position.symbol === symbol) this.#drawPosition(position);
  }

  #draw(): void {
    this.#drawPositions();
    this.#drawOrders();
    this.#fillRows.keep(this.#fills.map(({ fillId }) => fillId));
    for (const { fillId, time, symbol, side, quantity, price } of this.#fills) {
      markSide(this.#fillRows.set(fillId, [clockTime(time), symbol, side, quantity, price]), 2, side);
    }
    byId('fills-empty', HTMLParagraphElement).hidden = this.#fills.length > 0;
  }

  #drawPositions(): void {
    const positions = [...this.#positions.values()];
    this.#positionRows.keep(positions.map(({ positionId }) => positionId));
    for (const position of positions) this.#drawPosition(position);
    byId('positions-empty', HTMLParagraphElement).hidden = positions.length > 0;
  }

  #drawPosition({ positionId, symbol, side, quantity, averagePrice }: PositionItem): void {
    const quote = this.#options.quote(symbol);
    const now = (side === 'buy' ? quote?.bid : quote?.ask) ?? '–';
    const profit = this.#profits.get(positionId) ?? '–';
    const row = this.#positionRows.set(positionId, [symbol, side, quantity, averagePrice, now, grouped(profit)]);
    markSide(row, 1, side);
    cell(row, 5).dataset['sign'] = signOf(profit);
  }

  #drawOrders(): void {
    const orders = [...this.#orders.values()].toReversed();
    this.#orderRows.keep(orders.map(({ orderId }) => orderId));
    for (const order of orders) this.#drawOrder(order);
    byId('orders-empty', HTMLParagraphElement).hidden = orders.length > 0;
  }

  #drawOrder({ orderId, symbol, side, type, quantity, filledQuantity, limitPrice = '–', state }: OrderItem): void {
    const texts = [symbol, side, type, quantity, filledQuantity, limitPrice, spelled(state)];
    const row = this.#orderRows.set(orderId, texts);
    markSide(row, 1, side);
    const button =
      row.querySelector('button') ?? cancelButton(cell(row, cancelColumn), `${side} ${quantity} ${symbol}`);
    button.disabled = state === 'PENDING_CANCEL';
  }

  async #cancel(button: HTMLButtonElement, orderId: string): Promise<void> {
    button.disabled = true;
    const answer = await this.#options.cancel(orderId);
    setText(this.#reply, answer.ok ? `Cancel of ${orderId} is on its way.` : describeProblem(answer.problem));
    this.#reply.dataset['outcome'] = answer.ok ? 'done' : 'refused';
    if (!answer.ok) button.disabled = false;
  }
}

function cancelButton(parent: HTMLElement, what: string): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet';
  button.setAttribute('aria-label', `Cancel ${what}`);
  setText(button, 'Cancel');
  parent.append(button);
  return button;
}

function markSide(row: HTMLTableRowElement, column: number, side: string): void {
  cell(row, column).dataset['side'] = side;
}

function signOf(profit: string): 'loss' | 'gain' | 'none' {
  if (!/[1-9]/.test(profit)) return 'none';
  return profit.startsWith('-') ? 'loss' : 'gain';
}

function clockTime(time: string): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? '–' : at.toLocaleTimeString('en-GB');
}
