import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { formatTime } from '../../../actors/trading/time.ts';
import { apiGateway } from '../../../transports/gateways/api.ts';
import { dataBridgeGateway } from '../../../transports/gateways/data-bridge.ts';
import { AskTimeout, MailboxFull, Retryable } from '../../../runtime/errors.ts';
import { newApiKey } from '../../../transports/api-key.ts';
import { fixture, limits } from '../support/fixture.ts';
import { marketOrder, StreamClient } from '../support/stream-client.ts';

async function bridge(change: Parameters<typeof fixture>[0] = {}) {
  const platform = fixture(change);
  const { port, gateway } = await platform.start(dataBridgeGateway);
  return { ...platform, port, gateway };
}

test('hello comes first, before anything is known of the client, and states the limits', async () => {
  const { port } = await bridge();
  const client = await StreamClient.connect(port);
  expect(client.frames).toEqual([
    {
      type: 'hello',
      version: 1,
      connection: 'c-1',
      heartbeatMs: 5_000,
      limits: { messagesPerSecond: 200, burst: 400, channels: 200 },
    },
  ]);
});

test('messages are handled in order, so subscribe may follow authenticate at once', async () => {
  const { port, keys } = await bridge();
  const client = await StreamClient.connect(port);
  client.send({ type: 'authenticate', id: 'a', token: keys.trader });
  client.send({ type: 'subscribe', id: 'b', channels: ['orders:demo-1', 'quotes:EURUSD'] });
  client.send({ type: 'ping', id: 'c' });
  await client.next((frame) => frame.id === 'c');
  expect(client.frames.map(({ type, id, ok, channel }) => [type, id ?? channel, ok])).toEqual([
    ['hello', undefined, undefined],
    ['reply', 'a', true],
    ['reply', 'b', true],
    ['snapshot', 'orders:demo-1', undefined],
    ['snapshot', 'quotes:EURUSD', undefined],
    ['reply', 'c', true],
  ]);
});

test('a client may authenticate with a header of the handshake', async () => {
  const { port, keys } = await bridge();
  const client = await StreamClient.connect(port, { headers: { authorization: `Bearer ${keys.trader}` } });
  expect(await client.ask({ type: 'subscribe', channels: ['orders:demo-1'] })).toMatchObject({ ok: true });
});

test('messages that come while a credential is looked up are handled afterwards, in order, however many', async () => {
  const { port, keys, services } = await bridge();
  const { findPrincipal } = services;
  const gate = Promise.withResolvers<void>();
  services.findPrincipal = (hash) => gate.promise.then(() => findPrincipal(hash));
  const client = await StreamClient.connect(port);
  client.send({ type: 'authenticate', id: '0', token: keys.trader });
  for (let count = 1; count <= 300; count++)
    client.send({
      type: count % 50 === 0 ? 'unsubscribe' : 'ping',
      id: String(count),
      ...(count % 50 === 0 ? { channels: ['x'] } : {}),
    });
  // A second connection is served meanwhile, so what is held up is this one alone.
  const other = await StreamClient.connect(port);
  await other.ask({ type: 'ping' });
  expect(client.of('reply')).toEqual([]);
  gate.resolve();
  await client.next((frame) => frame.id === '300');
  expect(client.of('reply').map(({ id }) => id)).toEqual(Array.from({ length: 301 }, (_, count) => String(count)));
});

test('another credential on the same connection takes over, and what the first had subscribed to ends', async () => {
  const { port, keys, quote } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD', 'orders:demo-1'] });
  expect(await client.ask({ type: 'authenticate', token: keys.stranger })).toMatchObject({
    ok: true,
    result: { role: 'trader', tenant: 'other' },
  });
  quote();
  expect(await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') })).toMatchObject({
    problem: { code: 'NOT_FOUND' },
  });
  expect(client.of('quote')).toEqual([]);
});

test('a credential that is refused leaves the connection as it was', async () => {
  const { port, keys } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  expect(await client.ask({ type: 'authenticate', token: 'x' })).toMatchObject({
    ok: false,
    problem: { code: 'UNAUTHENTICATED' },
  });
  expect(await client.ask({ type: 'subscribe', channels: ['orders:demo-1'] })).toMatchObject({ ok: true });
});

