import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { missedEvents } from '../../../transports/streams/resume.ts';
import { fixture, limits } from '../support/fixture.ts';
import { marketOrder, StreamClient } from '../support/stream-client.ts';

const channels = ['orders:demo-1', 'positions:demo-1', 'account:demo-1'];
const epoch = 'journal-demo-1';

async function bridge(change: Parameters<typeof fixture>[0] = {}) {
  const platform = fixture(change);
  const { port } = await platform.start(dataBridgeGateway);
  platform.quote();
  const trader = await StreamClient.authenticated(port, platform.keys.trader);
  const submit = (name: string) => trader.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder(name) });
  const resume = async (orders: { epoch: string; sequence: number }) => {
    const client = await StreamClient.authenticated(port, platform.keys.trader);
    const reply = await client.ask({
      ...{ type: 'subscribe', channels: ['orders:demo-1'], resume: { 'orders:demo-1': orders } },
    });
    return { client, reply };
  };
  const watch = async () => {
    const client = await StreamClient.authenticated(port, platform.keys.trader);
    await client.ask({ type: 'subscribe', channels });
    return client;
  };
  return { ...platform, port, submit, resume, watch };
}

const sequences = (client: StreamClient, type: string) => client.of(type).map(({ sequence }) => sequence);

describe('a client that comes back', () => {
  test('gets what it missed from what is kept at hand, without a snapshot', async () => {
    const { submit, watch, resume, accounts } = await bridge();
    const first = await watch();
    for (const name of ['a', 'b', 'c']) await submit(name);
    first.ws.close();
    await first.closed;
    await submit('d');
    // What is at hand needs neither the account nor its journal.
    accounts['demo-1']!.answer = () => Promise.reject(new Error('nobody asks'));
    accounts['demo-1']!.rows.length = 0;
    const { client, reply } = await resume({ epoch, sequence: 1 });
    expect(reply.result).toEqual({ 'orders:demo-1': { epoch, mode: 'replay', from: 2 } });
    await client.next((frame) => frame.type === 'event' && frame.sequence === 4);
    expect(sequences(client, 'event')).toEqual([2, 3, 4]);
    expect(client.of('snapshot')).toEqual([]);
    expect(client.of('event').map(({ data }) => data['clientOrderId'])).toEqual(['b', 'c', 'd']);
  });

  test('gets it from the journal where nothing is at hand, with the same text, and goes on live', async () => {
    const { submit, resume, accounts } = await bridge();
    for (const name of ['a', 'b', 'c']) await submit(name);
    const { client, reply } = await resume({ epoch, sequence: 1 });
    expect(reply.result).toEqual({ 'orders:demo-1': { epoch, mode: 'replay', from: 2 } });
    await submit('d');
    await client.next((frame) => frame.type === 'event' && frame.sequence === 4);
    expect(sequences(client, 'event')).toEqual([2, 3, 4]);
    const texts = accounts['demo-1']!.rows.flatMap(({ events }) => events).filter(
      ({ channel }) => channel === 'orders',
    );
    expect(client.of('event').map(({ data }) => data)).toEqual(
      texts.slice(1).map(({ json }) => JSON.parse(json) as object),
    );
  });

  test('and has missed nothing gets only what comes', async () => {
    const { submit, resume } = await bridge();
    await submit('a');
    const { client, reply } = await resume({ epoch, sequence: 1 });
    expect(reply.result).toEqual({ 'orders:demo-1': { epoch, mode: 'replay', from: 2 } });
    await submit('b');
    await client.next((frame) => frame.type === 'event');
    expect(sequences(client, 'event')).toEqual([2]);
  });

  test.each([
    ['of another journal', { epoch: 'before-the-restore', sequence: 1 }, 'epoch'],
    ['from a future that did not happen', { epoch, sequence: 9 }, 'ahead'],
  ])('from a position %s is told so and shown all', async (_name, position, reason) => {
    const { submit, resume } = await bridge();
    await submit('a');
    const { client, reply } = await resume(position);
    expect(reply.result).toEqual({ 'orders:demo-1': { epoch, mode: 'snapshot' } });
    await client.settled();
    expect(client.of('resync')).toEqual([{ type: 'resync', channel: 'orders:demo-1', epoch, reason }]);
    expect(client.of('snapshot')).toMatchObject([{ sequence: 1, data: { items: [{ clientOrderId: 'a' }] } }]);
    const types = client.frames.map(({ type }) => type);
    expect(types.slice(types.indexOf('resync'), types.indexOf('resync') + 2)).toEqual(['resync', 'snapshot']);
  });

  test('and was away for longer than is looked up is shown all', async () => {
    const { submit, resume } = await bridge({
      limits: { ...limits, stream: { ...limits.stream, resumeJournalRows: 2 } },
    });
    for (const name of ['a', 'b', 'c', 'd']) await submit(name);
    const { client, reply } = await resume({ epoch, sequence: 1 });
    expect(reply.result).toEqual({ 'orders:demo-1': { epoch, mode: 'snapshot' } });
    await client.settled();
    expect(client.of('resync')).toMatchObject([{ reason: 'too-far-behind' }]);
    expect(client.of('snapshot')).toMatchObject([{ sequence: 4 }]);
  });

  test('finds nothing at hand any more five minutes after the last client has left', async () => {
    const { submit, watch, resume, clock, accounts } = await bridge();
    const first = await watch();
    await submit('a');
    first.ws.close();
    await first.closed;
    await turn();
    clock.advance(limits.stream.resumeRingMs + 20_000);
    let reads = 0;
    const account = accounts['demo-1']!;
    account.answer = (message) => {
      reads += 1;
      account.answer = undefined;
      return account.ask(message);
    };
    const { client } = await resume({ epoch, sequence: 0 });
    await client.next((frame) => frame.type === 'event');
    expect([reads, sequences(client, 'event')]).toEqual([1, [1]]);
  });
});

describe('events from the journal', () => {
  const entry = { account: 'demo-1', streamEpoch: epoch } as never;
  /** Each row holds one event of orders, and every tenth one of account too. */
  async function* journalled(_entry: unknown, afterSeq: number) {
    for (let seq = afterSeq + 1; seq <= 20_000; seq++) {
      const orders = { channel: 'orders' as const, json: `${seq}` };
      yield { seq, events: seq % 10 === 0 ? [orders, { channel: 'account' as const, json: `${seq}` }] : [orders] };
    }
  }
  const durable = { seq: 15_000, sequences: { orders: 15_000, positions: 0, account: 1_500 } };

  test('are numbered from the end, however far back they are looked for', async () => {
    for (const after of [14_999, 14_900, 13_000, 5_000]) {
      const missed = await missedEvents(journalled, entry, durable, new Map([['orders', after]]), 10_000);
      expect(missed!.map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: 15_000 - after }, (_, n) => after + 1 + n),
      );
      expect(missed!.every(({ sequence, message }) => message.text.endsWith(`"data":${sequence}}`))).toBe(true);
    }
  });

  test('of several channels come in the order of the journal', async () => {
    const after = new Map([
      ['orders', 14_998],
      ['account', 1_499],
    ] as const);
    const missed = await missedEvents(journalled, entry, durable, after, 10_000);
    expect(missed!.map(({ channel, sequence }) => `${channel} ${sequence}`)).toEqual([
      ...['orders 14999', 'orders 15000', 'account 1500'],
    ]);
  });

  test('are not looked for beyond the limit', async () => {
    expect(await missedEvents(journalled, entry, durable, new Map([['orders', 4_999]]), 10_000)).toBeUndefined();
  });
});
