import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { AccountCommit } from '../../../actors/trading/events.ts';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { StreamHub } from '../../../transports/streams/hub.ts';
import { quoteSource } from '../../../transports/streams/market-sources.ts';
import { Message } from '../../../transports/streams/message.ts';
import type { Connection } from '../../../transports/websocket/connection.ts';
import { eurusd } from '../../support/instruments.ts';
import { fixture, limits } from '../support/fixture.ts';
import { marketOrder, StreamClient, type Frame } from '../support/stream-client.ts';

async function bridge() {
  const platform = fixture();
  const { port, gateway } = await platform.start(dataBridgeGateway);
  return { ...platform, port, gateway };
}

describe('channels', () => {
  test('quotes follow a snapshot of the latest one, each with the number of its source', async () => {
    const { port, keys, quote } = await bridge();
    quote();
    const client = await StreamClient.authenticated(port, keys.trader);
    const reply = await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
    expect(reply.result).toEqual({ 'quotes:EURUSD': { epoch: 'epoch-EURUSD', mode: 'snapshot' } });
    quote({ bid: 108_013_000, ask: 108_015_000 });
    await client.next((frame) => frame.type === 'quote');
    expect(client.of('snapshot')).toEqual([
      {
        ...{ type: 'snapshot', channel: 'quotes:EURUSD', epoch: 'epoch-EURUSD', sequence: 1 },
        data: { symbol: 'EURUSD', bid: '1.08012', ask: '1.08014', time: '2027-01-15T08:00:00.000000Z' },
      },
    ]);
    expect(client.of('quote')).toEqual([
      {
        type: 'quote',
        channel: 'quotes:EURUSD',
        sequence: 2,
        symbol: 'EURUSD',
        bid: '1.08013',
        ask: '1.08015',
        time: '2027-01-15T08:00:00.000000Z',
      },
    ]);
  });

  test('a channel that does not exist is told apart from those of the same message that do', async () => {
    const { port, keys } = await bridge();
    const client = await StreamClient.authenticated(port, keys.trader);
    const { ok, result } = await client.ask({
      type: 'subscribe',
      channels: ['account:demo-1', 'account:other-1', 'quotes:NOPE'],
    });
    expect(ok).toBe(true);
    expect(result).toMatchObject({
      'account:demo-1': { epoch: 'journal-demo-1', mode: 'snapshot' },
      'account:other-1': { problem: { code: 'NOT_FOUND' } },
      'quotes:NOPE': { problem: { code: 'NOT_FOUND' } },
    });
  });

  test('snapshots hold working orders, positions and the account up to their sequence', async () => {
    const { port, keys, quote } = await bridge();
    quote();
    const client = await StreamClient.authenticated(port, keys.trader);
    await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
    await client.ask({
      type: 'subscribe',
      channels: ['orders:demo-1', 'positions:demo-1', 'account:demo-1'],
      resume: { 'orders:demo-1': { epoch: 'x', sequence: 0 } },
    });
    await client.settled();
    expect(client.of('snapshot')).toMatchObject([
      {
        channel: 'orders:demo-1',
        epoch: 'journal-demo-1',
        sequence: 1,
        data: { items: [{ clientOrderId: 'a', state: 'SUBMITTED', quantity: '0.10' }] },
      },
      { channel: 'positions:demo-1', sequence: 0, data: { items: [] } },
      { channel: 'account:demo-1', sequence: 2, data: { id: 'demo-1', currency: 'USD', balance: '100000.00' } },
    ]);
  });

  test('no event is lost or doubled between snapshot and stream, whatever becomes durable meanwhile', async () => {
    const { port, keys, quote, accounts } = await bridge();
    quote();
    const account = accounts['demo-1']!;
    const client = await StreamClient.authenticated(port, keys.trader);
    const submit = (name: string) => client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder(name) });
    await submit('before');
    // The read is under way: what it will see is fixed in the middle of what becomes durable.
    const read = Promise.withResolvers<unknown>();
    account.answer = () => read.promise;
    client.send({ type: 'subscribe', id: 'sub', channels: ['orders:demo-1'] });
    await turn();
    const other = await StreamClient.authenticated(port, keys.trader);
    account.answer = undefined;
    const submitOther = (name: string) =>
      other.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder(name) });
    await submitOther('seen by the snapshot'.replaceAll(' ', '-'));
    const seen = { state: account.durable, seq: account.seq };
    await submitOther('held-1');
    await submitOther('held-2');
    read.resolve(seen);
    await client.next((frame) => frame.id === 'sub');
    await submitOther('after');
    await client.next((frame) => frame.type === 'event' && frame.data['clientOrderId'] === 'after');
    expect(client.of('snapshot')[0]).toMatchObject({
      sequence: 2,
      data: { items: [{ clientOrderId: 'before' }, { clientOrderId: 'seen-by-the-snapshot' }] },
    });
    expect(client.of('event').map(({ sequence, data }) => [sequence, data['clientOrderId']])).toEqual([
      [3, 'held-1'],
      [4, 'held-2'],
      [5, 'after'],
    ]);
    const order = client.frames.map(({ type }) => type).filter((type) => type !== 'heartbeat');
    expect(order.indexOf('snapshot')).toBeLessThan(order.indexOf('event'));
  });

  test('when more becomes durable than is held for a snapshot, the account is read again', async () => {
    const { port, keys, accounts, bus } = await bridge();
    const account = accounts['demo-1']!;
    const client = await StreamClient.authenticated(port, keys.trader);
    const reads = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()];
    let asked = 0;
    account.answer = () => reads[asked++]!.promise;
    client.send({ type: 'subscribe', id: 'sub', channels: ['orders:demo-1'] });
    while (asked === 0) await turn();
    for (let sequence = 1; sequence <= 1_001; sequence++) bus.publish('commits:1/11', commitOf(sequence));
    const at = (orders: number) => ({
      state: { ...account.durable, sequences: { orders, positions: 0, account: 0 } },
      seq: orders,
    });
    reads[0]!.resolve(at(0));
    while (asked === 1) await turn();
    bus.publish('commits:1/11', commitOf(1_002));
    reads[1]!.resolve(at(1_001));
    await client.next((frame) => frame.type === 'event');
    expect(client.of('snapshot').map(({ sequence }) => sequence)).toEqual([1_001]);
    expect(client.of('event').map(({ sequence }) => sequence)).toEqual([1_002]);
  });

  test('an account that becomes too busy while another is still being read is read again', async () => {
    const { port, keys, accounts, bus } = await bridge();
    const [busy, late] = [accounts['demo-1']!, accounts['demo-2']!];
    const at = (orders: number) => ({
      state: { ...busy.durable, sequences: { orders, positions: 0, account: 0 } },
      seq: orders,
    });
    let published = 0;
    const reads: number[] = [];
    busy.answer = async () => {
      reads.push(published);
      return at(published);
    };
    const read = Promise.withResolvers<unknown>();
    late.answer = () => read.promise;
    const client = await StreamClient.authenticated(port, keys.trader);
    client.send({ type: 'subscribe', id: 'sub', channels: ['orders:demo-1', 'orders:demo-2'] });
    while (reads.length === 0) await turn();
    while (published < 1_001) bus.publish('commits:1/11', commitOf(++published));
    read.resolve({ state: late.durable, seq: 2 });
    await client.next((frame) => frame.channel === 'orders:demo-1');
    bus.publish('commits:1/11', commitOf(++published));
    await client.next((frame) => frame.type === 'event' && frame.sequence === published);
    expect(reads).toEqual([0, 1_001]);
    expect(client.of('snapshot').map(({ channel, sequence }) => [channel, sequence])).toEqual([
      ['orders:demo-2', 0],
      ['orders:demo-1', 1_001],
    ]);
    expect(client.of('event').map(({ sequence }) => sequence)).toEqual([1_002]);
  });

  test('an event frame holds the very text of the journal', async () => {
    const { port, keys, quote, bus } = await bridge();
    quote();
    const client = await StreamClient.authenticated(port, keys.trader);
    await client.ask({ type: 'subscribe', channels: ['orders:demo-1'] });
    const texts: string[] = [];
    bus.subscribe('commits:1/11', (commit) => texts.push(...commit.events.map(({ json }) => json)));
    const raw: string[] = [];
    client.ws.on('message', (data: Buffer) => raw.push(data.toString()));
    await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
    await client.next((frame) => frame.type === 'event');
    expect(raw.find((text) => text.startsWith('{"type":"event"'))).toBe(
      `{"type":"event","channel":"orders:demo-1","epoch":"journal-demo-1","sequence":1,"data":${texts[0]}}`,
    );
  });

  test('an account that cannot be read is a problem of its channels alone', async () => {
    const { port, keys, accounts } = await bridge();
    accounts['demo-1']!.answer = () => Promise.resolve({ type: 'unavailable', reason: 'the journal cannot be read' });
    const client = await StreamClient.authenticated(port, keys.trader);
    const { ok, result } = await client.ask({ type: 'subscribe', channels: ['orders:demo-1', 'orders:demo-2'] });
    expect(ok).toBe(true);
    expect(result).toMatchObject({
      'orders:demo-1': { problem: { code: 'NOT_READY', status: 503 } },
      'orders:demo-2': { mode: 'snapshot' },
    });
  });

  test('after unsubscribe no quotes come, and once the client is gone nothing of the platform holds on to it', async () => {
    const { port, keys, quote, context } = await bridge();
    const client = await StreamClient.authenticated(port, keys.trader);
    await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD', 'orders:demo-1'] });
    await client.ask({ type: 'unsubscribe', channels: ['quotes:EURUSD', 'never:subscribed'] });
    quote();
    await client.settled();
    expect(client.of('quote')).toEqual([]);
    expect(context.streams.counts).toMatchObject({ connections: 1, deliveries: 0 });
    await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
    client.ws.close();
    await client.closed;
    while (context.streams.counts.connections > 0) await turn();
    quote();
    expect(context.streams.counts.deliveries).toBe(0);
  });

  test('more channels than a connection may have are refused with figures', async () => {
    const { port, keys } = await bridge();
    const client = await StreamClient.authenticated(port, keys.trader);
    const channels = Array.from({ length: 201 }, (_, n) => `quotes:X${n}`);
    expect(await client.ask({ type: 'subscribe', channels })).toMatchObject({
      ok: false,
      problem: { figures: { limit: '200', was: '201' } },
    });
    expect(await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] })).toMatchObject({ ok: true });
  });

  test('a heartbeat does not name a channel whose snapshot is still to come', async () => {
    const { port, keys, clock, accounts } = await bridge();
    const account = accounts['demo-1']!;
    const client = await StreamClient.authenticated(port, keys.trader);
    const asked = Promise.withResolvers<void>();
    const read = Promise.withResolvers<unknown>();
    account.answer = () => {
      asked.resolve();
      return read.promise;
    };
    client.send({ type: 'subscribe', id: 'sub', channels: ['orders:demo-1'] });
    await asked.promise;
    clock.advance(5_000);
    expect(await client.next((frame) => frame.type === 'heartbeat')).toMatchObject({ last: {} });
    expect(client.of('heartbeat')[0]).not.toHaveProperty('last.orders:demo-1');
    read.resolve({ state: account.durable, seq: account.seq });
    await client.next((frame) => frame.id === 'sub');
  });

  test('each heartbeat names the last sequence of each private channel', async () => {
    const { port, keys, clock, quote } = await bridge();
    quote();
    const client = await StreamClient.authenticated(port, keys.trader);
    await client.ask({ type: 'subscribe', channels: ['orders:demo-1', 'account:demo-1', 'quotes:EURUSD'] });
    await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
    clock.advance(5_000);
    expect(await client.next((frame) => frame.type === 'heartbeat')).toEqual({
      ...{ type: 'heartbeat', time: '2027-01-15T08:00:05.000000Z' },
      last: { 'orders:demo-1': 1, 'account:demo-1': 2 },
    });
  });
});

