import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { orderView } from '../../../actors/trading/view.ts';
import { silentLog } from '../../../runtime/actor.ts';
import { InvalidCursor } from '../../../transports/drivers/page.ts';
import { PostgresJournal } from '../../../transports/drivers/postgres-journal.ts';
import { claimAllSlots, type Ownership } from '../../../transports/drivers/postgres-ownership.ts';
import { accountsToStart, applyCommits, checkpoints } from '../../../transports/drivers/postgres-projection.ts';
import {
  findCommand,
  getOrder,
  getSignal,
  listFills,
  listLedger,
  listOrders,
  saveSignal,
} from '../../../transports/drivers/postgres-read-models.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { provisionTenant } from '../../../transports/drivers/provisioning.ts';
import { filled, instrument, limitOrder, order, report, s } from '../../actors/trading/fixtures.ts';
import { usePostgres } from '../../support/postgres.ts';
import { RecordedAccount } from '../../support/projection.ts';

const postgres = usePostgres();
let database: Database;
let tenantId: number;
let ownership: Ownership;
let accounts = 0;
let account: RecordedAccount;
let ids: { tenantId: number; accountId: number };

beforeAll(async () => {
  database = await postgres.platformDatabase();
  ({ tenantId } = await provisionTenant(database, { slug: 'demo', name: 'Demo' }));
  ownership = await claimAllSlots(database, { nodeId: 'test', version: '0' });
});
beforeEach(() => {
  account = openedAccount();
  ids = { tenantId, accountId: account.accountId };
});

function openedAccount(): RecordedAccount {
  const opened = new RecordedAccount(tenantId, ++accounts);
  opened.give(
    { type: 'open-account', currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false },
    { type: 'deposit', reference: 'seed', amount: s('100000') },
  );
  return opened;
}

/** Order 3 is filled in two parts, 6 canceled, 9 denied, 10 rejected, 12 works, 13 closes half of the position with a profit. */
function trade({ give, accountId }: Pick<RecordedAccount, 'accountId'> & { give: RecordedAccount['give'] }): void {
  const id = (seq: number): string => `o-${accountId}-${seq}`;
  give(
    order({ clientOrderId: 'a', quantity: s('0.20') }),
    filled(id(3), '0.05', '1.08010', 'x1'),
    filled(id(3), '0.15', '1.08013', 'x2'),
    limitOrder('1.07000', { clientOrderId: 'b' }),
    report({ type: 'accepted', orderId: id(6) }),
    report({ type: 'canceled', orderId: id(6), reason: 'requested' }),
    order({ clientOrderId: 'c', quantity: s('0.001') }),
    order({ clientOrderId: 'd' }),
    report({ type: 'rejected', orderId: id(10), reason: 'no \0 liquidity \uD800' }),
    limitOrder('1.06000', { clientOrderId: 'e' }),
    order({ clientOrderId: 'f', side: 'sell' }),
    filled(id(13), '0.10', '1.09000', 'x3'),
  );
}

async function append(...recorded: readonly RecordedAccount[]): Promise<void> {
  const journal = new PostgresJournal(database, silentLog);
  const entries = recorded.flatMap(({ entries }) => entries);
  expect(await journal.append(entries.map((entry) => ({ ...entry, epoch: ownership.epochOf(entry.slot) })))).toEqual(
    [],
  );
  await journal.close();
}

