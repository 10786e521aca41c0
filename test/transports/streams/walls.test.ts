/** What one client can do to another: see nothing of another tenant, and slow nobody down. */
import { describe, expect, test } from 'vitest';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { fixture, limits } from '../support/fixture.ts';
import { marketOrder, StreamClient } from '../support/stream-client.ts';

async function bridge() {
  const platform = fixture();
  const { port } = await platform.start(dataBridgeGateway);
  platform.quote();
  return { ...platform, port };
}

describe('a client of one tenant', () => {
  const theirs = ['orders', 'positions', 'account', 'equity'].map((kind) => `${kind}:other-1`);

  test('gets NOT_FOUND and not one byte of another that trades meanwhile', async () => {
    const { port, keys, quote, bus } = await bridge();
    const client = await StreamClient.authenticated(port, keys.trader);
    const received: string[] = [];
    const listen = (): void => void client.ws.on('message', (data: Buffer) => received.push(data.toString()));
    const answers = [];
    const resume = Object.fromEntries(theirs.map((name) => [name, { epoch: 'journal-other-1', sequence: 0 }]));
    for (const channel of theirs) answers.push(await client.ask({ type: 'subscribe', channels: [channel] }));
    answers.push(await client.ask({ type: 'subscribe', channels: theirs, resume }));
    const account = 'other-1';
    for (const message of [
      { type: 'submit-order', account, order: marketOrder('mine') },
      { type: 'cancel-order', account, orderId: 'o-21-3' },
      { type: 'amend-order', account, orderId: 'o-21-3', change: { quantity: '0.20' } },
      { type: 'dead-man', account, timeoutMs: 5_000 },
      { type: 'cancel-on-disconnect', account, enabled: true },
    ])
      answers.push(await client.ask(message));
    for (const answer of answers) expect(answer).toMatchObject({ ok: false, problem: { code: 'NOT_FOUND' } });
    await client.ask({ type: 'subscribe', channels: ['alerts', 'signals:EURUSD', 'quotes:EURUSD', 'orders:demo-1'] });
    listen();
    const stranger = await StreamClient.authenticated(port, keys.stranger);
    await stranger.ask({ type: 'subscribe', channels: [...theirs, 'signals:EURUSD', 'alerts'] });
    for (let n = 0; n < 20; n++)
      await stranger.ask({ type: 'submit-order', account, order: marketOrder(`secret-${n}`) });
    bus.publish('signals:2/EURUSD', { json: { id: 'secret-signal' } });
    bus.publish('alerts', {
      ...{ tenantId: 2, timeMicros: 0, severity: 'warning', type: 'margin-called', subject: account, account },
      text: 'secret',
    });
    quote();
    await client.settled();
    expect(stranger.of('event').length).toBeGreaterThan(19);
    expect(received.length).toBeGreaterThan(0);
    for (const text of received) expect(text).not.toMatch(/other|secret|o-21-/);
  });

  test('is told the same of what is not there and of what is not its own', async () => {
    const { port, keys } = await bridge();
    const client = await StreamClient.authenticated(port, keys.trader);
    const refusal = async (channel: string) => {
      const { problem } = await client.ask({ type: 'subscribe', channels: [channel] });
      return JSON.stringify({ ...problem, traceId: '' }).replaceAll(channel.split(':')[1]!, '<name>');
    };
    for (const kind of ['orders', 'positions', 'account', 'equity'])
      expect(await refusal(`${kind}:other-1`)).toBe(await refusal(`${kind}:nobody-1`));
  });
});

describe('clients that never read', () => {
  const { heartbeatMs, slowBytes, slowCloseBytes, slowCloseAfterMs } = limits.stream;

  test.each([1, 200])(
    '%i of them are found within two pings, cost little, and cost the others nothing',
    async (count) => {
      const { port, keys, quote, clock, context } = await bridge();
      const reader = await StreamClient.authenticated(port, keys.trader);
      await reader.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
      const stalled = await Promise.all(
        Array.from({ length: count }, () => StreamClient.authenticated(port, keys.trader)),
      );
      for (const client of stalled) await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
      const from = context.services.quotes.get('EURUSD')!.sequence;
      for (const client of stalled) client.ws.pause();
      let sent = 0;
      let mostHeld = 0;
      const figures = () => context.streams.connections().filter(({ id }) => id !== 'c-1');
      for (let atMs = 0; atMs < 2 * heartbeatMs; atMs += 250) {
        for (let n = 0; n < 25; n++) quote({ bid: 108_000_000 + sent++ });
        clock.advance(250);
        // Who reads is waited for; nobody else is.
        await reader.ask({ type: 'ping' });
        mostHeld = Math.max(
          mostHeld,
          ...figures().map(({ bufferedBytes, queuedBytes }) => bufferedBytes + queuedBytes),
        );
      }
      expect(figures().filter(({ isSlow }) => isSlow)).toHaveLength(count);
      expect(mostHeld).toBeLessThanOrEqual(slowBytes + slowCloseBytes);
      const sequences = reader.of('quote').map(({ sequence }) => sequence);
      expect(sequences).toEqual(Array.from({ length: sent }, (_, n) => from + n + 1));
      expect(reader.of('slow')).toEqual([]);
      for (let atMs = 0; atMs < slowCloseAfterMs; atMs += 250) {
        clock.advance(250);
        await reader.ask({ type: 'ping' });
      }
      expect(context.streams.counts).toMatchObject({ ended: new Map([[4008, count]]) });
    },
    60_000,
  );
});
