/** Who does what in a load test: the same for the same seed. */

export type UserKind = 'subscriber' | 'trader' | 'slow' | 'reconnecting';

export interface Mix {
  /** Shares, of any sum. */
  readonly subscriber: number;
  readonly trader: number;
  readonly slow: number;
  readonly reconnecting: number;
}

export interface UserPlan {
  readonly number: number;
  readonly kind: UserKind;
  readonly channels: readonly string[];
  /** Traders alone. */
  readonly account?: string;
  /** When it connects, after the start. */
  readonly startMs: number;
  /** Between two of what it does: orders of a trader, pauses of a slow reader, breaks of a reconnecting one. */
  readonly everyMs: number;
}

export interface PlanOptions {
  readonly users: number;
  readonly rampMs: number;
  readonly mix: Mix;
  readonly symbols: readonly string[];
  readonly accounts: readonly string[];
  /** Of all traders together. */
  readonly ordersPerSecond: number;
  /** 0 up to 1. */
  random(): number;
}

const kinds: readonly UserKind[] = ['subscriber', 'trader', 'slow', 'reconnecting'];
/** A slow reader reads nothing for as long as it reads; a connection of the other kind lives so long on average. */
const pauseMs = 20_000;
const breakMs = 8_000;
/** Kinds of subscription: followers of the same few symbols share their frames. */
const tastes = 8;
const symbolsPerTaste = 4;

export function planUsers(options: PlanOptions): UserPlan[] {
  const { users, rampMs, symbols, accounts, random } = options;
  const counts = shareOut(users, options.mix);
  const traders = counts.trader;
  const wanted = kinds.flatMap((kind) => Array.from({ length: counts[kind] }, () => kind));
  return wanted.map((kind, at): UserPlan => {
    const first = Math.floor(random() * tastes) * symbolsPerTaste;
    const followed = Array.from(
      { length: Math.min(symbolsPerTaste, symbols.length) },
      (_, n) => symbols[(first + n) % symbols.length]!,
    );
    const quotes = [...new Set(followed)].map((symbol) => `quotes:${symbol}`);
    const common = { number: at + 1, kind, startMs: Math.round((at / users) * rampMs) };
    const account = accounts[at % accounts.length]!;
    const events = ['orders', 'positions', 'account'].map((channel) => `${channel}:${account}`);
    switch (kind) {
      case 'subscriber':
        return { ...common, channels: [...quotes, `candles:${followed[0]!}:1m`], everyMs: Infinity };
      case 'trader':
        return {
          ...common,
          channels: [...quotes.slice(0, 1), ...events],
          account,
          everyMs: (traders / options.ordersPerSecond) * 1_000,
        };
      case 'slow':
        return { ...common, channels: quotes, everyMs: pauseMs };
      case 'reconnecting':
        return { ...common, channels: [...quotes, ...events], everyMs: breakMs * (0.5 + random()) };
    }
  });
}

/** Whole users in the given shares: what rounding leaves goes to the first kind. */
function shareOut(users: number, mix: Mix): Record<UserKind, number> {
  const sum = kinds.reduce((total, kind) => total + mix[kind], 0);
  const [, trader, slow, reconnecting] = kinds.map((kind) => Math.floor((users * mix[kind]) / sum)) as [
    ...[number, number, number, number],
  ];
  return { subscriber: users - trader - slow - reconnecting, trader, slow, reconnecting };
}
