/** The frames of the trader streams as a client sees them. What a newer platform adds is not named here, and does no harm. */

export interface ProblemBody {
  readonly code: string;
  readonly title: string;
  readonly status?: number;
  readonly detail?: string;
  readonly figures?: Readonly<Record<string, string>>;
  readonly errors?: readonly { readonly path: string; readonly detail: string }[];
  /** The same may work after so long; absent: it will not. */
  readonly retryAfterMs?: number;
}

/** Where a client stands on a channel. */
export interface Position {
  readonly epoch: string;
  readonly sequence: number;
}

/** `stale`: the price is the last one there was. `diverged`: another source says something else. No market order is taken at either. */
export type SourceFault = 'stale' | 'diverged';

export interface QuoteFrame {
  readonly type: 'quote';
  readonly channel: string;
  readonly sequence: number;
  readonly symbol: string;
  readonly bid: string;
  readonly ask: string;
  readonly time: string;
  /** What is wrong with the source. */
  readonly fault?: SourceFault;
  /** Quotes before this one that were left out, because this client did not keep up. */
  readonly skipped?: number;
}

export interface CandleItem {
  /** When it opens. */
  readonly time: string;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly ticks: number;
  /** Whether the source was there all the time. */
  readonly isComplete?: boolean;
}

export interface CandleFrame {
  readonly type: 'candle';
  readonly channel: string;
  readonly sequence: number;
  readonly symbol: string;
  readonly interval: string;
  /** The current one; null where none is open. */
  readonly candle: CandleItem | null;
  /** Those that ended since the frame before. */
  readonly completed?: readonly CandleItem[];
  readonly skipped?: number;
}

export interface CandleSnapshot {
  readonly symbol: string;
  readonly interval: string;
  /** Oldest first; the last one is current. */
  readonly items: readonly CandleItem[];
}

/** Price and quantity, decimal text; the quantity is in lots, and "0" takes a level away. */
export type LevelItem = readonly [price: string, quantity: string];

export interface BookLevels {
  /** Best first. */
  readonly bids: readonly LevelItem[];
  readonly asks: readonly LevelItem[];
}

export interface BookFrame extends BookLevels {
  readonly type: 'book';
  readonly channel: string;
  readonly sequence: number;
  readonly symbol: string;
  readonly time: string;
  /** CRC-32 of the ten best levels once this frame is applied. */
  readonly checksum?: number;
  /** All of the book rather than what changed. */
  readonly isWhole?: boolean;
  readonly skipped?: number;
}

export interface BookSnapshot extends BookLevels {
  readonly symbol: string;
  readonly time: string;
  readonly checksum: number;
}

/** Live figures of an account; null while a price they need was never seen. */
export interface EquityData {
  readonly currency: string;
  readonly balance: string;
  readonly equity: string | null;
  readonly margin: string | null;
  readonly freeMargin: string | null;
  /** Percent. */
  readonly marginLevel: string | null;
  readonly openProfit: string | null;
  readonly time: string;
}

export interface EquityFrame {
  readonly type: 'equity';
  readonly channel: string;
  readonly sequence: number;
  readonly account: string;
  readonly data: EquityData;
  readonly skipped?: number;
}

export interface SignalFrame {
  readonly type: 'signal';
  readonly channel: string;
  readonly sequence: number;
  readonly symbol: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly skipped?: number;
}

export interface AlertData {
  readonly type: string;
  readonly severity: 'warning' | 'critical';
  readonly subject: string;
  readonly text: string;
  readonly time: string;
}

export interface AlertFrame {
  readonly type: 'alert';
  readonly channel: string;
  readonly sequence: number;
  readonly data: AlertData;
  readonly skipped?: number;
}

/** A frame of which the newest counts. */
export type MarketFrame = QuoteFrame | CandleFrame | BookFrame | EquityFrame | SignalFrame | AlertFrame;

/** What happened on an account; further members depend on `type`, which may be one that this client does not know. */
export interface AccountEvent {
  readonly type: string;
  readonly time: string;
  readonly [name: string]: unknown;
}

export type ChannelResult =
  | { readonly epoch: string; readonly mode: 'snapshot'; readonly topic?: number; readonly digits?: number }
  | { readonly epoch: string; readonly mode: 'replay'; readonly from: number }
  | { readonly problem: ProblemBody };

export type ServerFrame =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly connection: string;
      readonly heartbeatMs: number;
      readonly limits: Readonly<Record<string, number>>;
    }
  | { readonly type: 'reply'; readonly id: string | null; readonly ok: true; readonly result: unknown }
  | { readonly type: 'reply'; readonly id: string | null; readonly ok: false; readonly problem: ProblemBody }
  | ({ readonly type: 'snapshot'; readonly channel: string; readonly data: unknown } & Position)
  | ({ readonly type: 'event'; readonly channel: string; readonly data: AccountEvent } & Position)
  | { readonly type: 'resync'; readonly channel: string; readonly epoch: string; readonly reason: string }
  | { readonly type: 'slow'; readonly channels: readonly string[]; readonly bufferedBytes: number }
  | { readonly type: 'heartbeat'; readonly time: string; readonly last?: Readonly<Record<string, number>> }
  | { readonly type: 'bye'; readonly code: number; readonly reason: string; readonly retryAfterMs?: number }
  | MarketFrame;

/** The body of an order, as on REST. */
export interface OrderRequest {
  readonly clientOrderId: string;
  readonly symbol: string;
  readonly side: 'buy' | 'sell';
  readonly type: 'market' | 'limit' | 'stop' | 'stop-limit' | 'trailing-stop';
  /** In lots. */
  readonly quantity: string;
  readonly limitPrice?: string;
  readonly stopPrice?: string;
  readonly trailBy?: string;
  readonly timeInForce: 'gtc' | 'day' | 'gtd' | 'ioc' | 'fok';
  readonly expireAt?: string;
  readonly stopLoss?: string;
  readonly takeProfit?: string;
  readonly reduceOnly?: boolean;
  readonly postOnly?: boolean;
  readonly ocoGroup?: string;
}

export type OrderChange = Partial<
  Pick<OrderRequest, 'quantity' | 'limitPrice' | 'stopPrice' | 'trailBy' | 'expireAt' | 'stopLoss' | 'takeProfit'>
>;

export interface OrderResult {
  readonly orderId: string;
  readonly clientOrderId?: string;
  readonly state: string;
  /** The answer that the first of two equal requests got. */
  readonly duplicate: boolean;
}

export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: ProblemBody };
