/** Who is let in, for how long, and how much all connections of a tenant may have. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { apiGateway } from '../../../transports/gateways/api.ts';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { fixture, limits, type Fixture } from '../support/fixture.ts';
import { StreamClient } from '../support/stream-client.ts';

async function bridge(change: Parameters<typeof fixture>[0] = {}) {
  const platform = fixture(change);
  const { port } = await platform.start(dataBridgeGateway);
  const api = await platform.start(apiGateway);
  const ticket = async (key = platform.keys.trader) => {
    const response = await fetch(`${api.url}/api/v1/stream-tickets`, {
      ...{ method: 'POST', headers: { authorization: `Bearer ${key}` } },
    });
    return { status: response.status, body: (await response.json()) as { ticket: string; expiresInSeconds: number } };
  };
  return { ...platform, port, ticket };
}

function withStream(change: Partial<typeof limits.stream>) {
  return { limits: { ...limits, stream: { ...limits.stream, ...change } } };
}

/** From here on the trader's credential ends at that time. */
function expireAt({ services }: Fixture, expiresMicros: number): void {
  const { findPrincipal } = services;
  services.findPrincipal = async (hash) => {
    const principal = await findPrincipal(hash);
    return principal && { ...principal, expiresMicros };
  };
}

describe('a ticket', () => {
  test('opens one stream, for thirty seconds', async () => {
    const { ticket, port, clock } = await bridge();
    const { status, body } = await ticket();
    expect([status, body.expiresInSeconds]).toEqual([201, 30]);
    const protocols = ['aitrading.v1.json', `ticket.${body.ticket}`];
    const client = await StreamClient.connect(port, { protocols });
    expect(client.ws.protocol).toBe('aitrading.v1.json');
    expect(await client.ask({ type: 'subscribe', channels: ['account:demo-1'] })).toMatchObject({ ok: true });
    const again = await StreamClient.connect(port, { protocols });
    expect(await again.closed).toBe(4001);
    const late = await ticket();
    clock.advance(30_000);
    const tooLate = await StreamClient.connect(port, { protocols: [`ticket.${late.body.ticket}`] });
    expect(await tooLate.closed).toBe(4001);
  });

  test('alone is agreed to as a sub-protocol, since browsers give up where none is', async () => {
    const { ticket, port } = await bridge();
    const protocol = `ticket.${(await ticket()).body.ticket}`;
    const client = await StreamClient.connect(port, { protocols: [protocol] });
    expect(client.ws.protocol).toBe(protocol);
  });

  test('is given for a valid credential alone', async () => {
    const { ticket } = await bridge();
    expect((await ticket('nobody')).status).toBe(401);
  });

  test('stands for its credential: revoked, the stream ends', async () => {
    const { ticket, port, services, clock } = await bridge();
    const protocols = [`ticket.${(await ticket()).body.ticket}`];
    const client = await StreamClient.connect(port, { protocols });
    await client.settled();
    services.findPrincipal = async () => undefined;
    for (let atMs = 0; atMs < limits.authentication.cacheMs; atMs += limits.stream.heartbeatMs) {
      await client.ask({ type: 'ping' });
      clock.advance(limits.stream.heartbeatMs);
    }
    expect(await client.closed).toBe(4001);
  });
});

describe('a credential that ends', () => {
  test('ends its stream at the next heartbeat, and is said beforehand when', async () => {
    const platform = await bridge();
    expireAt(platform, platform.clock.wallMicros() + 7_000_000);
    const client = await StreamClient.connect(platform.port);
    const reply = await client.ask({ type: 'authenticate', token: platform.keys.trader });
    expect(reply.result).toMatchObject({ expiresAt: '2027-01-15T08:00:07.000000Z' });
    platform.clock.advance(5_000);
    expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
    platform.clock.advance(5_000);
    expect(await client.closed).toBe(4001);
  });

  test('renewed in time by its holder keeps its subscriptions', async () => {
    const { port, keys, quote } = await bridge();
    const client = await StreamClient.authenticated(port, keys.trader);
    await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD', 'orders:demo-1'] });
    await client.ask({ type: 'authenticate', token: keys.trader });
    quote();
    expect(await client.next((frame) => frame.type === 'quote')).toMatchObject({ sequence: 1 });
  });

  test('of another holder takes over, and what was subscribed to ends', async () => {
    const { port, keys, quote } = await bridge();
    const client = await StreamClient.authenticated(port, keys.trader);
    await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
    await client.ask({ type: 'authenticate', token: keys.stranger });
    quote();
    await client.settled();
    expect(client.of('quote')).toEqual([]);
  });
});

describe('all connections of a tenant', () => {
  const tenant = { connections: 2, channels: 3, messages: { perSecond: 1, burst: 10 } };

  test('are as many as the tenant may have; a neighbour is not concerned', async () => {
    const { port, keys } = await bridge(withStream({ tenant }));
    const first = await StreamClient.authenticated(port, keys.trader);
    await StreamClient.authenticated(port, keys.trader);
    const third = await StreamClient.connect(port);
    third.send({ type: 'authenticate', token: keys.trader });
    expect(await third.closed).toBe(4029);
    expect(third.of('bye')).toMatchObject([{ code: 4029, retryAfterMs: 5_000 }]);
    expect(await (await StreamClient.authenticated(port, keys.stranger)).ask({ type: 'ping' })).toMatchObject({
      ok: true,
    });
    first.ws.close();
    await first.closed;
    expect(await (await StreamClient.authenticated(port, keys.trader)).ask({ type: 'ping' })).toMatchObject({
      ok: true,
    });
  });

  test('share their channels', async () => {
    const { port, keys } = await bridge(withStream({ tenant }));
    const [one, two] = [
      await StreamClient.authenticated(port, keys.trader),
      await StreamClient.authenticated(port, keys.trader),
    ];
    await one.ask({ type: 'subscribe', channels: ['quotes:EURUSD', 'quotes:USDJPY'] });
    const both = { type: 'subscribe', channels: ['orders:demo-1', 'orders:demo-2'] };
    expect(await two.ask(both)).toMatchObject({
      problem: { code: 'TOO_MANY_REQUESTS', figures: { limit: '3', was: '4' } },
    });
    await one.ask({ type: 'unsubscribe', channels: ['quotes:EURUSD'] });
    expect(await two.ask(both)).toMatchObject({ ok: true });
  });

  test('share their messages, and nobody is sent away for what a neighbour sends', async () => {
    const { port, keys } = await bridge(withStream({ tenant }));
    const [one, two] = [
      await StreamClient.authenticated(port, keys.trader),
      await StreamClient.authenticated(port, keys.trader),
    ];
    for (let count = 0; count < 10; count++) await one.ask({ type: 'ping' });
    expect(await two.ask({ type: 'ping' })).toMatchObject({ problem: { code: 'TOO_MANY_REQUESTS', status: 429 } });
    expect(two.ws.readyState).toBe(two.ws.OPEN);
  });
});

test('beyond the connections of the process an upgrade is answered with 503', async () => {
  const { port } = await bridge(withStream({ connections: 1 }));
  await StreamClient.connect(port);
  const refused = new WebSocket(`ws://127.0.0.1:${port}/stream`);
  const [error] = (await once(refused, 'error')) as [Error];
  expect(error.message).toBe('Unexpected server response: 503');
});
