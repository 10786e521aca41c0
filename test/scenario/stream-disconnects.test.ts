/** A client that loses its connection again and again while its account trades, beside one that never does. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PlatformProcess } from '../support/platform-process.ts';
import { AccountFold, accountChannels, followAccount, type Following } from '../transports/support/account-fold.ts';
import { openLossyLine } from '../transports/support/lossy-line.ts';

const disconnects = Math.max(10, Math.ceil(100 * Number(process.env['TEST_SCALE'] ?? 1)));
const account = 'demo-1';
const channels = accountChannels(account);
let platform: PlatformProcess;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
}, 120_000);
afterAll(() => platform.dispose(), 30_000);

function follow(port: number): Following & { readonly fold: AccountFold } {
  const fold = new AccountFold(account);
  const token = platform.credentials().trader.apiKey;
  // The next try comes at once.
  return { fold, ...followAccount(`ws://127.0.0.1:${port}/stream`, token, fold, () => 0) };
}

/** Looks again until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

test(`${disconnects} disconnects: each event of the account once, in order, and all of them`, async () => {
  const port = platform.port('data-bridge');
  const line = await openLossyLine(port, () => 'pass');
  const steady = follow(port);
  const broken = follow(line.port);
  await Promise.all([steady.begun, broken.begun]);
  for (let n = 1; n <= disconnects; n++) {
    const order = (side: 'buy' | 'sell', k: number) =>
      steady.client.submitOrder(account, {
        ...{ clientOrderId: `cut-${n}-${k}`, symbol: 'EURUSD', side, type: 'market', quantity: '0.01' },
        timeInForce: 'ioc',
      });
    const trades = [order('buy', 1), order('sell', 2)];
    const before = broken.client.counts.reconnects;
    line.cutAll();
    for (const answer of await Promise.all(trades)) expect(answer).toMatchObject({ ok: true });
    await until(() => broken.client.counts.reconnects > before && broken.client.state === 'online');
  }
  const last = () => channels.map((channel) => steady.client.position(channel)!.sequence);
  await until(() => channels.every((channel, at) => broken.client.position(channel)?.sequence === last()[at]));
  expect(broken.fold.faults).toEqual([]);
  const told = (fold: AccountFold) => channels.map((channel) => fold.events.filter((one) => one.channel === channel));
  expect(told(broken.fold)).toEqual(told(steady.fold));
  expect(broken.fold.events.length).toBeGreaterThanOrEqual(disconnects * 6);
  expect(broken.fold.state).toEqual(steady.fold.state);
  // Everything was replayed: nobody had to begin anew.
  expect(broken.client.counts).toMatchObject({ gaps: 0, resyncs: 0 });
  for (const { client } of [steady, broken]) client.close();
}, 120_000);
