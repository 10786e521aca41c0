/** The client and the server, with a line between them that loses, doubles and swaps frames, and breaks. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { BrokerReport } from '../../../actors/trading/broker.ts';
import type { AccountCommand } from '../../../actors/trading/commands.ts';
import type { OrderTerms, Side } from '../../../actors/trading/events.ts';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { StreamClient, type Gap, type StreamClientOptions } from '../../../transports/client/client.ts';
import { accountView, orderView, positionView } from '../../../actors/trading/view.ts';
import { openLossyLine, type Fate } from '../support/lossy-line.ts';
import { seededRandom } from '../../support/seeded-order.ts';
import { fixture, type Fixture } from '../support/fixture.ts';
import { AccountFold } from '../support/account-fold.ts';

const frames = Math.ceil(1_000_000 * Number(process.env['TEST_SCALE'] ?? 1));
const channels = [
  'quotes:EURUSD',
  'quotes:USDJPY',
  'orders:demo-1',
  'positions:demo-1',
  'account:demo-1',
  'equity:demo-1',
];

/** A client on the fixture's clock. */
function clientOf({ clock, keys }: Fixture, port: number, options: Partial<StreamClientOptions>): StreamClient {
  return new StreamClient({
    ...{ url: `ws://127.0.0.1:${port}/stream`, token: keys.trader, WebSocket, listener: {} },
    now: () => clock.monotonicMs(),
    after(delayMs, run) {
      const timer = clock.after(delayMs, run);
      return () => timer.cancel();
    },
    ...options,
  });
}

function order(random: () => number, n: number): OrderTerms {
  const side: Side = random() < 0.5 ? 'buy' : 'sell';
  const terms = {
    ...{ clientOrderId: `c-${n}`, symbol: 'EURUSD', side, source: 'trader' as const },
    quantity: BigInt(1 + Math.floor(random() * 5)) * 1_000_000n,
  };
  return random() < 0.3
    ? { ...terms, orderType: 'limit', limitPrice: 100_000_000n, timeInForce: 'gtc' }
    : { ...terms, orderType: 'market', timeInForce: 'ioc' };
}

/** Trades on demo-1: orders are placed, filled in one or two parts, or withdrawn. */
function trading(platform: Fixture, random: () => number) {
  const account = platform.accounts['demo-1']!;
  let placed = 0;
  let executions = 0;
  const tell = (command: AccountCommand) => account.ask({ type: 'command', command });
  const report = (orderId: string, what: ReportOf<'filled'> | ReportOf<'canceled'> | { readonly type: 'accepted' }) => {
    const timeMicros = platform.clock.wallMicros();
    return tell({ type: 'broker-report', report: { ...what, orderId, venue: 'paper', timeMicros } as BrokerReport });
  };
  return async (): Promise<void> => {
    await tell({ type: 'submit-order', ...order(random, ++placed) });
    for (const { orderId, orderType, quantity, filledQuantity, state } of account.durable.orders.values()) {
      if (state === 'PENDING_CANCEL') await report(orderId, { type: 'canceled', reason: 'requested' });
      else if (orderType === 'market') {
        const left = quantity - filledQuantity;
        const part = left > 1_000_000n && random() < 0.4 ? left / 2n : left;
        const price = BigInt(platform.services.quotes.get('EURUSD')!.ask);
        await report(orderId, { type: 'filled', executionId: `x-${++executions}`, quantity: part, price });
      } else if (state === 'SUBMITTED') await report(orderId, { type: 'accepted' });
      else if (random() < 0.2) await tell({ type: 'cancel-order', orderId, requestId: `r-${placed}` });
    }
  };
}

type ReportOf<Type extends BrokerReport['type']> = Omit<
  Extract<BrokerReport, { type: Type }>,
  'orderId' | 'venue' | 'timeMicros'
>;