test('the public port has the same streams', async () => {
  const platform = fixture();
  const { port } = await platform.start(apiGateway);
  const client = await StreamClient.authenticated(port, platform.keys.trader);
  expect(await client.ask({ type: 'subscribe', channels: ['account:demo-1'] })).toMatchObject({ ok: true });
});

test('an acknowledgement is accepted and counted', async () => {
  const { port, keys, context } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  expect(await client.ask({ type: 'acknowledge', channel: 'orders:demo-1', sequence: 7 })).toMatchObject({ ok: true });
  expect(context.streams.counts.acknowledgements).toBe(1);
});

test('a header with a credential that is not valid closes with 4001', async () => {
  const { port } = await bridge();
  const client = await StreamClient.connect(port, { headers: { authorization: `Bearer ${newApiKey('test', 1)}` } });
  expect(await client.closed).toBe(4001);
  expect(client.of('bye')).toMatchObject([{ code: 4001 }]);
});

test('a client that does not authenticate within five seconds is closed with 4001', async () => {
  const { port, clock } = await bridge();
  const client = await StreamClient.connect(port);
  clock.advance(4_999);
  expect(client.ws.readyState).toBe(client.ws.OPEN);
  clock.advance(1);
  expect(await client.closed).toBe(4001);
});

test('an authenticated client is not closed for being quiet', async () => {
  const { port, clock, keys } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  clock.advance(6_000);
  expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
});

test.each([
  [{ type: 'subscribe', channels: ['orders:demo-1'] }],
  [{ type: 'submit-order', account: 'demo-1', order: marketOrder('a') }],
  [{ type: 'cancel-order', account: 'demo-1', orderId: 'o-1-1' }],
])('before authentication, %j is refused and the connection stays', async (message) => {
  const { port } = await bridge();
  const client = await StreamClient.connect(port);
  expect(await client.ask(message)).toMatchObject({ ok: false, problem: { code: 'UNAUTHENTICATED', status: 401 } });
  expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
});

test.each([
  ['{"type":"ping"', ''],
  ['{"type":"ping","id":"1","id":"1"}', ''],
  ['{"type":"ping","__proto__":{}}', ''],
  ['[]', ''],
  ['null', ''],
  ['{"type":"pong"}', 'type'],
  ['{"type":"toString"}', 'type'],
  ['{"id":"x"}', 'type'],
  ['{"type":"ping","colour":"red"}', 'colour'],
  ['{"type":"subscribe","channels":"quotes:EURUSD"}', 'channels'],
  ['{"type":"subscribe","channels":[]}', 'channels'],
  ['{"type":"acknowledge","channel":"orders:demo-1","sequence":1.5}', 'sequence'],
  [
    JSON.stringify({ type: 'submit-order', account: 'demo-1', order: marketOrder('a', { quantity: 0.1 }) }),
    'order.quantity',
  ],
  [JSON.stringify({ type: 'submit-order', account: 'demo-1', order: marketOrder('a', { note: 'x' }) }), 'order.note'],
  [JSON.stringify({ type: 'ping', id: 'x'.repeat(65) }), 'id'],
  [JSON.stringify({ type: 'cancel-order', id: '\u0000', account: 'demo-1', orderId: 'o-1-1' }), 'id'],
])('%# %.60s is answered with VALIDATION_FAILED and the connection stays', async (text, path) => {
  const { port, keys } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  client.send(text);
  const reply = await client.next((frame) => frame.type === 'reply' && frame.ok === false);
  expect(reply).toMatchObject({
    problem: { code: 'VALIDATION_FAILED', status: 400, type: '/docs/errors/VALIDATION_FAILED' },
  });
  if (path !== '') expect(reply.problem.errors.map((error) => error.path)).toContain(path);
  expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
});

test('a reply carries the id of its message, also when the rest of it is wrong, and null where it had none', async () => {
  const { port } = await bridge();
  const client = await StreamClient.connect(port);
  client.send({ type: 'nonsense', id: 'mine' });
  client.send({ type: 'ping' });
  await client.settled();
  expect(client.of('reply').map(({ id, ok }) => [id, ok])).toEqual([
    ['mine', false],
    [null, true],
    ['m1', true],
  ]);
});

test('the tenth malformed message within ten seconds closes with 4009, after its reply', async () => {
  const { port } = await bridge();
  const client = await StreamClient.connect(port);
  for (let count = 0; count < 10; count++) client.send('{');
  expect(await client.closed).toBe(4009);
  expect(client.of('reply')).toHaveLength(10);
  expect(client.frames.at(-1)).toMatchObject({ type: 'bye', code: 4009 });
});

