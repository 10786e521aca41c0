/** Bounds that an operator sets, from the platform down to a symbol: of all that apply, the tightest counts. */

/** An absent bound is none. Money is in account currency, scaled by 10^8, quantities in lots, scaled by 10^8. */
export interface RiskLimits {
  readonly maxOrderQuantity?: bigint;
  readonly maxOrderValue?: bigint;
  readonly maxWorkingOrders?: number;
  /** How far beyond the market an order may reach, as a share of its price, scaled by 10^8. */
  readonly priceCollar?: bigint;
  /** The same against the lowest and highest price of a short while before. */
  readonly rollingPriceCollar?: bigint;
  /** What may be open in a symbol on one side, working orders included. */
  readonly maxOpenQuantity?: bigint;
  readonly maxOpenNotional?: bigint;
  /** The same order again within this time is refused. */
  readonly duplicateWindowMs?: number;
  /** So many fills of a strategy (of a symbol, where none is named) within the window stop it until a person has looked. */
  readonly repeatedExecutions?: number;
  readonly repeatedExecutionWindowMs?: number;
  /** Below what the day began with. */
  readonly maxDailyLoss?: bigint;
  /** Below the highest equity of the day. */
  readonly maxDrawdown?: bigint;
  /** Margin level after the trade, in percent, scaled by 10^2. */
  readonly minMarginLevel?: bigint;
  /** Of one account, counted over every second; what is over it is turned away before it is looked at, and not journalled. */
  readonly maxOrdersPerSecond?: number;
  readonly maxAmendsPerSecond?: number;
  /** Orders, changes and cancels together; a cancel counts, and always passes. */
  readonly maxMessagesPerSecond?: number;
  readonly isRestricted?: true;
}

type Bound = keyof RiskLimits;

/** Of these a higher figure is the tighter one. */
const floors: ReadonlySet<Bound> = new Set<Bound>(['duplicateWindowMs', 'repeatedExecutionWindowMs', 'minMarginLevel']);

/** The tightest of each bound. */
export function tightest(layers: readonly RiskLimits[]): RiskLimits {
  const effective: Partial<Record<Bound, bigint | number | true>> = {};
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer) as [Bound, bigint | number | true][]) {
      const known = effective[name];
      if (known === undefined || isTighter(name, value, known)) effective[name] = value;
    }
  }
  return effective as RiskLimits;
}

/** Whether a value binds more than another of the same bound. */
export function isTighter(name: Bound, value: bigint | number | true, known: bigint | number | true): boolean {
  return floors.has(name) ? value > known : value < known;
}
