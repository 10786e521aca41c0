/**
 * Strategies that trade by themselves. There are none: who wants one writes it here, for an account of his own, and starts the platform.
 * Each trades as its account may, under its own limits besides; a kill switch with scope strategy and its id stops it at once.
 */
export interface StrategyConfig {
  /** Names its orders and its switches: 1 to 32 of a-z, 0-9 and -. */
  readonly id: string;
  readonly tenant: string;
  /** A netting account. */
  readonly account: string;
  readonly symbol: string;
  readonly interval: '1m' | '5m' | '15m' | '1h';
  readonly kind: StrategyKind;
  /** By kind; decimals as text. See docs/strategies.md. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly limits: StrategyLimitsConfig;
}

export const strategyKinds = ['moving-average-cross', 'ai-ensemble'] as const;
export type StrategyKind = (typeof strategyKinds)[number];

export interface StrategyLimitsConfig {
  /** More than this is never held; decimal text. */
  readonly maxLots: string;
  /** Beyond it the strategy stops until somebody has looked. */
  readonly maxOrdersPerHour: number;
  /** So many in a row stop it, too. */
  readonly maxDenials: number;
}

export const strategyLimits: StrategyLimitsConfig = { maxLots: '1', maxOrdersPerHour: 20, maxDenials: 3 };

export const strategies: readonly StrategyConfig[] = [];
