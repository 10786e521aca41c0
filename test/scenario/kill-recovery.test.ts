/** kill -9 with orders in flight: whatever was acknowledged is there afterwards, once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emptyAccount, evolve, type Account } from '../../actors/trading/account.ts';
import { decodePayload } from '../../actors/trading/codec.ts';
import { formatMoney } from '../../actors/trading/money.ts';
import { silentLog } from '../../runtime/actor.ts';
import { connectDatabase } from '../../transports/drivers/postgres.ts';
import { PlatformProcess, type StreamClient } from '../support/platform-process.ts';
import { embeddedLogin } from '../support/postgres.ts';

const rounds = 10;
const ordersARound = 200;
const account = 'demo-1';
let platform: PlatformProcess;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
}, 120_000);
afterAll(() => platform.dispose(), 30_000);

test('ten times killed with orders in flight, every acknowledged order and fill is there exactly once and balances are the fold of the journal', async () => {
  const acknowledged: string[] = [];
  const filled = new Set<string>();
  for (let round = 1; round <= rounds; round++) {
    const stream = await platform.stream(platform.credentials().trader.apiKey);
    await stream.ask({ type: 'subscribe', channels: ['quotes:EURUSD', `orders:${account}`] });
    await stream.wait((frame) => frame.type === 'quote');
    const sent = Promise.allSettled(sendOrders(stream, round, acknowledged));
    // The moment is random, the orders are under way: between the 20th and the 180th acknowledgement of the round.
    const killAfter = acknowledged.length + 20 + Math.floor(Math.random() * 160);
    await stream.wait(() => acknowledged.length >= killAfter);
    await platform.kill();
    await sent;
    for (const frame of stream.frames) {
      const data = frame['data'] as { type?: string; orderId?: string } | undefined;
      if (frame.type === 'event' && data?.type === 'order-filled') filled.add(data.orderId!);
    }
    await platform.start();
  }

  const token = platform.credentials().trader.apiKey;
  const orders = await listAll<{ orderId: string; clientOrderId: string; state: string }>(token, 'orders');
  const ids = orders.map((order) => order.clientOrderId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
  const fills = await listAll<{ fillId: string; orderId: string }>(token, 'fills');
  expect(new Set(fills.map((fill) => fill.fillId)).size).toBe(fills.length);
  const filledOrders = new Set(fills.map((fill) => fill.orderId));
  expect([...filled].filter((orderId) => !filledOrders.has(orderId))).toEqual([]);
  expect(filledOrders.size).toBe(fills.length); // a market order has one fill

  const folded = await foldJournal();
  const shown = await platform.call('api', `/api/v1/accounts/${account}`, { token });
  expect(shown.json.balance).toBe(formatMoney(folded.balance, folded.currency));

  for (const id of [acknowledged[0]!, acknowledged.at(-1)!]) {
    const again = await platform.call('api', `/api/v1/accounts/${account}/orders`, {
      method: 'POST',
      token,
      body: order(id),
    });
    expect(again.json).toMatchObject({ clientOrderId: id, duplicate: true });
  }
}, 300_000);

function sendOrders(stream: StreamClient, round: number, acknowledged: string[]): Promise<void>[] {
  return Array.from({ length: ordersARound }, async (_, i) => {
    const id = `round-${round}-${i}`;
    const reply = await stream.ask({ type: 'submit-order', account, order: order(id) });
    if (reply['ok'] === true) acknowledged.push(id);
  });
}

function order(clientOrderId: string): object {
  const isOdd = Number(clientOrderId.split('-')[2]) % 2 === 1;
  return {
    clientOrderId,
    symbol: 'EURUSD',
    side: isOdd ? 'sell' : 'buy',
    type: 'market',
    quantity: '0.01',
    timeInForce: 'ioc',
  };
}

async function listAll<Item>(token: string, list: string): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await platform.call('api', `/api/v1/accounts/${account}/${list}?limit=100${query}`, { token });
    expect(page.status).toBe(200);
    items.push(...page.json.items);
    cursor = page.json.nextCursor;
  } while (cursor !== undefined);
  return items;
}

async function foldJournal(): Promise<Account> {
  const database = connectDatabase({ ...embeddedLogin(platform.home), log: silentLog });
  const { rows } = await database.query<{ seq: number; payload: string }>(
    `select j.seq, j.payload from t_1.journal j join t_1.account a using (account_id) where a.slug = $1 order by j.seq`,
    [account],
  );
  await database.close();
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, i) => i + 1));
  return rows.flatMap(({ payload }) => decodePayload(payload).events).reduce(evolve, emptyAccount(1));
}
