/** What goes over the wire, as far as this page reads it. Amounts are decimal text; times are RFC 3339. */

/** RFC 9457, with the figures that explain a refusal. */
export interface ProblemBody {
  readonly code: string;
  readonly title?: string;
  readonly detail?: string;
  readonly status?: number;
  readonly figures?: Readonly<Record<string, string>>;
  /** What is wrong with a request, and where. */
  readonly errors?: readonly { readonly path: string; readonly detail: string }[];
  /** The same again may work after this time; absent: it will fail again. */
  readonly retryAfterMs?: number;
}

export interface List<Item> {
  readonly items: readonly Item[];
}

export interface AccountItem {
  readonly id: string;
  readonly currency: string;
  readonly balance: string;
  /** These follow prices: null while a price they need was never seen. */
  readonly equity: string | null;
  readonly margin: string | null;
  readonly freeMargin: string | null;
}

export interface InstrumentItem {
  readonly symbol: string;
  readonly description: string;
  readonly digits: number;
  readonly minQuantity: string;
  readonly quantityStep: string;
  readonly staleAfterMs?: number;
}

export type Side = 'buy' | 'sell';

export interface OrderItem {
  readonly orderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly type: string;
  readonly quantity: string;
  readonly filledQuantity: string;
  readonly limitPrice?: string;
  readonly state: string;
}

export interface PositionItem {
  readonly positionId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: string;
  readonly averagePrice: string;
  /** Null or absent while there is no quote, and in events, which do not follow prices. */
  readonly openProfit?: string | null;
}

export interface FillItem {
  readonly fillId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: string;
  readonly price: string;
  readonly time: string;
}

export interface ActorItem {
  readonly path: string;
  readonly status: string;
  readonly mailbox: { readonly depth: number };
  readonly restarts: number;
  readonly lastFailure?: { readonly name: string; readonly message: string };
}

export interface OrderRequest {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: Side;
  readonly type: 'market' | 'limit';
  readonly quantity: string;
  readonly limitPrice?: string;
  readonly timeInForce: string;
}

export interface OrderResult {
  readonly orderId: string;
  readonly state: string;
  readonly duplicate?: boolean;
}

/** An event of an account channel; new types may come and are passed over. */
export interface AccountEvent {
  readonly type: string;
  readonly time?: string;
  readonly [field: string]: unknown;
}

export interface Quote {
  readonly symbol: string;
  readonly bid: string;
  readonly ask: string;
  readonly time: string;
  /** Its source has fallen silent. */
  readonly fault?: string;
}
