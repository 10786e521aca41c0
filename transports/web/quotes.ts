/** The table of live quotes: colour by the last move, a mark on what is stale. */
import { cell, Rows, setText } from './dom.ts';
import type { InstrumentItem, Quote } from './wire.ts';
import { direction, spreadPoints } from './words.ts';

const defaultStaleAfterMs = 10_000;
const markEveryMs = 1_000;

export class QuotesTable {
  readonly #rows: Rows;
  readonly #quotes = new Map<string, Quote>();
  readonly #staleAfterMs = new Map<string, number>();
  readonly #changed = new Set<string>();
  readonly #onChange: (symbol: string) => void;
  #isOnline = false;
  /** How far the platform's clock is ahead of this page's, at least. */
  #aheadMs = -Infinity;

  /** @param onChoose a row was chosen @param onChange the quote of a symbol on the page has changed */
  constructor(body: HTMLElement, onChoose: (symbol: string) => void, onChange: (symbol: string) => void) {
    this.#rows = new Rows(body, ['symbol', 'number bid', 'number ask', 'number spread']);
    this.#onChange = onChange;
    body.addEventListener('click', ({ target }) => {
      const key = target instanceof Element ? target.closest('tr')?.dataset['key'] : undefined;
      if (key !== undefined) onChoose(key);
    });
    setInterval(() => this.#markStale(), markEveryMs);
  }

  show(instruments: readonly InstrumentItem[]): void {
    for (const { symbol, description, staleAfterMs = defaultStaleAfterMs } of instruments) {
      this.#staleAfterMs.set(symbol, staleAfterMs);
      const choose = document.createElement('button');
      choose.type = 'button';
      choose.className = 'choose';
      choose.title = description;
      choose.setAttribute('aria-label', `Order ${symbol}, ${description}`);
      setText(choose, symbol);
      const row = this.#rows.set(symbol, ['', '–', '–', '–']);
      cell(row, 0).replaceChildren(choose, staleMark());
      row.classList.add('is-stale');
    }
  }

  get(symbol: string): Quote | undefined {
    return this.#quotes.get(symbol);
  }

  onQuote(quote: Quote): void {
    // Quotes come faster than a screen shows them: the row is drawn once a frame, with the latest.
    if (this.#changed.size === 0) requestAnimationFrame(() => this.#draw());
    this.#changed.add(quote.symbol);
    const last = this.#quotes.get(quote.symbol);
    this.#quotes.set(quote.symbol, quote);
    if (last !== undefined) this.#move(quote.symbol, direction(last.bid, quote.bid));
  }

  // The clock of this page may be wrong. Whatever the platform writes was written by now, which tells how far its clock is ahead at least.
  onServerTime(time: string): void {
    const aheadMs = Date.parse(time) - performance.now();
    if (aheadMs > this.#aheadMs) this.#aheadMs = aheadMs;
  }

  onState(isOnline: boolean): void {
    this.#isOnline = isOnline;
    this.#markStale();
  }

  #move(symbol: string, move: -1 | 0 | 1): void {
    if (move === 0) return;
    const { classList } = this.#rows.row(symbol);
    classList.toggle('up', move > 0);
    classList.toggle('down', move < 0);
  }

  #draw(): void {
    for (const symbol of this.#changed) {
      const quote = this.#quotes.get(symbol);
      if (quote === undefined || !this.#staleAfterMs.has(symbol)) continue;
      const { bid, ask } = quote;
      const row = this.#rows.row(symbol);
      for (const [index, text] of [bid, ask, spreadPoints(bid, ask) ?? '–'].entries()) {
        setText(cell(row, index + 1), text);
      }
      row.classList.toggle('is-stale', this.#isStale(symbol));
      this.#onChange(symbol);
    }
    this.#changed.clear();
  }

  #markStale(): void {
    for (const symbol of this.#staleAfterMs.keys()) {
      this.#rows.row(symbol).classList.toggle('is-stale', this.#isStale(symbol));
    }
  }

  #isStale(symbol: string): boolean {
    const quote = this.#quotes.get(symbol);
    if (quote === undefined || quote.fault !== undefined || !this.#isOnline) return true;
    const ageMs = performance.now() + this.#aheadMs - Date.parse(quote.time);
    return ageMs > (this.#staleAfterMs.get(symbol) ?? defaultStaleAfterMs);
  }
}

function staleMark(): HTMLElement {
  const mark = document.createElement('span');
  mark.className = 'stale-mark';
  setText(mark, 'stale');
  return mark;
}
