import { describe, expect, test } from 'vitest';
import { MemoryBudgetStore } from '../../actors/ai/budget-store.ts';
import type { Database } from '../../transports/drivers/postgres.ts';
import { PostgresBudgetStore } from '../../transports/drivers/postgres-ai-budget.ts';
import { usePostgres } from '../support/postgres.ts';
import { booking, budgetStoreContract, reservation } from './ai-budget-store.ts';

describe('budgets in memory', () => {
  budgetStoreContract(async () => {
    const store = new MemoryBudgetStore();
    return { store, next: store, other: new MemoryBudgetStore() };
  });
});

describe('budgets in PostgreSQL', () => {
  const postgres = usePostgres();
  let shared: Promise<Database> | undefined;
  let tenants = 0;
  const stores = async () => {
    const database = await (shared ??= postgres.platformDatabase());
    const of = (tenantId: number) => new PostgresBudgetStore(() => database, tenantId);
    tenants += 2;
    return { store: of(tenants), next: of(tenants), other: of(tenants + 1), database, tenantId: tenants };
  };
  budgetStoreContract(stores);

  test('each attempt is a row of the ledger', async () => {
    const { store, next, database, tenantId } = await stores();
    await store.write({ reservations: [reservation('b')], calls: [booking('a', { costPicoUsd: 52_200_000n })] });
    await next.open(1_795_000_000_000_000);
    const { rows } = await database.query(
      `select id, outcome, purpose, input_tokens + cached_tokens + cache_write_tokens + cache_1h_tokens + output_tokens
        + reasoning_tokens as tokens, cost_usd::text, price_version, latency_ms, at::text
       from platform.ai_call where tenant_id = $1 order by id`,
      [tenantId],
    );
    expect(rows).toMatchObject([
      {
        id: 'a',
        outcome: 'answered',
        purpose: 'chat',
        tokens: 21,
        cost_usd: '0.000052200000000000',
        price_version: 'v1',
        latency_ms: 12.5,
      },
      { id: 'b', outcome: 'lost', tokens: null, cost_usd: null },
    ]);
  });

  test('nothing is half written', async () => {
    const { store, next } = await stores();
    const broken = booking('b', { chargedTokens: Number.NaN });
    await expect(store.write({ reservations: [reservation('a')], calls: [broken] })).rejects.toThrow();
    expect(await next.open(0)).toEqual([]);
  });
});
