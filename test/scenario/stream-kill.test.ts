/** kill -9 of the platform under a client of the streams, with orders under way: it comes back to where it stood. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StreamClient } from '../../transports/client/client.ts';
import type { AccountEvent } from '../../transports/client/wire.ts';
import { PlatformProcess } from '../support/platform-process.ts';
import { AccountFold, accountChannels, followAccount, type Following } from '../transports/support/account-fold.ts';

const account = 'demo-1';
const channels = accountChannels(account);
const orders = 200;
/** So many are acknowledged when the platform dies. */
const killBehind = 60;
let platform: PlatformProcess;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
}, 120_000);
afterAll(() => platform.dispose(), 30_000);

function follow(fold: AccountFold): Following {
  const url = `ws://127.0.0.1:${platform.port('data-bridge')}/stream`;
  // A tenth of the usual waits: the platform is away for a few seconds.
  return followAccount(url, platform.credentials().trader.apiKey, fold, () => 0.1);
}

/** Looks again until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

/** As the journal has it; what came from a request names that request there. */
function withoutTrace(event: AccountEvent): object {
  return { ...event, traceId: undefined };
}

test('killed with orders under way, each event of the account comes once, in order, and as the journal has it', async () => {
  const fold = new AccountFold(account);
  const { client, begun } = follow(fold);
  await begun;
  const answered = new Map<string, string>();
  const send = async (n: number): Promise<void> => {
    const clientOrderId = `kill-${n}`;
    const answer = await client.submitOrder(account, {
      ...{ clientOrderId, symbol: 'EURUSD', side: n % 2 === 0 ? 'buy' : 'sell', type: 'market' },
      ...{ quantity: '0.01', timeInForce: 'ioc' },
    });
    if (answer.ok) answered.set(clientOrderId, answer.value.orderId);
    else expect(answer.problem.code).toBe('NO_ANSWER');
  };
  const numbers = Array.from({ length: orders }, (_, n) => n);
  const sent = Promise.all(numbers.map(send));
  await until(() => answered.size >= killBehind);
  const acknowledged = new Map(answered);
  await platform.kill();
  await sent;
  expect(answered.size).toBeLessThan(orders);
  await platform.start();
  await until(() => client.state === 'online');
  // It is not known what became of them: the same again has no second effect.
  await Promise.all(numbers.filter((n) => !answered.has(`kill-${n}`)).map(send));
  expect(answered.size).toBe(orders);
  for (const [clientOrderId, orderId] of acknowledged) expect(answered.get(clientOrderId)).toBe(orderId);

  const told = (): AccountEvent[] =>
    fold.events.filter(({ channel }) => channel === `orders:${account}`).map(({ event }) => event);
  const isEnd = ({ type }: AccountEvent): boolean => /-(filled|denied|rejected|canceled|expired)$/.test(type);
  await until(() => told().filter((event) => isEnd(event) && event.type !== 'order-partially-filled').length >= orders);
  const late = new AccountFold(account);
  const beside = follow(late);
  await beside.begun;
  const stands = (one: StreamClient) => channels.map((channel) => one.position(channel)?.sequence).join();
  await until(() => stands(client) === stands(beside.client));

  expect(fold.faults).toEqual([]);
  expect(fold.state).toEqual(late.state);
  // Where the client stood was still there: nothing it had been told was taken back.
  expect(client.counts).toMatchObject({ gaps: 0, resyncs: 0 });
  expect(client.counts.reconnects).toBeGreaterThan(0);
  const token = platform.credentials().trader.apiKey;
  const histories = new Map<string, AccountEvent[]>();
  for (const event of told()) {
    const orderId = String(event['orderId']);
    histories.set(orderId, [...(histories.get(orderId) ?? []), event]);
  }
  expect(new Set(histories.keys())).toEqual(new Set(answered.values()));
  for (const [orderId, events] of histories) {
    const { json } = await platform.call('api', `/api/v1/accounts/${account}/orders/${orderId}`, { token });
    expect(events.map(withoutTrace)).toEqual((json.events as AccountEvent[]).map(withoutTrace));
  }
  client.close();
  beside.client.close();
}, 180_000);
