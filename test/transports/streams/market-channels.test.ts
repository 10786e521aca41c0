import { setImmediate as turn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { applyTick, emptySeries, seriesKey, type CandleUpdate } from '../../../actors/market/candle.ts';
import { changesOf, emptyBook, type OrderBook } from '../../../actors/market/order-book.ts';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { fixture } from '../support/fixture.ts';
import { marketOrder, StreamClient } from '../support/stream-client.ts';

async function bridge() {
  const platform = fixture();
  const { port } = await platform.start(dataBridgeGateway);
  const client = await StreamClient.authenticated(port, platform.keys.trader);
  const subscribe = (...channels: string[]) => client.ask({ type: 'subscribe', channels });
  return { ...platform, port, client, subscribe };
}

test('a quote says what is wrong with its source, in its snapshot too', async () => {
  const { client, subscribe, quote } = await bridge();
  quote({ fault: 'stale' });
  await subscribe('quotes:EURUSD');
  quote({ fault: 'stale' });
  quote();
  await client.next((frame) => frame.sequence === 3);
  expect(client.of('snapshot')[0]!.data).toMatchObject({ fault: 'stale' });
  expect(client.of('quote')).toMatchObject([{ sequence: 2, fault: 'stale' }, { sequence: 3 }]);
  expect(client.of('quote')[1]).not.toHaveProperty('fault');
});

describe('candles', () => {
  const symbol = 'EURUSD';
  const interval = '1m';
  const tick = (bid: number, timeMicros: number) => ({ bid, ask: bid + 2_000, timeMicros });
  const minute = 60_000_000;

  test('begin with those there are, and tell the current one and what has become complete', async () => {
    const { client, subscribe, services, bus } = await bridge();
    const publish = (change: Partial<CandleUpdate>): void => {
      const last = services.candles.get(seriesKey(symbol, interval));
      const update = {
        ...{ symbol, interval, sequence: (last?.sequence ?? 0) + 1, series: emptySeries(interval), completed: [] },
        ...change,
      } as CandleUpdate;
      services.candles.set(seriesKey(symbol, interval), update);
      bus.publish(`candles:${symbol}:${interval}`, update);
    };
    const first = applyTick(emptySeries(interval), tick(108_000_000, minute));
    publish({ series: first });
    await subscribe('candles:EURUSD:1m');
    const second = applyTick(first, tick(108_100_000, 2 * minute));
    publish({ series: second, completed: second.closed.all() });
    await client.next((frame) => frame.type === 'candle');
    const candle = (open: string, time: string) => ({
      open,
      high: open,
      low: open,
      close: open,
      time,
      ticks: 1,
      isComplete: true,
    });
    const [one, two] = [
      candle('1.08000', '1970-01-01T00:01:00.000000Z'),
      candle('1.08100', '1970-01-01T00:02:00.000000Z'),
    ];
    expect(client.of('snapshot')).toMatchObject([
      { channel: 'candles:EURUSD:1m', sequence: 1, data: { symbol, interval, items: [one] } },
    ]);
    expect(client.of('candle')).toMatchObject([
      { channel: 'candles:EURUSD:1m', sequence: 2, symbol, interval, candle: two, completed: [one] },
    ]);
  });

  test.each(['candles:EURUSD', 'candles:EURUSD:7m', 'candles:NOPE:1m', 'candles:EURUSD:1m:1', 'quotes:EURUSD:1m'])(
    'there is no channel %s',
    async (channel) => {
      const { subscribe } = await bridge();
      expect(await subscribe(channel)).toMatchObject({ ok: false, problem: { code: 'NOT_FOUND' } });
    },
  );
});

describe('order books', () => {
  const level = (price: number, lots: number) => [price * 1_000, lots * 100_000_000] as const;

  async function withBook() {
    const found = await bridge();
    const { services, bus } = found;
    let book = emptyBook;
    let sequence = 0;
    const show = (next: OrderBook): void => {
      const update = {
        symbol: 'EURUSD',
        sequence: ++sequence,
        timeMicros: 0,
        book: next,
        changes: changesOf(book, next),
      };
      book = next;
      services.books.set('EURUSD', update);
      bus.publish('book:EURUSD', update);
    };
    show({ bids: [level(108_000, 1), level(107_999, 2)], asks: [level(108_001, 3)] });
    return { ...found, show };
  }

  test('begin whole, then tell what changes, and every 16th update comes with a checksum', async () => {
    const { client, subscribe, show } = await withBook();
    await subscribe('book:EURUSD');
    for (let lots = 4; lots < 20; lots++) show({ bids: [level(108_000, 1)], asks: [level(108_001, lots)] });
    await client.next((frame) => frame.sequence === 17);
    const [first, last] = ['1.08001:3.00|1.08000:1.00|1.07999:2.00', '1.08001:18.00|1.08000:1.00'].map((text) =>
      crc32(text),
    );
    expect(client.of('snapshot')[0]).toMatchObject({
      channel: 'book:EURUSD',
      data: {
        ...{
          symbol: 'EURUSD',
          bids: [
            ['1.08000', '1.00'],
            ['1.07999', '2.00'],
          ],
          asks: [['1.08001', '3.00']],
        },
        checksum: first,
      },
    });
    const frames = client.of('book');
    expect(frames[0]).toEqual({
      ...{ type: 'book', channel: 'book:EURUSD', sequence: 2, symbol: 'EURUSD', time: '1970-01-01T00:00:00.000000Z' },
      ...{ bids: [['1.07999', '0']], asks: [['1.08001', '4.00']] },
    });
    expect(frames.filter((frame) => 'checksum' in frame)).toMatchObject([{ sequence: 16, checksum: last }]);
  });

  test('there is none where no depth is shown', async () => {
    const { subscribe } = await withBook();
    for (const channel of ['book:USDJPY', 'book:NOPE', 'book:EURUSD:1'])
      expect(await subscribe(channel)).toMatchObject({ ok: false, problem: { code: 'NOT_FOUND' } });
  });
});

describe('equity', () => {
  test('follows prices and fills, at most four times a second', async () => {
    const { client, subscribe, quote, clock } = await bridge();
    quote();
    await subscribe('equity:demo-1');
    expect(client.of('snapshot')).toMatchObject([
      {
        channel: 'equity:demo-1',
        sequence: 1,
        data: { equity: '100000.00', balance: '100000.00', openProfit: '0.00' },
      },
    ]);
    await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
    for (let count = 0; count < 5; count++) quote({ bid: 108_100_000 + count, ask: 108_102_000 });
    clock.advance(250);
    // The account that is durable now is read; then it is shown.
    await turn();
    clock.advance(250);
    await client.next((frame) => frame.type === 'equity');
    expect(client.of('equity')).toMatchObject([{ sequence: 2, account: 'demo-1', data: { currency: 'USD' } }]);
    clock.advance(250);
    await client.settled();
    expect(client.of('equity')).toHaveLength(1);
  });

  test('of one account is computed once, whoever follows it, and not at all when nobody does', async () => {
    const { client, subscribe, port, keys, services, clock } = await bridge();
    const other = await StreamClient.authenticated(port, keys.trader);
    await subscribe('equity:demo-1');
    await other.ask({ type: 'subscribe', channels: ['equity:demo-1'] });
    let looks = 0;
    const { glance } = services;
    services.glance = (entry) => {
      looks += 1;
      return glance(entry);
    };
    clock.advance(250);
    expect(looks).toBe(1);
    for (const each of [client, other]) await each.ask({ type: 'unsubscribe', channels: ['equity:demo-1'] });
    clock.advance(1_000);
    expect(looks).toBe(1);
  });
});

describe('signals and alerts', () => {
  test('a signal reaches the tenant it was made for', async () => {
    const { client, subscribe, port, keys, bus } = await bridge();
    const stranger = await StreamClient.authenticated(port, keys.stranger);
    await subscribe('signals:EURUSD');
    await stranger.ask({ type: 'subscribe', channels: ['signals:EURUSD'] });
    bus.publish('signals:1/EURUSD', { json: { id: 's-1', action: 'buy' } });
    await client.next((frame) => frame.type === 'signal');
    await stranger.settled();
    expect(client.of('signal')).toEqual([
      { type: 'signal', channel: 'signals:EURUSD', sequence: 1, symbol: 'EURUSD', data: { id: 's-1', action: 'buy' } },
    ]);
    expect(stranger.of('signal')).toEqual([]);
  });

  test('an alert is heard by whom it concerns', async () => {
    const { client, subscribe, port, keys, bus } = await bridge();
    const stranger = await StreamClient.authenticated(port, keys.stranger);
    await subscribe('alerts');
    await stranger.ask({ type: 'subscribe', channels: ['alerts'] });
    const alert = { timeMicros: 0, severity: 'warning', type: 'margin-called', text: 'the margin is short' } as const;
    bus.publish('alerts', { ...alert, tenantId: 1, subject: 'demo-1', account: 'demo-1' });
    bus.publish('alerts', { ...alert, tenantId: undefined, subject: 'EURUSD', type: 'source-stale' });
    bus.publish('alerts', { ...alert, tenantId: 1, subject: 'not-yours', account: 'not-yours' });
    await client.settled();
    await stranger.settled();
    const subjects = (of: StreamClient) => of.of('alert').map(({ sequence, data }) => [sequence, data['subject']]);
    expect(subjects(client)).toEqual([
      [1, 'demo-1'],
      [2, 'EURUSD'],
    ]);
    expect(subjects(stranger)).toEqual([[1, 'EURUSD']]);
  });
});
