/** What the client makes of the first words of a connection when they are lost, late, or a refusal. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { bookView, changesOf, emptyBook } from '../../../actors/market/order-book.ts';
import { StreamClient, type Gap, type StreamListener } from '../../../transports/client/client.ts';
import type { BookLevels } from '../../../transports/client/wire.ts';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { seededRandom } from '../../support/seeded-order.ts';
import { fixture } from '../support/fixture.ts';
import { openLossyLine, type Fate } from '../support/lossy-line.ts';

const isSnapshot = (text: string): boolean => text.startsWith('{"type":"snapshot"');

/** A client on a clock that stands still, behind a line that does to each frame what `fateOf` says. */
async function follow(channel: string, fateOf: (text: string) => Fate, listener: StreamListener) {
  const platform = fixture();
  const { clock, keys } = platform;
  const { port } = await platform.start(dataBridgeGateway);
  const line = await openLossyLine(port, fateOf);
  platform.quote();
  platform.quote();
  const client = new StreamClient({
    ...{ url: `ws://127.0.0.1:${line.port}/stream`, token: keys.trader, WebSocket, listener, random: () => 0 },
    now: () => clock.monotonicMs(),
    after(delayMs, run) {
      const timer = clock.after(delayMs, run);
      return () => timer.cancel();
    },
  });
  client.subscribe([channel]);
  /** Lets time go by, and what was sent arrive. */
  const pass = async (forMs: number): Promise<void> => {
    for (let atMs = 0; atMs <= forMs; atMs += 250) {
      for (let turns = 0; turns < 20; turns++) await turn();
      if (atMs < forMs) clock.advance(250);
    }
  };
  return { ...platform, client, pass };
}

test.each(['orders:demo-1', 'account:demo-1', 'candles:EURUSD:1m', 'alerts'])(
  'a snapshot of %s that is lost is missed at the next heartbeat',
  async (channel) => {
    let lost = 0;
    const gaps: Gap[] = [];
    const told: string[] = [];
    const { client, pass } = await follow(channel, (text) => (isSnapshot(text) && lost++ === 0 ? 'drop' : 'pass'), {
      onGap: (gap) => void gaps.push(gap),
      onSnapshot: (name) => void told.push(name),
    });
    await pass(0);
    expect([lost, told]).toEqual([1, []]);
    await pass(10_000);
    expect(told).toEqual([channel]);
    expect(gaps).toMatchObject([{ channel, reason: 'heartbeat', repair: 'snapshot' }]);
    client.close();
  },
);

test('a snapshot that comes behind a newer price does not take the client back', async () => {
  const told: number[] = [];
  const { client, quote, pass } = await follow('quotes:EURUSD', (text) => (isSnapshot(text) ? 'swap' : 'pass'), {
    onQuote: ({ sequence }) => void told.push(sequence),
  });
  await pass(0);
  quote();
  await pass(0);
  quote();
  await pass(0);
  expect(told).toEqual([3, 4]);
  client.close();
});

test('a platform that cannot look a credential up yet refuses no channel for good', async () => {
  const problems: string[] = [];
  const told: string[] = [];
  const { client, lookUps, pass } = await follow('orders:demo-1', () => 'pass', {
    onProblem: ({ code }) => void problems.push(code),
    onSnapshot: (name) => void told.push(name),
  });
  lookUps.fails = new Error('the database is away');
  await pass(1_000);
  expect([told, client.state]).toEqual([[], 'waiting']);
  lookUps.fails = undefined;
  await pass(5_000);
  expect([problems, told, client.state]).toEqual([[], ['orders:demo-1'], 'online']);
  client.close();
});

test.each<[string, readonly Fate[], number]>([
  ['nothing', [], 0],
  ['frames that are lost', ['drop'], 1],
  ['frames that come twice or in another order', ['double', 'swap'], 1],
  ['all at once', ['drop', 'double', 'swap'], 1],
])('a client that meets %s has the book of the platform in the end', async (_, fates, least) => {
  const random = seededRandom(fates.length + 7);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const books = new Map<number, BookLevels>();
  const told: { readonly sequence: number; readonly book: BookLevels }[] = [];
  const gaps: Gap[] = [];
  let isSafe = false;
  const { client, services, bus, pass } = await follow(
    'book:EURUSD',
    () => (isSafe || random() < 0.9 || fates.length === 0 ? 'pass' : pick(fates)),
    {
      onBook: (_symbol, { sequence, bids, asks }) => void told.push({ sequence, book: { bids, asks } }),
      onGap: (gap) => void gaps.push(gap),
    },
  );
  const levels = (first: number, step: number) =>
    Array.from({ length: 12 }, (_level, at) => [(first + at * step) * 1_000, pick([1, 2, 3]) * 100_000_000] as const);
  let book = emptyBook;
  for (let sequence = 1; sequence <= 300; sequence++) {
    const next = { bids: levels(108_000 - pick([0, 1]), -1), asks: levels(108_001 + pick([0, 1]), 1) };
    const update = { symbol: 'EURUSD', sequence, timeMicros: 0, book: next, changes: changesOf(book, next) };
    book = next;
    books.set(sequence, bookView(next, services.instruments.get('EURUSD')));
    services.books.set('EURUSD', update);
    bus.publish('book:EURUSD', update);
    if (sequence === 1) await pass(5_000);
    if (sequence === 290) isSafe = true;
    if (sequence % 3 === 0) await pass(0);
  }
  await pass(10_000);
  for (const { sequence, book: seen } of told) expect(seen).toEqual(books.get(sequence));
  expect(told.at(-1)?.sequence).toBe(300);
  expect(gaps.length).toBeGreaterThanOrEqual(least);
  if (least === 0) expect(gaps).toEqual([]);
  client.close();
});
