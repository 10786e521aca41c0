import { expect, test } from 'vitest';
import { entitiesOf } from '../../../bench/journal/growth.ts';
import { examplePayload } from '../../../bench/journal/payload.ts';
import { planOf } from '../../../bench/journal/plan.ts';

test('the full suite has three rounds with 200 producers and a thousand tenants', () => {
  const plan = planOf(1, 50, 0);
  expect(plan).toMatchObject({ logFiles: 64, rounds: 3, producers: 200, provisioned: 20, roundsDeadlineMs: 34_000 });
  expect(plan.growth).toEqual([1, 100, 1_000].map((name) => ({ name, tenants: name })));
});

test.each([
  ['a hundredth of the size', 0.01, 50],
  ['little time', 1, 20],
])('with %s there is one round', (_, scale, seconds) => {
  expect(planOf(scale, seconds, 0).rounds).toBe(1);
});

test('in small the populations still grow and nothing is left out', () => {
  const { growth, ...plan } = planOf(0.01, 50, 0);
  expect(growth.map(({ tenants }) => tenants)).toEqual([1, 10, 10]);
  for (const part of [
    plan.logFiles,
    plan.fenceBatches,
    plan.replayRows,
    plan.provisioned,
    plan.pgbenchSeconds,
    plan.windowMs,
  ])
    expect(part).toBeGreaterThanOrEqual(1);
});

test.each([1, 10, 100, 200, 1_000])(
  'of %d tenants each is appended for, and no two producers share an account',
  (tenants) => {
    const all = Array.from({ length: 200 }, (_, producer) => entitiesOf(producer, 200, tenants));
    const flat = all.flat();
    expect(all.every((one) => one.length > 0)).toBe(true);
    expect(new Set(flat.map(({ tenant }) => tenant)).size).toBe(tenants);
    expect(new Set(flat.map(({ tenant, account }) => `${tenant}/${account}`)).size).toBe(flat.length);
  },
);

test('a row holds 310 bytes of JSON', () => {
  expect(Buffer.byteLength(examplePayload)).toBe(310);
  expect(JSON.parse(examplePayload)).toMatchObject({ v: 1 });
});
