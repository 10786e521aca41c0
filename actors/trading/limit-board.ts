/** The bounds of all scopes, and what of them is in force for an order: of each bound the tightest, with whoever has set it. */
import type { KillSwitch } from './account.ts';
import { covers, type Scoped, type SwitchSubject } from './kill-switch.ts';
import { isTighter, tightest, type RiskLimits } from './risk-limits.ts';

/** Bounds that somebody has set while the platform runs. Absent names: whatever they are. */
export interface LimitLayer {
  readonly scope: KillSwitch['scope'];
  readonly tenantId?: number;
  readonly accountId?: number;
  readonly strategyId?: string;
  readonly symbol?: string;
  /** All of what is bounded here: none lifts what was set before. */
  readonly limits: RiskLimits;
  readonly reason: string;
  readonly by: string;
  readonly setMicros: number;
  /** Grows with every layer that is set, so that of two for the same subject the later counts. */
  readonly version: number;
}

/** A bound in force, and whose it is: undefined where the configuration has it. */
export interface EffectiveLimit {
  readonly name: keyof RiskLimits;
  readonly value: bigint | number | true;
  readonly layer: LimitLayer | undefined;
}

/** Subjects whose bounds are kept worked out; beyond that all are worked out again. */
const keptSubjects = 50_000;

/** Of one node, in memory, as the database has it. A layer can only tighten: the configuration's bounds hold under all of them. */
export class LimitBoard {
  readonly #configured: RiskLimits;
  readonly #layers = new Map<string, LimitLayer>();
  readonly #worked = new Map<string, RiskLimits>();

  constructor(configured: RiskLimits) {
    this.#configured = configured;
  }

  /** Takes the place of what was set for the same subject before, unless that is the later one. */
  set(layer: LimitLayer): void {
    const key = keyOf(layer);
    if ((this.#layers.get(key)?.version ?? -1) >= layer.version) return;
    this.#layers.set(key, layer);
    this.#worked.clear();
  }

  /** Those with bounds. */
  get all(): readonly LimitLayer[] {
    return [...this.#layers.values()].filter(({ limits }) => Object.keys(limits).length > 0);
  }

  /** Asked for every order. */
  limits(subject: SwitchSubject): RiskLimits {
    if (this.#layers.size === 0) return this.#configured;
    const key = keyOf(subject);
    const known = this.#worked.get(key);
    if (known) return known;
    const limits = tightest([this.#configured, ...this.#of(subject).map((layer) => layer.limits)]);
    if (this.#worked.size >= keptSubjects) this.#worked.clear();
    this.#worked.set(key, limits);
    return limits;
  }

  /** The same with where each comes from. */
  effective(subject: SwitchSubject): readonly EffectiveLimit[] {
    const found = new Map<string, EffectiveLimit>();
    const sources = [
      { limits: this.#configured, layer: undefined },
      ...this.#of(subject).map((layer) => ({ limits: layer.limits, layer })),
    ];
    for (const { limits, layer } of sources) {
      for (const [name, value] of Object.entries(limits) as [keyof RiskLimits, EffectiveLimit['value']][]) {
        const known = found.get(name);
        if (!known || isTighter(name, value, known.value)) found.set(name, { name, value, layer });
      }
    }
    return [...found.values()];
  }

  #of(subject: SwitchSubject): readonly LimitLayer[] {
    return this.all.filter((layer) => covers(layer, subject));
  }
}

/** One for each subject; names hold no slash. */
function keyOf({ tenantId, accountId, strategyId, symbol }: Scoped): string {
  return `${tenantId ?? ''}/${accountId ?? ''}/${strategyId ?? ''}/${symbol ?? ''}`;
}
