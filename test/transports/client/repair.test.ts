/** What the client makes of the first words of a connection when they are lost, late, or a refusal. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { StreamClient, type Gap, type StreamListener } from '../../../transports/client/client.ts';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
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
