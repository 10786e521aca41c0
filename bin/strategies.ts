/** Strategies from text: their rules with parameters that were checked, and their actors on the stage. */
import { signalDeskPath, type SignalDeskMessage } from '../actors/signal-desk.ts';
import type { Quote } from '../actors/market/quote.ts';
import { pricePath, type PriceStreamMessage } from '../actors/price-stream.ts';
import { aiEnsemble } from '../actors/strategies/ai-ensemble.ts';
import { movingAverageCross } from '../actors/strategies/moving-average-cross.ts';
import type { StrategyRule, Vote } from '../actors/strategies/rule.ts';
import type { StrategyLimits } from '../actors/strategies/towards.ts';
import { strategy } from '../actors/strategy.ts';
import { accountPath, type TradingAccountMessage } from '../actors/trading-account.ts';
import { parseScaled } from '../actors/trading/money.ts';
import type { StrategyConfig, StrategyKind, StrategyLimitsConfig } from '../config/strategies.ts';
import type { AnyWorkerSpec } from '../runtime/spec.ts';
import { Failure } from './failure.ts';
import type { Stage } from './stage.ts';

type Parameters = Readonly<Record<string, string>>;

/** What each kind takes, and what counts where nothing is said. */
const defaults: Readonly<Record<StrategyKind, Parameters>> = {
  'moving-average-cross': { fast: '20', slow: '50', lots: '0.1', direction: 'both' },
  'ai-ensemble': { everyCandles: '15', quorum: '1', minConfidence: '0.6', lots: '0.1' },
};

/** A rule, whatever its state is. */
export type AnyRule = StrategyRule<unknown>;

/** @throws Failure with what is wrong */
export function ruleOf(kind: StrategyKind, given: Parameters): AnyRule {
  const known = defaults[kind];
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(known, name));
  if (unknown.length > 0)
    throw new Failure(`${kind} has no parameter ${unknown.join(', ')}: it has ${Object.keys(known).join(', ')}`);
  const all = { ...known, ...given };
  const whole = (name: string): number => (/^\d{1,6}$/.test(all[name]!) ? Number(all[name]) : Number.NaN);
  const decimal = (name: string): bigint => {
    const value = parseScaled(all[name]!, 8);
    if (value === undefined)
      throw new Failure(`${kind}: ${name} must be a decimal of at most 8 digits, was ${all[name]}`);
    return value;
  };
  try {
    if (kind === 'ai-ensemble') {
      const [everyCandles, quorum] = [whole('everyCandles'), whole('quorum')];
      return aiEnsemble({ everyCandles, quorum, minConfidence: decimal('minConfidence'), lots: decimal('lots') });
    }
    const { direction } = all;
    if (direction !== 'both' && direction !== 'long-only')
      throw new Failure(`${kind}: direction must be both or long-only, was ${direction}`);
    const cross = { fast: whole('fast'), slow: whole('slow'), lots: decimal('lots') };
    return movingAverageCross({ ...cross, isLongOnly: direction === 'long-only' });
  } catch (error) {
    if (error instanceof RangeError) throw new Failure(`${kind}: ${error.message}`, { cause: error });
    throw error;
  }
}

export function limitsOf({ maxLots, ...counts }: StrategyLimitsConfig): StrategyLimits {
  const lots = parseScaled(maxLots, 8);
  if (lots === undefined || lots <= 0n) throw new Failure(`maxLots must be a decimal above zero, was ${maxLots}`);
  return { maxLots: lots, ...counts };
}

/** @param isLive it learns from the past first, and may ask for advice */
export function strategyWorker(stage: Stage, config: StrategyConfig, isLive: boolean): AnyWorkerSpec {
  const { system, bus, limits, instruments } = stage;
  const { id, tenant, account, symbol, interval, kind, parameters } = config;
  if (!/^[a-z0-9-]{1,32}$/.test(id))
    throw new Failure(`the id of a strategy must be 1 to 32 of a-z, 0-9 and -, was ${id}`);
  if (!instruments.has(symbol)) throw new Failure(`strategy ${id}: there is no symbol ${symbol}`);
  const rule: AnyRule = ruleOf(kind, parameters);
  return {
    ...{ id, kind: 'strategy' },
    behavior: strategy({
      ...{ id, symbol, interval, rule, limits: limitsOf(config.limits), deadlineMs: limits.ask.deadlineMs },
      instrument: (name) => instruments.get(name),
      account: () => system.find<TradingAccountMessage>(accountPath(tenant, account)),
      subscribe: (onQuote: (quote: Quote) => void) => bus.subscribe(`quotes:${symbol}`, onQuote),
      ...(isLive && {
        stream: () => system.find<PriceStreamMessage>(pricePath(symbol)),
        advise: () => advice(stage, config),
      }),
    }),
    mailbox: { capacity: limits.mailbox.priceStream, whenFull: 'drop-oldest' },
  };
}

/** What the tenant's signal desk says, as advice alone: the strategy makes its own order of it. */
async function advice(
  { system, limits }: Stage,
  { id, tenant, symbol, interval }: StrategyConfig,
): Promise<readonly Vote[]> {
  const desk = system.find<SignalDeskMessage>(signalDeskPath(tenant));
  if (!desk) return [];
  const request = { symbol, interval, subjectId: `strategy:${id}` };
  const { signal } = await desk.ask({ type: 'request-signal', request }, { timeoutMs: limits.ask.deadlineMs });
  if (!signal?.ok) return [];
  const { action, confidence } = signal.signal;
  return [{ adviser: 'router', action, confidence }];
}
