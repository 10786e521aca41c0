/** Whatever a client sends is answered, or the connection is closed by the rules; the others never notice. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { fixture, limits } from '../support/fixture.ts';
import { marketOrder, StreamClient } from '../support/stream-client.ts';

const messages = Math.ceil(100_000 * Number(process.env['TEST_SCALE'] ?? 1));
/** So many of one connection; then another is made. */
const ofOneConnection = 100;

const good: readonly object[] = [
  { type: 'authenticate', token: 'x' },
  { type: 'subscribe', channels: ['quotes:EURUSD', 'orders:demo-1', 'equity:demo-1', 'alerts'] },
  { type: 'subscribe', channels: ['orders:demo-1'], resume: { 'orders:demo-1': { epoch: 'a', sequence: 1 } } },
  { type: 'unsubscribe', channels: ['quotes:EURUSD'] },
  { type: 'submit-order', account: 'demo-1', order: marketOrder('a') },
  { type: 'amend-order', account: 'demo-1', orderId: 'o-11-1', change: { quantity: '0.20' } },
  { type: 'cancel-order', account: 'demo-1', orderId: 'o-11-1' },
  { type: 'dead-man', account: 'demo-1', timeoutMs: 5_000 },
  { type: 'cancel-on-disconnect', account: 'demo-1', enabled: false },
  { type: 'acknowledge', channel: 'quotes:EURUSD', sequence: 1 },
  { type: 'ping' },
];

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    '0x10',
    '1e999',
    '__proto__',
    'constructor',
    '\u0000',
    '\u{1F4A9}',
    'x'.repeat(129),
  ),
  fc.constantFrom<unknown>(-1, 1e308, Number.MAX_SAFE_INTEGER, 0.1, true, [], {}, [[]], { __proto__x: 1 }),
  fc.anything({ maxDepth: 2, withNullPrototype: false }),
);

/** A good message with one member broken, at any depth. */
const broken = fc.tuple(fc.constantFrom(...good), fc.nat(), odd).map(([message, at, value]) => {
  const copy = structuredClone(message) as Record<string, unknown>;
  const places = placesOf(copy);
  const place = places[at % places.length]!;
  place.holder[place.key] = value;
  return textOf(copy);
});

const hostile = fc.oneof(
  broken,
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.json(),
  fc.constantFrom(
    `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
    `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
    '{"type":"ping","type":"ping"}',
    '{"type":"ping","__proto__":{"isAllowed":true}}',
    '{"type":"ping","constructor":{"prototype":{"polluted":true}}}',
    '{"type":"subscribe","channels":["quotes:EURUSD"],"resume":{"__proto__":{"epoch":"a","sequence":1}}}',
    '{"type":"subscribe","channels":["__proto__","constructor:x","quotes:__proto__","candles:EURUSD:__proto__","orders:constructor"]}',
    '{"type":"ping","id":"\\ud800"}',
    '{"type":"submit-order","account":"demo-1","order":{"quantity":0.1}}',
    JSON.stringify({ type: 'subscribe', channels: Array.from({ length: 1_001 }, (_, n) => `quotes:${n}`) }),
    JSON.stringify({ type: 'ping', id: 'x'.repeat(64) }),
    JSON.stringify({ type: 'ping', id: 'x'.repeat(65) }),
    JSON.stringify({ type: 'ping', fill: 'x'.repeat(65_000) }),
  ),
);

test(`${messages} hostile messages are answered each, and the platform goes on`, async () => {
  const platform = fixture({
    limits: {
      ...limits,
      stream: {
        ...{ ...limits.stream, messagesPerSecond: 1e6, messageBurst: 1e6, protocolErrors: 1e6 },
        tenant: { ...limits.stream.tenant, messages: { perSecond: 1e6, burst: 1e6 } },
      },
    },
  });
  const { port } = await platform.start(dataBridgeGateway);
  platform.quote();
  const neighbour = await StreamClient.authenticated(port, platform.keys.trader);
  for (let sent = 0; sent < messages; sent += ofOneConnection) {
    const client = await StreamClient.authenticated(port, platform.keys.trader);
    const texts = fc.sample(hostile, { numRuns: ofOneConnection, seed: sent });
    for (const text of texts) client.send(text);
    // Messages are handled in order: this one is answered behind all of them.
    expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
    // Commands are answered when they are durable, the others before; an acknowledgement that asks for none gets none.
    const unanswered = texts.filter((text) => text.startsWith('{"type":"acknowledge"')).length;
    expect(client.of('reply').length).toBeGreaterThanOrEqual(ofOneConnection - unanswered);
    client.ws.close();
    await client.closed;
  }
  expect(await neighbour.ask({ type: 'ping' })).toMatchObject({ ok: true });
  expect(platform.logged.filter(({ level }) => level === 'error')).toEqual([]);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(platform.context.streams.connections().map(({ id }) => id)).toEqual(['c-1']);
}, 600_000);

test('ten of them within ten seconds are enough', async () => {
  const platform = fixture();
  const { port } = await platform.start(dataBridgeGateway);
  const client = await StreamClient.authenticated(port, platform.keys.trader);
  for (let n = 0; n < limits.stream.protocolErrors; n++) client.send('['.repeat(10_000));
  expect(await client.closed).toBe(4009);
});

test.each([
  [65_536, 'answered'],
  [65_537, 1009],
] as const)('a message of %i bytes is %s', async (bytes, outcome) => {
  const platform = fixture();
  const { port } = await platform.start(dataBridgeGateway);
  const client = await StreamClient.authenticated(port, platform.keys.trader);
  const head = '{"type":"ping","id":"z","fill":"';
  client.send(`${head}${'x'.repeat(bytes - head.length - 2)}"}`);
  if (outcome === 1009) expect(await client.closed).toBe(1009);
  else expect(await client.next((frame) => frame.id === 'z')).toMatchObject({ problem: { code: 'VALIDATION_FAILED' } });
});

function placesOf(value: unknown): { holder: Record<string, unknown>; key: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesOf(holder[key])]);
}

/** What JSON has no word for becomes null. */
function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? String(member) : member)) ?? 'null'
  );
}