test('malformed messages that are spread over more than ten seconds do not close', async () => {
  const { port, clock, keys } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  for (let count = 0; count < 9; count++) client.send('{');
  await client.settled();
  clock.advance(10_000);
  for (let count = 0; count < 9; count++) client.send('{');
  expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
});

test('a binary frame closes with 4009', async () => {
  const { port } = await bridge();
  const client = await StreamClient.connect(port);
  client.send(Buffer.from('{"type":"ping"}'));
  expect(await client.closed).toBe(4009);
});

test('a message of more than 64 KiB closes with 1009, one of 64 KiB is read', async () => {
  const { port } = await bridge();
  const client = await StreamClient.connect(port);
  client.send(`{"type":"ping"${' '.repeat(65_536 - 15)}}`);
  await client.next((frame) => frame.type === 'reply');
  client.send(' '.repeat(65_537));
  expect(await client.closed).toBe(1009);
});

test('invalid UTF-8 closes with 1007', async () => {
  const { port } = await bridge();
  const socket = connect(port, '127.0.0.1');
  socket.write(
    'GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  // A masked text frame (mask 0) that holds a lone continuation byte.
  socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x80]));
  const received: Buffer[] = [];
  for await (const chunk of socket) received.push(chunk as Buffer);
  const close = Buffer.concat(received).subarray(-4);
  expect([...close.subarray(0, 2), close.readUInt16BE(2)]).toEqual([0x88, 2, 1007]);
});

test('no sub-protocol is agreed to that the platform does not speak', async () => {
  const { port } = await bridge();
  const answer = await handshake(port, '/stream', 'Sec-WebSocket-Protocol: chat\r\n');
  expect(answer).toMatch(/^HTTP\/1.1 101 /);
  expect(answer).not.toContain('Protocol: ');
});

test('an upgrade at another path is refused', async () => {
  const { port } = await bridge();
  expect(await handshake(port, '/streams')).toMatch(/^HTTP\/1.1 404 /);
});

