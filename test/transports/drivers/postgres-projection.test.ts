/** The read models against the journal: whatever happened, and however it was cut into batches. */
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { AccountCommand } from '../../../actors/trading/commands.ts';
import { formatScaled, QUANTITY_SCALE } from '../../../actors/trading/money.ts';
import { applyCommits } from '../../../transports/drivers/postgres-projection.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { limitOrder, order, report, s } from '../../actors/trading/fixtures.ts';
import { usePostgres } from '../../support/postgres.ts';
import { RecordedAccount } from '../../support/projection.ts';

const postgres = usePostgres();
let database: Database;
let tenantId: number;
let accounts = 0;
beforeAll(async () => {
  database = await postgres.platformDatabase();
  ({ tenantId } = await provisionTenant(database, { slug: 'demo', name: 'Demo' }));
});

/** Orders are named by how many came before them; some that never came are named too. */
const step = fc.oneof(
  fc.record({
    type: fc.constantFrom('market' as const, 'limit' as const),
    side: fc.constantFrom('buy' as const, 'sell' as const),
    // In hundredths of a lot; an order of none is denied.
    size: fc.nat(9),
  }),
  fc.record({
    type: fc.constantFrom('fill', 'cancel', 'accepted', 'rejected', 'canceled', 'expired'),
    order: fc.nat(7),
    size: fc.integer({ min: 1, max: 9 }),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function recorded(steps: readonly Step[]): RecordedAccount {
  const account = new RecordedAccount(tenantId, ++accounts);
  account.give(
    { type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false },
    { type: 'deposit', reference: 'seed', amount: s('100000') },
  );
  const orderIds: string[] = [];
  for (const [index, given] of steps.entries()) {
    if ('side' in given) orderIds.push(`o-${account.accountId}-${account.ledger.nextSeq}`);
    account.give(commandOf(given, index, orderIds));
  }
  return account;
}

function commandOf(given: Step, index: number, orderIds: readonly string[]): AccountCommand {
  const quantity = s('0.01') * BigInt(given.size);
  if ('side' in given) {
    const terms = { clientOrderId: `c-${index}`, side: given.side, quantity };
    return given.type === 'limit' ? limitOrder('1.07000', terms) : order(terms);
  }
  const orderId = orderIds[given.order] ?? 'o-999-9';
  switch (given.type) {
    case 'fill':
      return report({ type: 'filled', orderId, executionId: `x-${index}`, quantity, price: s('1.08') });
    case 'cancel':
      return { type: 'cancel-order', orderId, requestId: `r-${index}` };
    case 'rejected':
      return report({ type: 'rejected', orderId, reason: 'no' });
    case 'canceled':
      return report({ type: 'canceled', orderId, reason: 'requested' });
    case 'accepted':
    case 'expired':
      return report({ type: given.type, orderId });
  }
}

const tables = ['"order"', 'fill', 'ledger', 'position', 'command', 'checkpoint'];

async function rowsOf({ accountId }: RecordedAccount): Promise<readonly (readonly object[])[]> {
  const read = tables.map(async (table) => {
    const text = `select * from t_${tenantId}.${table} where account_id = $1 order by 1, 2, 3`;
    return (await database.query(text, [accountId])).rows;
  });
  return Promise.all(read);
}

test('however commits are cut into batches and repeated, the rows are those of a rebuild and say what the account says', async () => {
  const cuts = fc.array(fc.record({ size: fc.integer({ min: 1, max: 12 }), repeated: fc.nat(3) }), { minLength: 1 });
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), cuts, async (steps, batches) => {
    const account = recorded(steps);
    const { commits, ledger, accountId } = account;
    for (let from = 0, turn = 0; from < commits.length; turn++) {
      const { size, repeated } = batches[turn % batches.length]!;
      await applyCommits(database, commits.slice(Math.max(0, from - repeated), from + size));
      from += size;
    }
    const incremental = await rowsOf(account);
    for (const table of tables) {
      await database.query(`delete from t_${tenantId}.${table} where account_id = $1`, [accountId]);
    }
    await applyCommits(database, commits);
    expect(incremental).toEqual(await rowsOf(account));

    const [orders, , entries, positions, , checkpoints] = incremental as Record<string, unknown>[][];
    expect(checkpoints).toMatchObject([{ seq: commits.length, working_orders: ledger.account.orders.size }]);
    const working = orders!.filter(({ order_id }) => ledger.account.orders.get(order_id as string));
    expect(working).toHaveLength(ledger.account.orders.size);
    for (const { order_id, state, filled_quantity } of working) {
      const { state: wanted, filledQuantity } = ledger.account.orders.get(order_id as string)!;
      expect([state, Number(filled_quantity)]).toEqual([wanted, Number(formatScaled(filledQuantity, QUANTITY_SCALE))]);
    }
    expect(positions!.filter(({ state }) => state === 'open')).toHaveLength(ledger.account.positions.size);
    expect(Number(entries!.at(-1)!['balance'])).toBe(Number(formatScaled(ledger.account.balance, 8)));
  });
  await fc.assert(property, { numRuns: 40 });
}, 60_000);