async function rowsOf({ accountId }: { accountId: number }): Promise<Record<string, readonly object[]>> {
  const tables = ['"order"', 'fill', 'ledger', 'position', 'command', 'checkpoint'];
  const read = tables.map(async (table) => {
    const { rows } = await database.query(
      `select * from t_${tenantId}.${table} where account_id = $1 order by 1, 2, 3`,
      [accountId],
    );
    return [table, rows.map((row) => ({ ...row, account_id: 0 }))] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

function inBatchesOf<T>(size: number, items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

describe('projecting', () => {
  beforeEach(() => trade({ accountId: account.accountId, give: (...commands) => account.give(...commands) }));

  test('orders end in the states that their account gave them', async () => {
    await applyCommits(database, account.commits);
    const { items } = await listOrders(database, { ...ids, limit: 50 });
    const id = (seq: number): string => `o-${ids.accountId}-${seq}`;
    expect(items).toMatchObject([
      { orderId: id(13), state: 'FILLED', filledQuantity: '0.1', averageFillPrice: '1.09' },
      { orderId: id(12), state: 'SUBMITTED', filledQuantity: '0', limitPrice: '1.06' },
      { orderId: id(10), state: 'REJECTED', reason: 'no \uFFFD liquidity \uFFFD' },
      { orderId: id(9), state: 'DENIED', denial: { code: 'QUANTITY_BELOW_MINIMUM' } },
      { orderId: id(6), state: 'CANCELED', reason: 'requested' },
      // (0.05 × 1.08010 + 0.15 × 1.08013) ÷ 0.20
      { orderId: id(3), state: 'FILLED', filledQuantity: '0.2', averageFillPrice: '1.0801225' },
    ]);
  });

  test.each([1, 2, 3, 5])('batches of %i commits give the same rows as one batch', async (size) => {
    await applyCommits(database, account.commits);
    const whole = await rowsOf(account);
    const again = openedAccount();
    trade({ accountId: again.accountId, give: (...commands) => again.give(...commands) });
    for (const batch of inBatchesOf(size, again.commits)) await applyCommits(database, batch);
    const text = (rows: unknown): string =>
      JSON.stringify(rows)
        .replaceAll(/([op])-\d+-/g, '$1-N-')
        .replaceAll(/"digest":\{[^}]*\}/g, '')
        .replaceAll(/:o-\d+-/g, ':o-N-');
    expect(text(await rowsOf(again))).toBe(text(whole));
  });

  test('what is applied again changes nothing', async () => {
    await applyCommits(database, account.commits.slice(0, 8));
    await applyCommits(database, account.commits);
    const rows = await rowsOf(account);
    await applyCommits(database, account.commits);
    await applyCommits(database, account.commits.slice(3, 9));
    expect(await rowsOf(account)).toEqual(rows);
    expect((await checkpoints(database, tenantId)).get(ids.accountId)).toBe(account.commits.length);
  });

  test('a commit that leaves one out is refused, and nothing of its batch is written', async () => {
    const other = openedAccount();
    const broken = [...other.commits, ...account.commits.slice(1)];
    await expect(applyCommits(database, broken)).rejects.toThrow(
      `seq 2 of account ${ids.accountId} must follow the projected 0`,
    );
    expect((await checkpoints(database, tenantId)).has(other.accountId)).toBe(false);
  });

  test('several accounts of several tenants go into one batch', async () => {
    const elsewhere = await provisionTenant(database, { slug: 'other', name: 'Other' });
    const foreign = new RecordedAccount(elsewhere.tenantId, 1);
    foreign.give({ type: 'open-account', currency: 'EUR', oms: 'netting', leverage: 30, aiMayOrder: true });
    const second = openedAccount();
    await applyCommits(database, [...account.commits, ...foreign.commits, ...second.commits]);
    expect(await checkpoints(database, elsewhere.tenantId)).toEqual(new Map([[1, 1]]));
    expect((await checkpoints(database, tenantId)).get(second.accountId)).toBe(2);
  });

  test('an empty batch is not even sent', async () => {
    const closed = postgres.another(database);
    await closed.close();
    await expect(applyCommits(closed, [])).resolves.toBeUndefined();
  });

  test.each([1, 10])(
    'accounts with working orders or open positions are those to start, in batches of %i',
    async (size) => {
      const resting = openedAccount();
      resting.give(limitOrder('1.07000'));
      const done = openedAccount();
      done.give(
        limitOrder('1.07000'),
        report({ type: 'canceled', orderId: `o-${done.accountId}-3`, reason: 'requested' }),
      );
      const holding = openedAccount();
      holding.give(order(), filled(`o-${holding.accountId}-3`, '0.10', '1.08010'));
      for (const { commits } of [resting, done, holding]) {
        for (const batch of inBatchesOf(size, commits)) await applyCommits(database, batch);
      }
      const found = await accountsToStart(database, tenantId);
      expect(found.filter((id) => id >= resting.accountId)).toEqual([resting.accountId, holding.accountId]);
    },
  );

  test('a report of an order that nobody knows leaves no order behind', async () => {
    account.give(filled('o-1-999', '0.10', '1.08010'));
    await applyCommits(database, account.commits);
    expect(await getOrder(database, { ...ids, orderId: 'o-1-999' })).toBeUndefined();
  });

  test('thousands of commits go in at once', async () => {
    const busy = openedAccount();
    for (let index = 0; index < 1_000; index++) {
      const id = `o-${busy.accountId}-${busy.ledger.nextSeq}`;
      busy.give(
        order({ clientOrderId: `n-${index}`, side: index % 2 ? 'sell' : 'buy' }),
        filled(id, '0.10', '1.08010', `n${index}`),
      );
    }
    await applyCommits(database, busy.commits);
    const { rows } = await database.query(
      `select state, count(*) as orders from t_${tenantId}."order" where account_id = $1 group by state`,
      [busy.accountId],
    );
    expect(rows).toEqual([{ state: 'FILLED', orders: 1_000 }]);
  });
});

describe('lists', () => {
  beforeEach(async () => {
    trade({ accountId: account.accountId, give: (...commands) => account.give(...commands) });
    await applyCommits(database, account.commits);
  });

  async function pages(
    list: (cursor?: string) => Promise<{ items: readonly object[]; nextCursor?: string }>,
  ): Promise<object[][]> {
    const all: object[][] = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await list(cursor);
      all.push([...page.items]);
      cursor = page.nextCursor;
    }
    return all;
  }

  test.each([
    ['orders', listOrders, 6],
    ['fills', listFills, 3],
    ['ledger', listLedger, 2],
  ] as const)('%s come page by page, newest first, each once', async (_, list, count) => {
    const whole = await list(database, { ...ids, limit: 100 });
    expect(whole.items).toHaveLength(count);
    expect(whole.nextCursor).toBeUndefined();
    const byPage = await pages((cursor) =>
      list(database, { ...ids, limit: 2, ...(cursor === undefined ? {} : { cursor }) }),
    );
    expect(byPage.map((page) => page.length)).toEqual(inBatchesOf(2, whole.items).map((page) => page.length));
    expect(byPage.flat()).toEqual(whole.items);
  });

  test('orders may be those of one state', async () => {
    const { items } = await listOrders(database, { ...ids, limit: 10, state: 'FILLED' });
    expect(items.map((item) => (item as { clientOrderId: string }).clientOrderId)).toEqual(['f', 'a']);
  });

  test('an order is shown as its account shows it, with the digits of its instrument', async () => {
    const { items } = await listOrders(database, { ...ids, limit: 10, state: 'SUBMITTED' }, instrument);
    const [working] = account.ledger.account.orders.values();
    const { updatedAt, ...shown } = items[0] as Record<string, unknown>;
    expect(shown).toEqual(orderView(working!, instrument('EURUSD')));
    expect(updatedAt).toBe(shown['submittedAt']);
  });

  test('fills and ledger tell what the events told', async () => {
    const fills = await listFills(database, { ...ids, limit: 1 }, instrument);
    expect(fills.items).toEqual([
      {
        ...{
          fillId: 'f-paper-x3',
          orderId: `o-${ids.accountId}-13`,
          symbol: 'EURUSD',
          side: 'sell',
          quantity: '0.10',
          price: '1.09000',
        },
        ...{ time: '2027-01-15T08:00:00.000000Z', brokerTime: '2027-01-15T07:59:59.999995Z' },
      },
    ]);
    const ledger = await listLedger(database, { ...ids, limit: 2 });
    expect(ledger.items).toMatchObject([
      { reason: 'profit', currency: 'USD', orderId: `o-${ids.accountId}-13`, conversionRate: '1' },
      { reason: 'deposit', amount: '100000.00', balance: '100000.00', currency: 'USD' },
    ]);
  });

  test.each(['', 'nonsense', 'e30', 'WzEsMl0', 'WyJvIiwxLCJhIiwyXQ'])(
    'a cursor that was not given out (%s) is refused',
    async (cursor) => {
      for (const list of [listOrders, listFills, listLedger]) {
        await expect(list(database, { ...ids, limit: 2, cursor })).rejects.toThrow(InvalidCursor);
      }
    },
  );

  test('a cursor of another list is refused', async () => {
    const { nextCursor } = await listOrders(database, { ...ids, limit: 1 });
    await expect(listFills(database, { ...ids, limit: 1, cursor: nextCursor! })).rejects.toThrow(InvalidCursor);
  });
});

describe('from the journal', () => {
  beforeEach(async () => {
    trade({ accountId: account.accountId, give: (...commands) => account.give(...commands) });
    await append(account);
    await applyCommits(database, account.commits);
  });

  test('an order comes with all its events and no others', async () => {
    const found = (await getOrder(database, { ...ids, orderId: `o-${ids.accountId}-3` }, instrument)) as {
      events: { type: string }[];
    };
    expect(found).toMatchObject({ state: 'FILLED', quantity: '0.20', averageFillPrice: '1.0801225' });
    expect(found.events.map(({ type }) => type)).toEqual(['order-submitted', 'order-partially-filled', 'order-filled']);
  });

  test('every kind of event is in the history of an order, in its order, with what a quarantined report said', async () => {
    const own = openedAccount();
    const id = (seq: number) => `o-${own.accountId}-${seq}`;
    const told = (said: Parameters<typeof report>[0]) => report({ ...said, orderId: id(3) });
    own.give(
      order({
        clientOrderId: 'h',
        orderType: 'stop-limit',
        stopPrice: s('1.09'),
        limitPrice: s('1.1'),
        timeInForce: 'gtc',
      }),
      told({ type: 'unknown', orderId: '', requestId: 'u', reason: 'no answer' }),
      told({ type: 'accepted', orderId: '' }),
      { type: 'amend-order', orderId: id(3), requestId: 'r1', change: { limitPrice: s('1.11') } },
      told({ type: 'update-rejected', orderId: '', requestId: 'r1', reason: 'too late' }),
      { type: 'amend-order', orderId: id(3), requestId: 'r2', change: { limitPrice: s('1.12') } },
      told({ type: 'updated', orderId: '', requestId: 'r2', change: { limitPrice: s('1.12') } }),
      told({ type: 'triggered', orderId: '' }),
      told({ type: 'filled', orderId: '', executionId: 'e0', quantity: s('99'), price: s('1.1') }),
      told({ type: 'filled', orderId: '', executionId: 'e1', quantity: s('0.04'), price: s('1.1') }),
      { type: 'cancel-order', orderId: id(3), requestId: 'c1' },
      told({ type: 'cancel-rejected', orderId: '', requestId: 'c1', reason: 'too late' }),
      told({ type: 'filled', orderId: '', executionId: 'e2', quantity: s('0.06'), price: s('1.1') }),
    );
    await applyCommits(database, own.commits);
    await append(own);
    const found = (await getOrder(database, { tenantId, accountId: own.accountId, orderId: id(3) }, instrument)) as {
      events: { type: string; time: string; said?: object }[];
    };
    expect(found.events.map(({ type }) => type.slice(6))).toEqual([
      ...[
        'submitted',
        'unknown',
        'accepted',
        'pending-update',
        'update-rejected',
        'pending-update',
        'updated',
        'triggered',
      ],
      ...['report-quarantined', 'partially-filled', 'pending-cancel', 'cancel-rejected', 'filled'],
    ]);
    expect(found.events.every(({ time }) => time.endsWith('Z'))).toBe(true);
    expect(found.events[8]).toMatchObject({ said: { type: 'filled', executionId: 'e0', quantity: '99' } });
  });

  test('a command is found with the reply it was given', async () => {
    const key = { tenantId, entityId: ids.accountId };
    const first = account.entries[2]!;
    expect(await findCommand(database, key, 'order:a')).toEqual({
      ...{ digest: first.digest, seq: 3 },
      reply: { type: 'order', orderId: `o-${ids.accountId}-3`, clientOrderId: 'a', state: 'SUBMITTED' },
    });
    expect(await findCommand(database, key, 'order:never')).toBeUndefined();
  });
});

test('a signal is kept, replaced and found', async () => {
  await saveSignal(database, tenantId, {
    signalId: 's-1',
    timeMicros: 1_800_000_000_000_001,
    body: { symbol: 'EURUSD', votes: [] },
  });
  await saveSignal(database, tenantId, {
    signalId: 's-1',
    timeMicros: 1_800_000_000_000_001,
    body: { symbol: 'EURUSD', votes: [1] },
  });
  expect(await getSignal(database, tenantId, 's-1')).toEqual({ symbol: 'EURUSD', votes: [1] });
  expect(await getSignal(database, tenantId, 's-2')).toBeUndefined();
});

test('a signal is kept whatever the model said', async () => {
  const body = (rationale: string) => ({ symbol: 'EURUSD', rationale });
  await saveSignal(database, tenantId, {
    signalId: 's-3',
    timeMicros: 1,
    body: body('up \0 and \uD83D away \u{1F680}'),
  });
  expect(await getSignal(database, tenantId, 's-3')).toEqual(body('up \uFFFD and \uFFFD away \u{1F680}'));
});