/** The first thing that the server says. */
async function handshake(port: number, path: string, headers = ''): Promise<string> {
  const upgrade = 'Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n';
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\n${upgrade}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}\r\n`);
  const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  socket.destroy();
  return answer.toString();
}

test('over the rate a message is refused with figures, and ten seconds of it close with 4029', async () => {
  const { port, clock, keys } = await bridge({
    limits: { ...limits, stream: { ...limits.stream, messagesPerSecond: 1, messageBurst: 2 } },
  });
  const client = await StreamClient.authenticated(port, keys.trader);
  await client.ask({ type: 'ping' });
  const refused = await client.ask({ type: 'ping' });
  expect(refused).toMatchObject({
    ok: false,
    problem: { code: 'TOO_MANY_REQUESTS', figures: { messagesPerSecond: '1', burst: '2' }, retryAfterMs: 1_000 },
  });
  for (let second = 0; second < 20; second++) {
    clock.advance(500);
    client.send({ type: 'ping' });
    client.send({ type: 'ping' });
    await client.next((frame) => frame.type === 'bye' || client.of('reply').length >= 2 * second + 4);
  }
  expect(await client.closed).toBe(4029);
});

test('an order is in its mailbox before the next message is handled, and replies come as orders become durable', async () => {
  const { port, keys, accounts, quote } = await bridge();
  quote();
  const account = accounts['demo-1']!;
  account.hold();
  const client = await StreamClient.authenticated(port, keys.trader);
  for (const name of ['a', 'b', 'c'])
    client.send({ type: 'submit-order', id: name, account: 'demo-1', order: marketOrder(name) });
  await client.settled();
  expect(account.commands).toMatchObject([{ clientOrderId: 'a' }, { clientOrderId: 'b' }, { clientOrderId: 'c' }]);
  expect(client.of('reply').map(({ id }) => id)).toEqual(['m1', 'm2']);
  account.commit();
  const reply = await client.next((frame) => frame.id === 'c');
  expect(reply).toEqual({
    type: 'reply',
    id: 'c',
    ok: true,
    result: { orderId: 'o-11-5', clientOrderId: 'c', state: 'SUBMITTED', duplicate: false },
  });
  expect(client.of('reply').map(({ id }) => id)).toEqual(['m1', 'm2', 'a', 'b', 'c']);
});

test('the same order again is answered with the first result; another under its id is refused', async () => {
  const { port, keys, quote } = await bridge();
  quote();
  const client = await StreamClient.authenticated(port, keys.trader);
  const submit = (change: object) =>
    client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a', change) });
  const first = await submit({});
  expect(await submit({})).toMatchObject({ ok: true, result: { ...first.result, duplicate: true } });
  expect(await submit({ quantity: '0.20' })).toMatchObject({
    ok: false,
    problem: { code: 'CLIENT_ORDER_ID_REUSED', status: 409 },
  });
});

test('a denial tells its figures and the order that it became', async () => {
  const { port, keys } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  const reply = await client.ask({
    type: 'submit-order',
    account: 'demo-1',
    order: marketOrder('a', { symbol: 'NOPE' }),
  });
  expect(reply).toMatchObject({
    ok: false,
    problem: {
      code: 'SYMBOL_UNKNOWN',
      status: 422,
      figures: { symbol: 'NOPE' },
      orderId: expect.any(String),
      clientOrderId: 'a',
      duplicate: false,
    },
  });
});

test('an order is withdrawn by its id, and one that does not exist is not found', async () => {
  const { port, keys, quote, accounts } = await bridge();
  quote();
  const client = await StreamClient.authenticated(port, keys.trader);
  const { result } = await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
  await accounts['demo-1']!.report({ type: 'accepted', orderId: result.orderId });
  const cancel = (orderId: string) => client.ask({ type: 'cancel-order', account: 'demo-1', orderId });
  expect(await cancel(result.orderId)).toMatchObject({
    ok: true,
    result: { orderId: result.orderId, state: 'PENDING_CANCEL' },
  });
  expect(await cancel('o-1-99')).toMatchObject({ ok: false, problem: { code: 'NOT_FOUND' } });
});

test.each([
  [{ type: 'amend-order', account: 'other-1', orderId: 'o-1-1', change: { quantity: '1' } }, 'NOT_FOUND'],
  [{ type: 'dead-man', account: 'other-1', timeoutMs: 1_000 }, 'NOT_FOUND'],
  [{ type: 'dead-man', account: 'demo-1', timeoutMs: 66_666 }, 'NOT_READY'],
  [{ type: 'dead-man', account: 'demo-1', timeoutMs: 999 }, 'VALIDATION_FAILED'],
  [{ type: 'dead-man', account: 'demo-1', timeoutMs: 86_400_001 }, 'VALIDATION_FAILED'],
  [{ type: 'cancel-on-disconnect', account: 'other-1', enabled: true }, 'NOT_FOUND'],
  [{ type: 'cancel-on-disconnect', account: 'demo-1' }, 'VALIDATION_FAILED'],
  [{ type: 'submit-order', account: 'other-1', order: marketOrder('a') }, 'NOT_FOUND'],
  [{ type: 'cancel-order', account: 'other-1', orderId: 'o-1-1' }, 'NOT_FOUND'],
  [{ type: 'subscribe', channels: ['orders:other-1'] }, 'NOT_FOUND'],
  [{ type: 'subscribe', channels: ['equity:other-1'] }, 'NOT_FOUND'],
  [{ type: 'subscribe', channels: ['orders'] }, 'NOT_FOUND'],
])('%j is refused with %s', async (message, code) => {
  const { port, keys, accounts } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  expect(await client.ask(message)).toMatchObject({ ok: false, problem: { code } });
  for (const account of Object.values(accounts)) expect(account.commands).toEqual([]);
});

test("a dead man's switch tells when it rings, and is switched off with 0", async () => {
  const { port, keys, clock } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  const set = (timeoutMs: number) => client.ask({ type: 'dead-man', account: 'demo-1', timeoutMs });
  const expiresAt = formatTime(clock.wallMicros() + 30_000_000);
  expect((await set(30_000)).result).toEqual({ account: 'demo-1', timeoutMs: 30_000, expiresAt });
  expect((await set(0)).result).toEqual({ account: 'demo-1', timeoutMs: 0 });
});

test('orders are withdrawn when a connection ends that has asked for it, behind those that are on their way', async () => {
  const { port, keys, quote, accounts } = await bridge();
  quote();
  const client = await StreamClient.authenticated(port, keys.trader);
  const enable = (enabled: boolean) => client.ask({ type: 'cancel-on-disconnect', account: 'demo-1', enabled });
  expect((await enable(true)).result).toEqual({ account: 'demo-1', enabled: true });
  client.send({ type: 'submit-order', id: 'x', account: 'demo-1', order: marketOrder('last') });
  client.ws.close();
  await vi.waitFor(() => expect(accounts['demo-1']!.commands).toHaveLength(3));
  expect(accounts['demo-1']!.commands).toMatchObject([
    { type: 'submit-order' },
    ...[{}, {}].map(() => ({ type: 'cancel-all', reason: 'disconnected' })),
  ]);
});

test('a connection that takes it back, or never asked, withdraws nothing', async () => {
  const { port, keys, accounts } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  await client.ask({ type: 'cancel-on-disconnect', account: 'demo-1', enabled: true });
  await client.ask({ type: 'cancel-on-disconnect', account: 'demo-1', enabled: false });
  const other = await StreamClient.authenticated(port, keys.trader);
  for (const one of [client, other]) {
    one.ws.close();
    await one.closed;
  }
  // Another connection is served behind the end of these.
  await (await StreamClient.authenticated(port, keys.trader)).ask({ type: 'ping' });
  expect(accounts['demo-1']!.commands).toEqual([]);
});

test('an order is changed while it works', async () => {
  const { port, keys, quote, accounts } = await bridge();
  quote();
  const client = await StreamClient.authenticated(port, keys.trader);
  const { result } = await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
  await accounts['demo-1']!.report({ type: 'accepted', orderId: result.orderId });
  const amend = { type: 'amend-order', account: 'demo-1', orderId: result.orderId, change: { quantity: '0.20' } };
  expect(await client.ask(amend)).toMatchObject({ ok: true, result: { state: 'PENDING_UPDATE' } });
});

test('roles that may not trade may not trade here either', async () => {
  const { port, keys } = await bridge();
  const client = await StreamClient.authenticated(port, keys['tenant-admin']);
  expect(await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') })).toMatchObject({
    problem: { code: 'FORBIDDEN', status: 403 },
  });
  const operator = await StreamClient.authenticated(port, keys.ops);
  expect(await operator.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] })).toMatchObject({
    problem: { code: 'FORBIDDEN' },
  });
});

test('an account that does not answer in time leaves the outcome of an order unknown', async () => {
  const { port, keys, accounts } = await bridge();
  const account = accounts['demo-1']!;
  const client = await StreamClient.authenticated(port, keys.trader);
  const submit = () => client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
  account.answer = () => Promise.reject(new AskTimeout(account.path, 'command', 1_000, 'handler'));
  expect(await submit()).toMatchObject({ problem: { code: 'OUTCOME_UNKNOWN', status: 503 } });
  account.answer = () => Promise.reject(new MailboxFull(account.path, 1_024));
  expect(await submit()).toMatchObject({ problem: { code: 'OVERLOADED', retryAfterMs: 500 } });
  account.answer = () =>
    Promise.resolve({ type: 'unavailable', code: 'NOT_READY', reason: 'secret reason', retryAfterMs: 250 });
  expect(await submit()).toMatchObject({ problem: { code: 'NOT_READY', retryAfterMs: 250 } });
});

test('an error that nobody expected is logged, and the client learns nothing of it', async () => {
  const { port, keys, accounts, logged } = await bridge();
  const account = accounts['demo-1']!;
  account.answer = () => Promise.reject(new Error('password=hunter2'));
  const client = await StreamClient.authenticated(port, keys.trader);
  const reply = await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') });
  expect(reply).toMatchObject({ problem: { code: 'INTERNAL', status: 500 } });
  expect(JSON.stringify(reply)).not.toContain('hunter2');
  expect(logged).toMatchObject([
    { level: 'error', fields: { err: { message: 'password=hunter2' }, traceId: reply.problem.traceId } },
  ]);
});

test('a credential that is revoked closes its connection with 4001 once it is looked up again', async () => {
  const { port, keys, clock, services } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  services.findPrincipal = async () => undefined;
  for (let atMs = 0; atMs < limits.authentication.cacheMs; atMs += limits.stream.heartbeatMs) {
    expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
    clock.advance(limits.stream.heartbeatMs);
  }
  expect(await client.closed).toBe(4001);
});

test('a revoked credential does not outlive its look-up because its address has failed too often', async () => {
  const { port, keys, clock, services, context } = await bridge();
  const { heartbeatMs } = limits.stream;
  const client = await StreamClient.connect(port);
  // Between two heartbeats, so that others find out first that the credential is nobody's.
  clock.advance(heartbeatMs / 2);
  await client.ask({ type: 'authenticate', token: keys.trader });
  for (let atMs = 0; atMs < limits.authentication.cacheMs; atMs += heartbeatMs) {
    clock.advance(heartbeatMs);
    await client.settled();
  }
  services.findPrincipal = async () => undefined;
  clock.advance(heartbeatMs / 2 - 1);
  for (let count = 0; count <= limits.authentication.failures.burst; count++)
    await context.authenticate(keys.trader, '127.0.0.1');
  expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
  clock.advance(1);
  expect(await client.closed).toBe(4029);
});

test('a client whose credential takes too long to look up may come again', async () => {
  const { port, keys, clock, services } = await bridge();
  services.findPrincipal = () => new Promise(() => {});
  const client = await StreamClient.connect(port);
  client.send({ type: 'authenticate', token: keys.trader });
  const other = await StreamClient.connect(port, { headers: { authorization: `Bearer ${keys.trader}` } });
  await StreamClient.connect(port);
  clock.advance(limits.stream.authenticateWithinMs);
  expect([await client.closed, await other.closed]).toEqual([1012, 1012]);
  expect(client.of('bye')).toMatchObject([{ retryAfterMs: 1_000 }]);
});

test('while credentials cannot be looked up, connections that have one stay', async () => {
  const { port, keys, clock, lookUps } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  lookUps.fails = new Away();
  for (let beat = 0; beat < 8; beat++) {
    clock.advance(limits.stream.heartbeatMs);
    expect(await client.ask({ type: 'ping' })).toMatchObject({ ok: true });
  }
  expect(lookUps.count).toBeGreaterThan(1);
});

class Away extends Retryable {
  constructor() {
    super('away', { retryAfterMs: 700 });
  }
}

test('a subscribe that cannot be answered yet gets its reply under its id, and is no error to log', async () => {
  const { port, keys, services, logged } = await bridge();
  services.findAccount = () => {
    throw new Away();
  };
  const client = await StreamClient.authenticated(port, keys.trader);
  expect(await client.ask({ type: 'subscribe', channels: ['orders:demo-1'] })).toMatchObject({
    ok: false,
    problem: { code: 'NOT_READY', retryAfterMs: 700 },
  });
  expect(await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('a') })).toMatchObject({
    problem: { code: 'NOT_READY' },
  });
  expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
});

test('an order that is under way when the gateway drains is answered before the goodbye, a later one is refused', async () => {
  const { port, keys, gateway, accounts, quote } = await bridge();
  quote();
  const account = accounts['demo-1']!;
  account.hold();
  const client = await StreamClient.authenticated(port, keys.trader);
  client.send({ type: 'submit-order', id: 'a', account: 'demo-1', order: marketOrder('a') });
  await client.settled();
  const drained = gateway.drain();
  expect(await client.ask({ type: 'submit-order', account: 'demo-1', order: marketOrder('b') })).toMatchObject({
    problem: { code: 'NOT_READY', retryAfterMs: 1_000 },
  });
  account.commit();
  expect(await client.closed).toBe(1012);
  expect(client.frames.slice(-2)).toMatchObject([
    { type: 'reply', id: 'a', ok: true, result: { state: 'SUBMITTED' } },
    { type: 'bye', code: 1012 },
  ]);
  expect(account.commands).toMatchObject([{ clientOrderId: 'a' }]);
  await drained;
});

test('nothing follows a goodbye, not even quotes of the same turn', async () => {
  const { port, keys, gateway, quote } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  await client.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
  quote();
  const drained = gateway.drain();
  await client.closed;
  expect(client.frames.slice(-2).map(({ type }) => type)).toEqual(['quote', 'bye']);
  await drained;
});

test('a gateway that drains says goodbye with 1012 and takes no more connections', async () => {
  const { port, keys, gateway } = await bridge();
  const client = await StreamClient.authenticated(port, keys.trader);
  const drained = gateway.drain();
  expect(await client.closed).toBe(1012);
  expect(client.of('bye')).toMatchObject([{ code: 1012, reason: 'restarting', retryAfterMs: 1_000 }]);
  await drained;
  await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
});
