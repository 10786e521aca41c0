/** What every tenant may spend on AI. Amounts as decimal text in US dollars; a day is one of UTC. */

export interface AiBudgetConfig {
  /** `user`, `model`: each of them has one of its own, or the one that `name` names. */
  readonly scope: 'tenant' | 'user' | 'model';
  readonly name?: string;
  readonly period: 'day' | 'total';
  readonly usd?: string;
  /** Read and answered together. */
  readonly tokens?: number;
}

export const aiBudgets: readonly AiBudgetConfig[] = [
  { scope: 'tenant', period: 'day', usd: '50' },
  { scope: 'user', period: 'day', usd: '20', tokens: 20_000_000 },
];
