/** Budgets of AI as the database keeps them. */
import type { Reservation, Spent } from '../../actors/ai/budget.ts';
import type { AiCall, BudgetBatch, BudgetStore } from '../../actors/ai/budget-store.ts';
import { momentOf, type Database, type Queryable } from './postgres.ts';

export class PostgresBudgetStore implements BudgetStore {
  readonly #database: () => Database;
  readonly #tenantId: number;

  /** @param database may throw while it is not open */
  constructor(database: () => Database, tenantId: number) {
    this.#database = database;
    this.#tenantId = tenantId;
  }

  open(nowMicros: number): Promise<readonly Spent[]> {
    return this.#database().transaction(async (transaction) => {
      await transaction.query(bookLost, [this.#tenantId, nowMicros]);
      const { rows } = await transaction.query<{
        subjectId: string;
        model: string;
        day: number;
        tokens: number;
        pico: string;
      }>(
        `select subject_id as "subjectId", model, day, tokens, (usd * 1000000000000)::numeric(38, 0)::text as pico
         from platform.ai_spend where tenant_id = $1`,
        [this.#tenantId],
      );
      return rows.map(({ subjectId, model, day, tokens, pico }) => ({
        ...{ subjectId, model, day, tokens, picoUsd: BigInt(pico) },
      }));
    });
  }

  async write({ reservations, calls }: BudgetBatch): Promise<void> {
    await this.#database().transaction(async (transaction) => {
      if (reservations.length > 0) await insertReservations(transaction, this.#tenantId, reservations);
      if (calls.length > 0) await insertCalls(transaction, this.#tenantId, calls);
    });
  }
}

/** What was set aside is spent. */
const bookLost = `
with lost as (delete from platform.ai_reservation where tenant_id = $1 returning *),
booked as (
  insert into platform.ai_call (tenant_id, id, at, subject_id, purpose, provider, model, outcome, price_version, latency_ms)
  select tenant_id, id, ${momentOf('$2')}, subject_id, '', provider, model, 'lost', '', 0 from lost
)
insert into platform.ai_spend as kept (tenant_id, subject_id, model, day, tokens, usd)
select tenant_id, subject_id, model, day, sum(tokens), sum(usd) from lost group by 1, 2, 3, 4
on conflict (tenant_id, subject_id, model, day) do update set tokens = kept.tokens + excluded.tokens, usd = kept.usd + excluded.usd`;

async function insertReservations(database: Queryable, tenantId: number, rows: readonly Reservation[]): Promise<void> {
  await database.query(
    `insert into platform.ai_reservation (tenant_id, id, subject_id, provider, model, day, tokens, usd)
     select $1, given.id, given.subject_id, given.provider, given.model, given.day, given.tokens, given.pico * 0.000000000001
     from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::numeric[])
       as given (id, subject_id, provider, model, day, tokens, pico)
     on conflict do nothing`,
    [
      tenantId,
      rows.map(({ id }) => id),
      rows.map(({ subjectId }) => subjectId),
      rows.map(({ provider }) => provider),
      rows.map(({ model }) => model),
      rows.map(({ day }) => day),
      rows.map(({ tokens }) => tokens),
      rows.map(({ picoUsd }) => String(picoUsd)),
    ],
  );
}

// A call that is there already was charged before.
const bookCalls = `
with given as (
  select * from unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
    $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::numeric[], $16::text[], $17::float8[], $18::int[], $19::bigint[],
    $20::numeric[])
    as call (id, micros, subject_id, purpose, provider, model, outcome, input, cached, written, written_1h, output, reasoning, pico,
      price_version, latency_ms, day, charged_tokens, charged_pico)
),
ended as (delete from platform.ai_reservation as open using given where open.tenant_id = $1 and open.id = given.id),
booked as (
  insert into platform.ai_call (tenant_id, id, at, subject_id, purpose, provider, model, outcome, input_tokens, cached_tokens,
    cache_write_tokens, cache_1h_tokens, output_tokens, reasoning_tokens, cost_usd, price_version, latency_ms)
  select $1, id, ${momentOf('micros')}, subject_id, purpose, provider, model, outcome, input, cached, written, written_1h, output,
    reasoning, pico * 0.000000000001, price_version, latency_ms
  from given
  on conflict do nothing
  returning id
)
insert into platform.ai_spend as kept (tenant_id, subject_id, model, day, tokens, usd)
select $1::int, subject_id, model, day, sum(charged_tokens), sum(charged_pico) * 0.000000000001
from given join booked using (id) group by 1, 2, 3, 4
on conflict (tenant_id, subject_id, model, day) do update set tokens = kept.tokens + excluded.tokens, usd = kept.usd + excluded.usd`;

async function insertCalls(database: Queryable, tenantId: number, calls: readonly AiCall[]): Promise<void> {
  const column = (value: (call: AiCall) => unknown) => calls.map(value);
  const count = (name: keyof NonNullable<AiCall['usage']>) => column(({ usage }) => usage?.[name] ?? null);
  await database.query(bookCalls, [
    tenantId,
    column(({ id }) => id),
    column(({ timeMicros }) => timeMicros),
    column(({ subjectId }) => subjectId),
    column(({ purpose }) => purpose),
    column(({ provider }) => provider),
    column(({ model }) => model),
    column(({ outcome }) => outcome),
    ...[count('inputTokens'), count('cachedInputTokens'), count('cacheWriteTokens'), count('cacheWrite1hTokens')],
    ...[count('outputTokens'), count('reasoningTokens')],
    column(({ costPicoUsd }) => (costPicoUsd === undefined ? null : String(costPicoUsd))),
    column(({ priceVersion }) => priceVersion),
    column(({ latencyMs }) => latencyMs),
    column(({ day }) => day),
    column(({ chargedTokens }) => chargedTokens),
    column(({ chargedPicoUsd }) => String(chargedPicoUsd)),
  ]);
}

/** What a tenant has spent, the latest day first. */
export interface DaySpend {
  /** Such as `2026-11-26`. */
  readonly day: string;
  readonly provider: string;
  readonly model: string;
  readonly subjectId: string;
  /** Attempts, failed ones included. */
  readonly calls: number;
  readonly tokens: number;
  /** Decimal text; null where one of the calls has no price. */
  readonly usd: string | null;
}

/** @param days back from the latest, one or more @throws DatabaseUnavailable */
export async function spendByDay(database: Queryable, tenantId: number, days: number): Promise<readonly DaySpend[]> {
  const { rows } = await database.query<DaySpend>(
    `select to_char(at at time zone 'UTC', 'YYYY-MM-DD') as day, provider, model, subject_id as "subjectId", count(*)::int as calls,
       coalesce(sum(input_tokens + cached_tokens + cache_write_tokens + cache_1h_tokens + output_tokens + reasoning_tokens), 0)::bigint
         as tokens,
       case when bool_or(cost_usd is null) then null else trim_scale(sum(cost_usd))::text end as usd
     from platform.ai_call where tenant_id = $1 and at >= now() - make_interval(days => $2)
     group by 1, 2, 3, 4 order by 1 desc, 2, 3, 4`,
    [tenantId, days],
  );
  return rows;
}
