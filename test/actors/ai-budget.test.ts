import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import {
  aiBudget,
  BudgetUnavailable,
  type Admission,
  type AiBudgetMessage,
  type BudgetedCall,
} from '../../actors/ai-budget.ts';
import type { BudgetAlert, BudgetTerms } from '../../actors/ai/budget.ts';
import { MemoryBudgetStore, type BudgetBatch, type BudgetStore } from '../../actors/ai/budget-store.ts';
import type { AttemptRecord } from '../../actors/ai/routing.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { PostgresBudgetStore } from '../../transports/drivers/postgres-ai-budget.ts';
import { usePostgres } from '../support/postgres.ts';
import { seededRandom } from '../support/seeded-order.ts';
import { watch, type Watched } from '../support/tally.ts';
import { gate, startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

const usd = 10n ** 12n;
const terms: readonly BudgetTerms[] = [{ scope: 'tenant', period: 'total', picoUsd: 10n * usd }];

/** A store that can be held, and fails when it is told to. */
class ScriptedStore implements BudgetStore {
  readonly inner = new MemoryBudgetStore();
  readonly batches: BudgetBatch[] = [];
  hold: Promise<void> | undefined;
  isAway = false;

  async open(nowMicros: number) {
    if (this.isAway) throw new Error('no connection');
    return this.inner.open(nowMicros);
  }

  async write(batch: BudgetBatch): Promise<void> {
    await this.hold;
    if (this.isAway) throw new Error('no connection');
    this.batches.push(batch);
    await this.inner.write(batch);
  }
}

async function start<Store extends BudgetStore>(store: Store) {
  const alerts: BudgetAlert[] = [];
  const behavior = aiBudget({
    ...{ terms, store, priceVersion: 'v1', retryMs: 500 },
    onAlert: (alert) => void alerts.push(alert),
  });
  const test: TestSystem = await startTestSystem([worker('budget', behavior)]);
  const ref: ActorRef<AiBudgetMessage> = test.ref('/budget');
  await test.settle();
  return {
    ...{ test, ref, alerts, store },
    reserve(id: string, change: Partial<BudgetedCall> = {}): Watched<Admission> {
      const call = {
        id,
        subjectId: 'joe',
        purpose: 'chat',
        provider: 'p',
        model: 'm',
        tokens: 10,
        picoUsd: usd,
        ...change,
      };
      return watch(ref.ask({ type: 'reserve', call }, { timeoutMs: 60_000 }));
    },
    settle: (id: string, change: Partial<AttemptRecord> = {}) =>
      void ref.tell({ type: 'settle', id, record: { ...record, ...change } }),
  };
}

const usage = {
  ...{ inputTokens: 3, cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
  ...{ outputTokens: 2, reasoningTokens: 0 },
};
const record: AttemptRecord = {
  ...{ provider: 'p', key: 'k', model: 'm', outcome: 'answered', usage, costPicoUsd: usd / 2n, latencyMs: 5 },
};

const admitted: Admission = { refusal: undefined };

test('a call may go out once its reservation is durable; those of one turn are one write, and one write is under way', async () => {
  const rig = await start(new ScriptedStore());
  const held = gate();
  rig.store.hold = held.promise;
  const [first, second] = [rig.reserve('a'), rig.reserve('b')];
  await rig.test.settle();
  const third = rig.reserve('c');
  await rig.test.settle();
  expect([first, second, third].map(({ value }) => value)).toEqual([undefined, undefined, undefined]);
  held.resolve();
  await rig.test.settle();
  expect([first, second, third].map(({ value }) => value)).toEqual([admitted, admitted, admitted]);
  expect(rig.store.batches.map(({ reservations }) => reservations.map(({ id }) => id))).toEqual([['a', 'b'], ['c']]);
});

test('one that does not fit is told at once, in figures', async () => {
  const rig = await start(new ScriptedStore());
  const asked = rig.reserve('a', { picoUsd: 11n * usd });
  await rig.test.settle();
  expect(asked.value).toMatchObject({ refusal: { unit: 'USD', limit: '10', asked: '11' } });
  expect(rig.store.batches).toEqual([]);
});

test('a settled call is booked with what it cost, and what is left is free again', async () => {
  const rig = await start(new ScriptedStore());
  rig.reserve('a', { picoUsd: 10n * usd });
  await rig.test.settle();
  rig.settle('a');
  const next = rig.reserve('b', { picoUsd: 9n * usd });
  await rig.test.settle();
  expect(next.value).toEqual(admitted);
  expect(rig.store.inner.calls.get('a')).toMatchObject({
    outcome: 'answered',
    purpose: 'chat',
    costPicoUsd: usd / 2n,
    chargedTokens: 5,
  });
});

test.each<[string, Partial<AttemptRecord>, bigint]>([
  ['without a price costs what was set aside', { costPicoUsd: undefined }, usd],
  ['of which nothing was counted costs nothing', { usage: undefined, costPicoUsd: 0n, outcome: 'timeout' }, 0n],
])('a call %s', async (_, change, charged) => {
  const rig = await start(new ScriptedStore());
  rig.reserve('a');
  await rig.test.settle();
  rig.settle('a', change);
  await rig.test.settle();
  expect(rig.store.inner.calls.get('a')).toMatchObject({
    chargedPicoUsd: charged,
    outcome: change.outcome ?? 'answered',
  });
});

test('somebody hears of what is nearly used up', async () => {
  const rig = await start(new ScriptedStore());
  rig.reserve('a', { picoUsd: 10n * usd });
  await rig.test.settle();
  rig.settle('a', { costPicoUsd: 8n * usd });
  await rig.test.settle();
  expect(rig.alerts).toMatchObject([{ percent: 80, used: '8', limit: '10' }]);
});

describe('while the database is away', () => {
  test('nothing goes out, and nothing is set aside for what did not', async () => {
    const rig = await start(new ScriptedStore());
    rig.store.isAway = true;
    const asked = rig.reserve('a', { picoUsd: 10n * usd });
    await rig.test.settle();
    expect(asked.error).toBeInstanceOf(BudgetUnavailable);
    rig.store.isAway = false;
    await rig.test.advance(500);
    const again = rig.reserve('b', { picoUsd: 10n * usd });
    await rig.test.settle();
    expect(again.value).toEqual(admitted);
    expect(rig.store.inner.reservations.size).toBe(1);
  });

  test('what was settled is written when it is back', async () => {
    const rig = await start(new ScriptedStore());
    rig.reserve('a');
    await rig.test.settle();
    rig.store.isAway = true;
    rig.settle('a');
    await rig.test.settle();
    rig.store.isAway = false;
    await rig.test.advance(500);
    expect(rig.store.inner.calls.get('a')).toMatchObject({ outcome: 'answered' });
  });

  test('a start waits for it', async () => {
    const store = new ScriptedStore();
    store.isAway = true;
    const rig = await start(store);
    const asked = rig.reserve('a');
    await rig.test.settle();
    expect(asked.error).toBeDefined();
    store.isAway = false;
    await rig.test.advance(500);
    const again = rig.reserve('b');
    await rig.test.settle();
    expect(again.value).toEqual(admitted);
  });
});

/** Calls at once, each worth the hundredth part of ten, crashes in between: what was ever let out never cost more than there is. */
async function campaign(seed: number, store: BudgetStore, calls: number): Promise<{ out: number; spent: bigint }> {
  const random = seededRandom(seed);
  const rig = await start(store);
  const open: string[] = [];
  let [out, asked] = [0, 0];
  let pending: { id: string; watched: Watched<Admission> }[] = [];
  const take = (): void => {
    for (const { id, watched } of pending) {
      if (!watched.value || watched.value.refusal) continue;
      out += 1;
      open.push(id);
    }
    pending = pending.filter(({ watched }) => watched.value === undefined && watched.error === undefined);
  };
  /** A database has to be waited for. */
  const quiet = async (): Promise<void> => {
    do {
      await turn();
      await rig.test.settle();
    } while ((rig.test.system.inspectActor('/budget')!.state as { isWriting: boolean }).isWriting);
  };
  while (asked < calls) {
    const burst = Math.min(calls - asked, 1 + Math.floor(random() * 50));
    for (let n = 0; n < burst; n++, asked++)
      pending.push({ id: `${seed}-${asked}`, watched: rig.reserve(`${seed}-${asked}`) });
    if (random() < 0.5) await quiet();
    take();
    while (open.length > 0 && random() < 0.6) {
      const id = open.splice(Math.floor(random() * open.length), 1)[0]!;
      rig.settle(id, { costPicoUsd: (usd * BigInt(Math.floor(random() * 101))) / 100n });
    }
    // Killed with calls in hand, and started again on what is durable.
    if (random() < 0.2) {
      rig.ref.tell(undefined as never);
      await rig.test.settle();
      await rig.test.advance(3_000);
      open.length = 0;
    }
  }
  await quiet();
  take();
  for (const id of open) rig.settle(id);
  await quiet();
  const spent = await store.open(0);
  return { out, spent: spent.reduce((all, { picoUsd }) => all + picoUsd, 0n) };
}

const schedules = Math.max(10, Math.round(1_000 * Number(process.env['TEST_SCALE'] ?? 1)));
test(`500 calls at a budget worth ten, ${schedules} schedules with crashes: never overspent, nothing left reserved`, async () => {
  for (let seed = 1; seed <= schedules; seed++) {
    const store = new MemoryBudgetStore();
    const { spent } = await campaign(seed, store, 500);
    expect(spent).toBeLessThanOrEqual(10n * usd);
    expect(spent).toBeGreaterThan(0n);
    expect(store.reservations.size).toBe(0);
  }
}, 600_000);

describe('on PostgreSQL', () => {
  const postgres = usePostgres();
  test('the same holds', async () => {
    const database = await postgres.platformDatabase();
    for (let seed = 1; seed <= Math.max(3, schedules / 50); seed++) {
      const { spent } = await campaign(seed, new PostgresBudgetStore(() => database, seed), 200);
      expect(spent).toBeLessThanOrEqual(10n * usd);
      const { rows } = await database.query('select id from platform.ai_reservation where tenant_id = $1', [seed]);
      expect(rows).toEqual([]);
    }
  }, 600_000);
});
