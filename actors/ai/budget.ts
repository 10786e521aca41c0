/**
 * What a tenant, its users and its models may spend on AI. A call is paid for in advance with the most that it can cost, and settled at
 * what it did cost: so calls that run at once cannot spend the same money. One actor holds it, so it changes in place.
 */
import { usdText } from './cost.ts';

export interface BudgetTerms {
  /** `user`, `model`: each of them has one of its own, or the one that `name` names. */
  readonly scope: 'tenant' | 'user' | 'model';
  readonly name?: string;
  /** `day`: of UTC. `total`: for ever. */
  readonly period: 'day' | 'total';
  /** One of the two, or both. In 10^-12 US dollars. */
  readonly picoUsd?: bigint;
  readonly tokens?: number;
}

export interface Amount {
  readonly tokens: number;
  readonly picoUsd: bigint;
}

/** A call that wants to go out. */
export interface Reservation extends Amount {
  /** Unique for ever. */
  readonly id: string;
  readonly subjectId: string;
  readonly provider: string;
  readonly model: string;
  /** Whole days of UTC since 1970. */
  readonly day: number;
}

/** What has been spent, as it is read at a start. */
export interface Spent extends Amount {
  readonly subjectId: string;
  readonly model: string;
  readonly day: number;
}

export interface BudgetAlert {
  /** Such as `tenant:day` or `user:day:k-1`. */
  readonly budget: string;
  readonly percent: 80 | 100;
  readonly used: string;
  readonly limit: string;
}

/** Why a call may not go out, in figures. */
export type BudgetRefusal = Readonly<Record<'budget' | 'unit' | 'limit' | 'used' | 'reserved' | 'asked', string>>;

interface Counter {
  used: Amount;
  reserved: Amount;
  /** The highest share that was told of: 0, 80 or 100. */
  told: number;
}

const nothing: Amount = { tokens: 0, picoUsd: 0n };
const dayMicros = 86_400_000_000;

export function dayOf(timeMicros: number): number {
  return Math.floor(timeMicros / dayMicros);
}

export class BudgetBook {
  readonly #terms: readonly BudgetTerms[];
  readonly #counters = new Map<string, Counter>();
  readonly #open = new Map<string, Reservation>();

  constructor(terms: readonly BudgetTerms[], spent: Iterable<Spent> = []) {
    this.#terms = terms;
    for (const one of spent) for (const [, counter] of this.#of(one)) counter.used = sum(counter.used, one);
  }

  /** Calls that are paid for and not settled. */
  get openCount(): number {
    return this.#open.size;
  }

  /** @returns undefined: it is admitted and its amount set aside; the same again changes nothing */
  reserve(call: Reservation): BudgetRefusal | undefined {
    if (this.#open.has(call.id)) return undefined;
    const counters = this.#of(call);
    for (const [terms, counter, key] of counters) {
      const refusal = refusalOf(terms, counter, call, key);
      if (refusal) return refusal;
    }
    for (const [, counter] of counters) counter.reserved = sum(counter.reserved, call);
    this.#open.set(call.id, call);
    return undefined;
  }

  /**
   * Books what a call did cost, in full, also above what was set aside; the rest is free again.
   * @returns what somebody should hear of; nothing for a call that is not open
   */
  settle(id: string, actual: Amount): readonly BudgetAlert[] {
    const call = this.#open.get(id);
    if (!call) return [];
    this.#open.delete(id);
    return this.#of(call).flatMap(([terms, counter, key]) => {
      counter.reserved = {
        tokens: counter.reserved.tokens - call.tokens,
        picoUsd: counter.reserved.picoUsd - call.picoUsd,
      };
      counter.used = sum(counter.used, actual);
      return alertsOf(terms, counter, key);
    });
  }

  /** For whoever looks: every budget that somebody has used, with what is left of it. */
  view(): readonly object[] {
    return [...this.#counters].map(([budget, { used, reserved }]) => ({
      ...{ budget, usedUsd: usdText(used.picoUsd), reservedUsd: usdText(reserved.picoUsd) },
      ...{ usedTokens: used.tokens, reservedTokens: reserved.tokens },
    }));
  }

  /** Of days that are over nobody asks any more. */
  forgetBefore(day: number): void {
    for (const key of this.#counters.keys()) {
      const dated = /^\w+:day:(\d+):/.exec(key);
      if (dated && Number(dated[1]) < day && this.#isIdle(key)) this.#counters.delete(key);
    }
  }

  #isIdle(key: string): boolean {
    const { reserved } = this.#counters.get(key)!;
    return reserved.tokens === 0 && reserved.picoUsd === 0n;
  }

  #of(call: Pick<Reservation, 'subjectId' | 'model' | 'day'>): (readonly [BudgetTerms, Counter, string])[] {
    return this.#terms.flatMap((terms) => {
      const name = { tenant: '', user: call.subjectId, model: call.model }[terms.scope];
      if (terms.name !== undefined && terms.name !== name) return [];
      const key = `${terms.scope}:${terms.period}:${terms.period === 'day' ? call.day : ''}:${name}`;
      let counter = this.#counters.get(key);
      if (!counter) this.#counters.set(key, (counter = { used: nothing, reserved: nothing, told: 0 }));
      return [[terms, counter, key] as const];
    });
  }
}

function refusalOf(
  terms: BudgetTerms,
  { used, reserved }: Counter,
  asked: Amount,
  budget: string,
): BudgetRefusal | undefined {
  const { picoUsd, tokens } = terms;
  if (picoUsd !== undefined && used.picoUsd + reserved.picoUsd + asked.picoUsd > picoUsd) {
    const figures = { limit: picoUsd, used: used.picoUsd, reserved: reserved.picoUsd, asked: asked.picoUsd };
    return { budget, unit: 'USD', ...mapped(figures, usdText) };
  }
  if (tokens !== undefined && used.tokens + reserved.tokens + asked.tokens > tokens) {
    const figures = { limit: tokens, used: used.tokens, reserved: reserved.tokens, asked: asked.tokens };
    return { budget, unit: 'tokens', ...mapped(figures, String) };
  }
  return undefined;
}

/** The share that is used most of counts; each threshold is told of once. */
function alertsOf({ picoUsd, tokens }: BudgetTerms, counter: Counter, budget: string): readonly BudgetAlert[] {
  const { used, told } = counter;
  const percents = [
    ...(picoUsd === undefined ? [] : [picoUsd === 0n ? 100 : Number((used.picoUsd * 100n) / picoUsd)]),
    ...(tokens === undefined ? [] : [tokens === 0 ? 100 : Math.floor((used.tokens * 100) / tokens)]),
  ];
  const percent = Math.max(...percents, 0);
  const passed = ([80, 100] as const).filter((threshold) => percent >= threshold && told < threshold);
  counter.told = Math.max(told, ...passed);
  const figures =
    picoUsd === undefined
      ? { used: String(used.tokens), limit: String(tokens) }
      : { used: usdText(used.picoUsd), limit: usdText(picoUsd) };
  return passed.map((threshold) => ({ budget, percent: threshold, ...figures }));
}

function sum(a: Amount, b: Amount): Amount {
  return { tokens: a.tokens + b.tokens, picoUsd: a.picoUsd + b.picoUsd };
}

function mapped<Value>(
  figures: Readonly<Record<'limit' | 'used' | 'reserved' | 'asked', Value>>,
  text: (value: Value) => string,
): Record<'limit' | 'used' | 'reserved' | 'asked', string> {
  const { limit, used, reserved, asked } = figures;
  return { limit: text(limit), used: text(used), reserved: text(reserved), asked: text(asked) };
}