test(`${frames} frames, lost, doubled, swapped and cut off: no gap in silence, each event once, and equal states`, async () => {
  const platform = fixture();
  const { port } = await platform.start(dataBridgeGateway);
  const random = seededRandom(6);
  let isFaulty = true;
  const proxy = await openLossyLine(port, (text): Fate => {
    // What answers a request is waited for, and its loss found by time alone.
    if (!isFaulty || text.startsWith('{"type":"reply"') || text.startsWith('{"type":"hello"')) return 'pass';
    const roll = random();
    if (roll < 0.005) return 'drop';
    if (roll < 0.015) return 'double';
    if (roll < 0.025) return 'swap';
    if (roll < 0.0252) return 'cut';
    return roll < 0.0254 ? 'cut-within' : 'pass';
  });
  const gaps: Gap[] = [];
  const isResubscribed = new Set<string>();
  const quotes = new Map<string, { sequence: number; bid: string }>();
  const told = { inSilence: 0, backwards: 0 };
  const fold = new AccountFold('demo-1');
  const client = clientOf(platform, proxy.port, {
    random,
    listener: {
      onGap: (gap) => void gaps.push(gap),
      onSnapshot: (channel, data, sequence) => fold.onSnapshot(channel, data, sequence),
      onEvent: (channel, event, sequence) => fold.onEvent(channel, event, sequence),
      onQuote({ channel, sequence, bid, skipped = 0 }) {
        const last = quotes.get(channel);
        const gap = gaps.at(-1);
        const wasTold = gap?.channel === channel && gap.received === sequence;
        // A snapshot begins anew, wherever it stands.
        if (last && client.position(channel)?.sequence === sequence && sequence <= last.sequence) told.backwards += 1;
        else if (last && sequence - last.sequence - 1 !== skipped && !wasTold && !isResubscribed.has(channel))
          told.inSilence += 1;
        isResubscribed.delete(channel);
        quotes.set(channel, { sequence, bid });
      },
      onState(state) {
        if (state === 'connecting') for (const channel of channels) isResubscribed.add(channel);
      },
    },
  });
  client.subscribe(channels);
  /** The clock stands still while what was sent is on its way. */
  const arrived = async (): Promise<void> => {
    await turn();
    await client.ping();
  };
  const trade = trading(platform, random);
  platform.quote();
  platform.quote({ symbol: 'USDJPY', bid: 15_025_000_000, ask: 15_026_000_000 });
  const passed = () => Object.values(proxy.counts).reduce((sum, count) => sum + count, 0);
  for (let step = 0; passed() < frames; step++) {
    expect(step).toBeLessThan(frames);
    for (let count = 0; count < 8; count++) {
      const bid = 108_012_000 + Math.floor(random() * 1_000);
      platform.quote({ bid, ask: bid + 2_000 });
      platform.quote({ symbol: 'USDJPY', bid: 15_025_000_000 + step * 1_000, ask: 15_026_000_000 + step * 1_000 });
    }
    await trade();
    platform.clock.advance(50);
    await arrived();
  }
  isFaulty = false;
  const account = platform.accounts['demo-1']!;
  const prices = { quote: () => undefined, instrument: (symbol: string) => platform.services.instruments.get(symbol) };
  const server = (): object => ({
    sequences: account.durable.sequences,
    orders: [...account.durable.orders.values()].map((each) => {
      const { orderId, state, filledQuantity } = orderView(each, prices.instrument(each.symbol));
      return { orderId, state, filledQuantity };
    }),
    positions: [...account.durable.positions.values()].map((each) => {
      const { positionId, side, quantity, averagePrice } = positionView(each, account.durable, prices);
      return { positionId, side, quantity, averagePrice };
    }),
    balance: accountView(account.durable, 'demo-1', prices).balance,
  });
  // Quiet now: whatever is still missing is found by heartbeats, or by the next price.
  for (let round = 0; round < 400; round++) {
    if (round % 20 === 0) {
      platform.quote();
      platform.quote({ symbol: 'USDJPY', bid: 15_025_000_000, ask: 15_026_000_000 });
    }
    platform.clock.advance(500);
    await arrived();
  }
  expect(client.state).toBe('online');
  expect(fold.state).toEqual(server());
  expect(told).toEqual({ inSilence: 0, backwards: 0 });
  expect(fold.faults).toEqual([]);
  for (const symbol of ['EURUSD', 'USDJPY'])
    expect(quotes.get(`quotes:${symbol}`)?.sequence).toBe(platform.services.quotes.get(symbol)!.sequence);
  // Something did happen.
  for (const fate of ['drop', 'double', 'swap', 'cut'] as const) expect(proxy.counts[fate]).toBeGreaterThan(0);
  expect(client.counts.gaps).toBeGreaterThan(0);
  expect(client.counts.duplicates).toBeGreaterThan(0);
  expect(client.counts.reconnects).toBeGreaterThan(0);
  console.log(
    `stream integrity: ${passed()} frames, ${JSON.stringify(proxy.counts)}, client ${JSON.stringify(client.counts)}`,
  );
  client.close();
}, 600_000);
