import { expect, test } from 'vitest';
import { Expectation } from '../../../bench/journal/expectation.ts';
import type { Queryable } from '../../../transports/drivers/postgres.ts';

interface Found {
  tenantId: number;
  entityId: number;
  count: number;
  first: number;
  last: number;
}

const whole: Found[] = [
  { tenantId: 1, entityId: 1, count: 3, first: 1, last: 3 },
  { tenantId: 9, entityId: 1, count: 4, first: 11, last: 19 },
  { tenantId: 9, entityId: 2, count: 2, first: 12, last: 14 },
];

function verify(found: readonly Found[]): Promise<void> {
  const expectation = new Expectation();
  expectation.add({ tenantId: 1, entityId: 1 }, 2);
  expectation.add({ tenantId: 1, entityId: 1 }, 3);
  expectation.add({ tenantId: 1, entityId: 2 }, 0);
  expectation.addRows(9, 5);
  expectation.addRows(9, 1);
  const table = { query: async () => ({ rows: found, rowCount: found.length, command: 'SELECT' }) };
  return expectation.verify(table as unknown as Queryable);
}

test('a table with every acknowledged row and no other is what was expected', async () => {
  await expect(verify(whole)).resolves.toBeUndefined();
});

const changed = (index: number, change: Partial<Found>): Found[] =>
  whole.map((row, at) => (at === index ? { ...row, ...change } : row));

test.each([
  ['lacks the last row', changed(0, { count: 2, last: 2 }), '1/1 has 2 rows, 1 to 2, of 3'],
  ['has a hole', changed(0, { count: 2 }), '1/1 has 2 rows'],
  ['has a row too many', changed(0, { count: 4, last: 4 }), '1/1 has 4 rows'],
  ['lacks an entity', whole.slice(1), '1/1 has none of 3 rows'],
  ['has an entity that nobody wrote', [...whole, { ...whole[0]!, entityId: 7 }], '1/7 has 3 rows'],
  ['lacks a row of the peer', changed(2, { count: 1 }), 'tenant 9 lacks 1 rows'],
])('a table that %s is not', async (_, found, message) => {
  await expect(verify(found)).rejects.toThrow(message);
});
