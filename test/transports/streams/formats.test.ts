import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { fixture } from '../support/fixture.ts';
import { StreamClient } from '../support/stream-client.ts';

async function following(protocols: string[], options: { deflates?: boolean } = {}) {
  const platform = fixture();
  const { port } = await platform.start(dataBridgeGateway);
  platform.quote();
  const client = await StreamClient.authenticated(port, platform.keys.trader, { protocols, ...options });
  const reply = await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD', 'quotes:USDJPY', 'account:demo-1'] });
  return { ...platform, port, client, reply };
}

test('the binary format has quotes as records, several of one turn in one message, and the rest as text', async () => {
  const { client, quote, reply } = await following(['aitrading.v1.binary']);
  expect(client.ws.protocol).toBe('aitrading.v1.binary');
  const topics = reply.result as Record<string, { topic: number; digits: number }>;
  expect(topics).toMatchObject({
    'quotes:EURUSD': { epoch: 'epoch-EURUSD', mode: 'snapshot', digits: 5 },
    'quotes:USDJPY': { digits: 3 },
  });
  expect(topics['account:demo-1']).not.toHaveProperty('topic');
  quote({ bid: 108_013_000, ask: 108_015_000, fault: 'stale' });
  quote({ symbol: 'USDJPY', bid: 15_025_000_000, ask: 15_026_000_000 });
  await turn();
  await client.settled();
  expect(client.of('snapshot').map(({ channel }) => channel)).toEqual([
    'quotes:EURUSD',
    'quotes:USDJPY',
    'account:demo-1',
  ]);
  expect(client.of('quote')).toEqual([]);
  const [records] = client.binary;
  expect([client.binary.length, records!.length]).toEqual([1, 80]);
  const at = (start: number) => ({
    ...{ kind: records![start], flags: records![start + 1], topic: records!.readUInt16BE(start + 2) },
    ...{ skipped: records!.readUInt32BE(start + 4), sequence: records!.readBigUInt64BE(start + 8) },
    ...{ bid: records!.readBigInt64BE(start + 16), ask: records!.readBigInt64BE(start + 24) },
    timeMicros: records!.readBigInt64BE(start + 32),
  });
  const timeMicros = 1_800_000_000_000_000n;
  expect([at(0), at(40)]).toEqual([
    {
      ...{ kind: 1, flags: 1, topic: topics['quotes:EURUSD']!.topic, skipped: 0, sequence: 2n, timeMicros },
      ...{ bid: 108_013_000n, ask: 108_015_000n },
    },
    {
      ...{ kind: 1, flags: 0, topic: topics['quotes:USDJPY']!.topic, skipped: 0, sequence: 1n, timeMicros },
      ...{ bid: 15_025_000_000n, ask: 15_026_000_000n },
    },
  ]);
});

test.each([true, false])('a batch holds all quotes of a turn in one message (compressed: %s)', async (deflates) => {
  const { client, quote } = await following(['aitrading.v1.batch'], { deflates });
  expect(client.ws.extensions.includes('permessage-deflate')).toBe(deflates);
  const before = client.messages.length;
  for (let count = 0; count < 20; count++) quote({ bid: 108_013_000 + count, ask: 108_015_000 + count });
  await client.next((frame) => frame.type === 'quote' && frame.sequence === 21);
  expect(client.messages.slice(before)).toHaveLength(1);
  expect(client.of('quote').map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, n) => n + 2));
});

test('one compressed frame is good for every client, and for each of its messages in turn', async () => {
  const { quote, port, keys } = await following(['aitrading.v1.batch']);
  const clients = await Promise.all(
    Array.from({ length: 5 }, () =>
      StreamClient.authenticated(port, keys.trader, { protocols: ['aitrading.v1.batch'] }),
    ),
  );
  for (const client of clients) await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
  for (let batch = 0; batch < 10; batch++) {
    for (let count = 0; count < 10; count++) quote({ bid: 108_013_000 + batch * 10 + count, ask: 108_015_000 });
    await turn();
  }
  for (const client of clients) {
    await client.next((frame) => frame.type === 'quote' && frame.sequence === 101);
    expect(client.of('quote').map(({ sequence }) => sequence)).toEqual(Array.from({ length: 100 }, (_, n) => n + 2));
  }
});

test('the first format that a client offers and the platform speaks is agreed to', async () => {
  const { client } = await following(['chat', 'aitrading.v1.batch', 'aitrading.v1.json']);
  expect(client.ws.protocol).toBe('aitrading.v1.batch');
});

test('a message that inflates beyond what a message may have closes with 1009', async () => {
  const { client } = await following(['aitrading.v1.batch']);
  client.send(JSON.stringify({ type: 'ping', id: 'x'.repeat(10_000_000) }));
  expect(await client.closed).toBe(1009);
});