/** A connection whose kernel takes as much as the test says. */
class FakeConnection implements Connection {
  readonly remoteAddress = '127.0.0.1';
  readonly written: Buffer[] = [];
  bufferedBytes = 0;
  roundTripMs = 0;
  #drained: (() => void)[] = [];
  write(frames: Buffer): void {
    this.written.push(frames);
  }
  whenDrained(run: () => void): void {
    this.#drained.push(run);
  }
  drain(): void {
    this.bufferedBytes = 0;
    for (const run of this.#drained.splice(0)) run();
  }
  frames(): (Partial<Frame> & { n?: number })[] {
    return this.written.flatMap((buffer) => [...framesOf(buffer)]);
  }
  ping(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
}

function* framesOf(buffer: Buffer): Generator<Partial<Frame>> {
  for (let at = 0; at < buffer.length;) {
    const short = buffer[at + 1]!;
    const [start, length] = short < 126 ? [at + 2, short] : [at + 4, buffer.readUInt16BE(at + 2)];
    yield JSON.parse(buffer.toString('utf8', start, start + length)) as Frame;
    at = start + length;
  }
}

describe('writing', () => {
  function hubWith(count: number) {
    const { services, quote, clock } = fixture();
    const hub = new StreamHub(clock, limits.stream);
    const topic = hub.openTopic('|quotes:EURUSD', 'quotes:EURUSD', quoteSource(services, eurusd));
    const events: string[] = [];
    const clients = Array.from({ length: count }, () => {
      const connection = new FakeConnection();
      const listener = {
        slow: (bytes: number) => events.push(`slow ${bytes}`),
        tooSlow: () => events.push('too slow'),
      };
      const outlet = hub.open(connection, { format: 'json', isCompressed: false }, listener);
      return { connection, outlet };
    });
    return { topic, clients, events, quote, clock };
  }

  test('a turn of the event loop costs one write a connection, events in front of quotes', async () => {
    const { topic, clients, quote } = hubWith(3);
    for (const { outlet } of clients) outlet.follow([topic]);
    for (let count = 0; count < 10; count++) {
      quote();
      for (const { outlet } of clients) outlet.send(new Message(`{"type":"event","count":${count}}`));
    }
    await turn();
    for (const { connection } of clients) {
      expect(connection.written).toHaveLength(1);
      expect(connection.frames().map(({ type }) => type)).toEqual([
        ...Array(10).fill('event'),
        ...Array(10).fill('quote'),
      ]);
    }
  });

  test('who joins within a turn gets what is published from then on, and who is there already gets all of it', async () => {
    const { topic, clients, quote } = hubWith(2);
    const [early, late] = clients as [(typeof clients)[0], (typeof clients)[0]];
    early.outlet.follow([topic]);
    quote();
    quote();
    late.outlet.follow([topic]);
    quote();
    await turn();
    const sequences = ({ connection }: typeof early) => connection.frames().map(({ sequence }) => sequence);
    expect([sequences(early), sequences(late)]).toEqual([[1, 2, 3], [3]]);
    quote();
    await turn();
    expect([sequences(early).at(-1), sequences(late).at(-1)]).toEqual([4, 4]);
  });

  test('with a thousand connections all are written to, some a turn later', async () => {
    const { topic, clients, quote } = hubWith(1_000);
    for (const { outlet } of clients) outlet.follow([topic]);
    quote();
    await turn();
    expect(clients.filter(({ connection }) => connection.written.length === 1)).toHaveLength(512);
    await turn();
    expect(clients.filter(({ connection }) => connection.written.length === 1)).toHaveLength(1_000);
  });

  test('a client with more than 64 KiB buffered gets the latest quote, told how many it missed', async () => {
    const { topic, clients, events, quote, clock } = hubWith(1);
    const { connection, outlet } = clients[0]!;
    outlet.follow([topic]);
    quote();
    await turn();
    connection.bufferedBytes = 65_537;
    for (let count = 0; count < 5; count++) quote();
    await turn();
    clock.advance(250);
    await turn();
    expect(events).toEqual(['slow 65537']);
    expect(connection.frames()).toHaveLength(1);
    connection.drain();
    clock.advance(250);
    await turn();
    expect(connection.frames().slice(1)).toMatchObject([{ type: 'quote', sequence: 6, skipped: 4 }]);
    // It has to keep up for a while before it gets each of them again.
    quote();
    quote();
    await turn();
    expect(connection.frames()).toHaveLength(2);
    clock.advance(10_000);
    await turn();
    expect(connection.frames().at(-1)).toMatchObject({ sequence: 8, skipped: 1 });
    quote();
    quote();
    await turn();
    expect(connection.frames().slice(-2)).toMatchObject([{ sequence: 9 }, { sequence: 10 }]);
    expect(connection.frames().at(-1)).not.toHaveProperty('skipped');
  });

  test('a client that reads a little and stops is thinned until everything is read', async () => {
    const { clients, topic, events, quote } = hubWith(1);
    const { connection, outlet } = clients[0]!;
    outlet.follow([topic]);
    connection.bufferedBytes = 65_537;
    outlet.send(new Message('{"type":"event"}'));
    await turn();
    connection.bufferedBytes = 60_000;
    for (let count = 0; count < 5; count++) quote();
    connection.drain();
    expect(connection.frames().map(({ type }) => type)).toEqual(['event']);
    expect(events).toEqual(['slow 65537']);
  });

  test('what ends a subscription is said behind the last of its quotes, and a new snapshot too', async () => {
    const { clients, topic, quote } = hubWith(1);
    const { connection, outlet } = clients[0]!;
    outlet.follow([topic]);
    quote();
    outlet.unfollow([topic]);
    outlet.send(new Message('{"type":"reply"}'));
    quote();
    await turn();
    expect(connection.frames().map(({ type }) => type)).toEqual(['quote', 'reply']);
  });

  test('a slow round trip thins quotes although nothing is buffered', async () => {
    const { topic, clients, events, quote, clock } = hubWith(1);
    const { connection, outlet } = clients[0]!;
    outlet.follow([topic]);
    connection.roundTripMs = 1_501;
    clock.advance(250);
    expect(events).toEqual(['slow 0']);
    for (let count = 0; count < 3; count++) quote();
    await turn();
    expect(connection.written).toEqual([]);
    clock.advance(250);
    await turn();
    expect(connection.frames()).toMatchObject([{ sequence: 3, skipped: 2 }]);
  });

  test('account events of a slow client wait in order, and 256 KiB of them are too much', async () => {
    const { clients, events } = hubWith(1);
    const { connection, outlet } = clients[0]!;
    connection.bufferedBytes = 65_537;
    const event = (n: number) => new Message(JSON.stringify({ n, fill: 'x'.repeat(1_000) }));
    for (let n = 0; n < 200; n++) outlet.send(event(n));
    await turn();
    expect(connection.written).toEqual([]);
    expect(events).toEqual([]);
    connection.drain();
    expect(connection.frames().map(({ n }) => n)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    connection.bufferedBytes = 65_537;
    outlet.send(event(0));
    await turn();
    for (let n = 0; n < 260; n++) outlet.send(event(n));
    expect(events).toContain('too slow');
  });
});

test('a client that reads nothing is closed, and its neighbour is served meanwhile', async () => {
  const { port, keys, bus } = await bridge();
  const slow = await StreamClient.authenticated(port, keys.trader);
  const quick = await StreamClient.authenticated(port, keys.trader);
  for (const client of [slow, quick]) await client.ask({ type: 'subscribe', channels: ['orders:demo-1'] });
  slow.ws.pause();
  let sequence = 0;
  // The kernel takes some megabytes before anything is felt here.
  for (let count = 0; count < 400; count++) {
    bus.publish('commits:1/11', commitOf(++sequence, 'x'.repeat(50_000)));
    await quick.next((frame) => frame.type === 'event' && frame.sequence === sequence);
  }
  slow.ws.resume();
  // 4008, or 1006 where it was cut off before it read that far.
  expect([1006, 4008]).toContain(await slow.closed);
  expect(quick.of('event')).toHaveLength(400);
  expect(quick.ws.readyState).toBe(quick.ws.OPEN);
});

function commitOf(sequence: number, padding = ''): AccountCommit {
  const event = { type: 'order-pending-cancel', timeMicros: 0, orderId: 'o-11-1', symbol: 'EURUSD' } as const;
  const json = JSON.stringify({ type: event.type, sequence, padding });
  return {
    ...{ tenantId: 1, tenant: 'demo', accountId: 11, account: 'demo-1', seq: sequence, commandId: 'x', digest: 'x' },
    events: [{ channel: 'orders', sequence, event, json }],
  };
}
