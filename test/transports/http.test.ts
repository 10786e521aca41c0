import { stripTypeScriptTypes } from 'node:module';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../runtime/errors.ts';
import { DatabaseUnavailable } from '../../transports/drivers/postgres.ts';
import { newApiKey } from '../../transports/api-key.ts';
import { aiGateway } from '../../transports/gateways/ai.ts';
import { analyticsGateway } from '../../transports/gateways/analytics.ts';
import { apiGateway } from '../../transports/gateways/api.ts';
import { billingGateway } from '../../transports/gateways/billing.ts';
import { dataBridgeGateway } from '../../transports/gateways/data-bridge.ts';
import { databaseGateway } from '../../transports/gateways/database.ts';
import { hubGateway } from '../../transports/gateways/hub.ts';
import { tradingGateway } from '../../transports/gateways/trading.ts';
import { PortUnavailable } from '../../transports/http.ts';
import { fixture, limits } from './support/fixture.ts';
import { marketOrder } from './support/stream-client.ts';

async function trading(change: Parameters<typeof fixture>[0] = {}) {
  const platform = fixture(change);
  platform.quote();
  const { url, port, gateway } = await platform.start(tradingGateway);
  const call = callerOf(url, platform.keys.trader);
  return { ...platform, url, port, gateway, call };
}

function callerOf(url: string, key: string) {
  return async (
    path: string,
    init: { method?: string; body?: unknown; headers?: Record<string, string>; token?: string | null } = {},
  ) => {
    const { method = 'GET', body, headers, token = key } = init;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: text.startsWith('{') ? JSON.parse(text) : undefined,
    };
  };
}

const orders = '/api/v1/accounts/demo-1/orders';

describe('orders', () => {
  test('an order that is durable is answered with 201, and again with the first result', async () => {
    const { call } = await trading();
    const first = await call(orders, { method: 'POST', body: marketOrder('a') });
    expect(first.status).toBe(201);
    expect(first.json).toEqual({
      ...{ orderId: 'o-11-3', clientOrderId: 'a', state: 'SUBMITTED', duplicate: false },
      ...{ symbol: 'EURUSD', side: 'buy', type: 'market', quantity: '0.10', timeInForce: 'ioc' },
    });
    expect(first.headers.get('location')).toBe(`${orders}/o-11-3`);
    const again = await call(orders, { method: 'POST', body: marketOrder('a') });
    expect([again.status, again.json]).toEqual([201, { ...first.json, duplicate: true }]);
    const other = await call(orders, { method: 'POST', body: marketOrder('a', { side: 'sell' }) });
    expect([other.status, other.json.code]).toEqual([409, 'CLIENT_ORDER_ID_REUSED']);
  });

  test('a denial is 422 with its figures and the order that it became', async () => {
    const { call } = await trading();
    const { status, headers, json } = await call(orders, {
      method: 'POST',
      body: marketOrder('a', { quantity: '0.001' }),
    });
    expect(status).toBe(422);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(json).toMatchObject({
      type: '/docs/errors/QUANTITY_BELOW_MINIMUM',
      code: 'QUANTITY_BELOW_MINIMUM',
      status: 422,
      orderId: 'o-11-3',
      duplicate: false,
    });
    expect(json.figures).toBeTypeOf('object');
  });

  test('an order is withdrawn with DELETE, and changed with PATCH while it works', async () => {
    const { call, accounts } = await trading();
    await call(orders, { method: 'POST', body: marketOrder('a') });
    await accounts['demo-1']!.report({ type: 'accepted', orderId: 'o-11-3' });
    expect(await call(`${orders}/o-11-3`, { method: 'DELETE' })).toMatchObject({
      status: 202,
      json: { orderId: 'o-11-3', state: 'PENDING_CANCEL' },
    });
    const json = { 'content-type': 'application/json' };
    expect(await call(`${orders}/o-11-3`, { method: 'DELETE', headers: json })).toMatchObject({ status: 202 });
    expect(await call(`${orders}/o-11-9`, { method: 'DELETE' })).toMatchObject({
      status: 404,
      json: { code: 'NOT_FOUND' },
    });
    const change = { quantity: '0.20' };
    expect(await call(`${orders}/o-11-3`, { method: 'PATCH', body: change })).toMatchObject({
      status: 409,
      json: { code: 'ORDER_PENDING_CANCEL' },
    });
    for (const body of [{}, { quantity: '0' }, { symbol: 'EURUSD' }, { limitPrice: 1 }])
      expect((await call(`${orders}/o-11-3`, { method: 'PATCH', body })).status).toBe(400);
    const { orderId } = (await call(orders, { method: 'POST', body: marketOrder('b') })).json;
    await accounts['demo-1']!.report({ type: 'accepted', orderId });
    expect(await call(`${orders}/${orderId}`, { method: 'PATCH', body: change })).toMatchObject({
      status: 202,
      json: { orderId, state: 'PENDING_UPDATE', duplicate: false },
    });
    expect(await call(`${orders}/${orderId}`, { method: 'PATCH', body: { quantity: '0.001' } })).toMatchObject({
      status: 409,
      json: { code: 'ORDER_NOT_WORKING', figures: { state: 'PENDING_UPDATE' } },
    });
  });

  test('a position is closed by an order at the market, and one that is not there is not found', async () => {
    const { call, accounts } = await trading();
    const close = '/api/v1/accounts/demo-1/positions/p-11-9/close';
    expect(await call(close, { method: 'POST', body: {} })).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
    for (const body of [{ quantity: '0' }, { quantity: '1', by: 'p-11-8' }, { all: true }])
      expect((await call(close, { method: 'POST', body })).status).toBe(400);
    expect(await call(close, { method: 'POST', body: { by: 'p-11-8' } })).toMatchObject({
      status: 409,
      json: { code: 'NOT_HEDGING' },
    });
    expect(accounts['demo-1']!.commands.map(({ type }) => type)).toEqual(['close-position', 'close-by']);
  });

  test('lists wait for what the account has promised, and say so when it does not come', async () => {
    const { call, services } = await trading();
    const asked: number[] = [];
    services.history.caughtUp = async (_account, seq) => {
      asked.push(seq);
      return asked.length === 1;
    };
    expect(await call(`${orders}?limit=7&state=FILLED`)).toMatchObject({
      status: 200,
      json: { items: [{ limit: 7, state: 'FILLED' }], nextCursor: 'next' },
    });
    const behind = await call(orders);
    expect([behind.status, behind.json.code, behind.headers.get('retry-after')]).toEqual([
      503,
      'READ_MODEL_BEHIND',
      '1',
    ]);
    expect(asked).toEqual([2, 2]);
  });

  test('one order is shown with its events, and one that is not there is not found', async () => {
    const { call } = await trading();
    expect(await call(`${orders}/o-1-1`)).toMatchObject({ status: 200, json: { orderId: 'o-1-1', events: [] } });
    expect(await call(`${orders}/o-1-2`)).toMatchObject({ status: 404 });
  });
});

describe('wrong input', () => {
  test.each([
    ['{"a":', 'malformed JSON'],
    ['{"clientOrderId":"a","clientOrderId":"b"}', 'a duplicate key'],
    ['{"__proto__":{"admin":true}}', 'a key of a prototype'],
    [`${'['.repeat(40)}${']'.repeat(40)}`, 'deep nesting'],
    ['[]', 'an array'],
    ['null', 'null'],
    ['', 'nothing'],
    [new Uint8Array([0x22, 0xff, 0x22]), 'invalid UTF-8'],
  ])('%# %s (%s) is 400 VALIDATION_FAILED', async (body, _name) => {
    const { call, accounts } = await trading();
    expect(await call(orders, { method: 'POST', body })).toMatchObject({
      status: 400,
      json: { code: 'VALIDATION_FAILED' },
    });
    expect(accounts['demo-1']!.commands).toEqual([]);
  });

  test.each([
    [{ quantity: 0.1 }, 'quantity'],
    [{ quantity: '1e3' }, 'quantity'],
    [{ quantity: 'NaN' }, 'quantity'],
    [{ quantity: '-1' }, 'quantity'],
    [{ quantity: '+1' }, 'quantity'],
    [{ quantity: '01' }, 'quantity'],
    [{ quantity: '1.' }, 'quantity'],
    [{ quantity: '1,0' }, 'quantity'],
    [{ quantity: ' 1' }, 'quantity'],
    [{ quantity: '0.000000001' }, 'quantity'],
    [{ quantity: '9'.repeat(5_000) }, 'quantity'],
    [{ quantity: null }, 'quantity'],
    [{ type: 'limit', limitPrice: '0.00' }, 'limitPrice'],
    [{ side: 'long' }, 'side'],
    [{ type: 'iceberg' }, 'type'],
    [{ timeInForce: 'GTC' }, 'timeInForce'],
    [{ clientOrderId: '' }, 'clientOrderId'],
    [{ clientOrderId: 'a b' }, 'clientOrderId'],
    [{ clientOrderId: 'x'.repeat(65) }, 'clientOrderId'],
    [{ symbol: '<script>' }, 'symbol'],
    [{ stopPrice: '1.0' }, 'stopPrice'],
    [{ trailBy: '1.0' }, 'trailBy'],
    [{ expireAt: '2027-01-01T00:00:00Z' }, 'expireAt'],
    [{ expireAt: 'tomorrow', timeInForce: 'gtd' }, 'expireAt'],
    [{ leverage: '500' }, 'leverage'],
  ])('%# an order with %.60j is refused at %s', async (change, path) => {
    const { call, accounts } = await trading();
    const { status, json } = await call(orders, { method: 'POST', body: marketOrder('a', change) });
    expect([status, json.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(json.errors.map((error: { path: string }) => error.path)).toEqual([path]);
    expect(accounts['demo-1']!.commands).toEqual([]);
  });

  test('an answer stays small however many faults there are', async () => {
    const { call } = await trading();
    const body = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, 1]));
    const { status, json } = await call(orders, { method: 'POST', body });
    expect([status, json.errors.length]).toEqual([400, 100]);
  });

  test('every fault of an order is told at once', async () => {
    const { call } = await trading();
    const { json } = await call(orders, { method: 'POST', body: { side: 'up', quantity: 1, colour: 'red', size: 1 } });
    const paths = json.errors.map((error: { path: string }) => error.path).toSorted();
    expect(paths).toEqual(['clientOrderId', 'colour', 'quantity', 'side', 'size', 'symbol', 'timeInForce', 'type']);
  });

  test('what an order asks for beside its price reaches the rules and comes back', async () => {
    const { call, accounts } = await trading();
    const wish = { stopLoss: '1.00000', takeProfit: '2.00000', ocoGroup: 'g' };
    expect(await call(orders, { method: 'POST', body: marketOrder('a', wish) })).toMatchObject({
      status: 201,
      json: wish,
    });
    expect(accounts['demo-1']!.commands.at(-1)).toMatchObject({ stopLoss: 100_000_000n, takeProfit: 200_000_000n });
    const reduce = await call(orders, { method: 'POST', body: marketOrder('b', { reduceOnly: true }) });
    expect(reduce).toMatchObject({ status: 422, json: { code: 'NOTHING_TO_REDUCE' } });
    const post = await call(orders, { method: 'POST', body: marketOrder('c', { postOnly: true }) });
    expect(post).toMatchObject({ status: 422, json: { code: 'POST_ONLY_UNSUPPORTED' } });
    const stop = marketOrder('d', { type: 'stop', stopPrice: '1.20000', timeInForce: 'gtc' });
    expect(await call(orders, { method: 'POST', body: stop })).toMatchObject({
      status: 201,
      json: { stopPrice: '1.20000' },
    });
  });

  test('a kill switch is thrown, listed and taken back by those who may', async () => {
    const { url, keys, call } = await trading();
    const path = '/api/v1/kill-switches';
    const admin = callerOf(url, keys['tenant-admin']);
    const ops = callerOf(url, keys.ops);
    const body = { scope: 'symbol', id: 'EURUSD', reason: 'bad prices' };
    expect(await call(path, { method: 'POST', body })).toMatchObject({ status: 403 });
    expect(await admin(path, { method: 'POST', body })).toMatchObject({
      status: 201,
      json: { id: 'k-1', latched: true },
    });
    expect((await call(path)).json.items).toMatchObject([{ id: 'k-1', scope: 'symbol', reason: 'bad prices' }]);
    for (const [who, wrong] of [
      [admin, { scope: 'platform', reason: 'x' }],
      [ops, { scope: 'tenant', reason: 'x' }],
      [ops, { scope: 'account', id: 'demo-1', reason: 'x' }],
    ] as const)
      expect(await who(path, { method: 'POST', body: wrong })).toMatchObject({
        status: 403,
        json: { code: 'FORBIDDEN' },
      });
    for (const wrong of [
      { scope: 'symbol', reason: 'x' },
      { scope: 'platform', id: 'a', reason: 'x' },
      { scope: 'tenant' },
    ])
      expect((await ops(path, { method: 'POST', body: wrong })).status).toBe(400);
    const unknown = { scope: 'account', id: 'nobody', reason: 'x' };
    expect(await admin(path, { method: 'POST', body: unknown })).toMatchObject({ status: 404 });
    expect(await admin(`${path}/k-1`, { method: 'DELETE' })).toMatchObject({ status: 200, json: { type: 'released' } });
    expect(await admin(`${path}/k-1`, { method: 'DELETE' })).toMatchObject({ status: 404 });
  });

  test('risk limits are set by those who may, and tell who has set them', async () => {
    const { url, keys, call } = await trading();
    const path = '/api/v1/risk-limits';
    const admin = callerOf(url, keys['tenant-admin']);
    const ops = callerOf(url, keys.ops);
    const body = { scope: 'symbol', symbol: 'EURUSD', limits: { maxOrderQuantity: '2' }, reason: 'on trial' };
    expect(await call(path, { method: 'PUT', body })).toMatchObject({ status: 403 });
    expect(await admin(path, { method: 'PUT', body })).toMatchObject({ status: 200, json: { version: '1' } });
    expect((await call(`${path}?account=demo-1&symbol=EURUSD`)).json.items).toMatchObject([
      { limit: 'maxWorkingOrders', value: 100, scope: 'configuration' },
      { limit: 'maxOrderQuantity', value: '2', scope: 'symbol', symbol: 'EURUSD', reason: 'on trial' },
    ]);
    expect((await call(path)).json.items).toHaveLength(1);
    expect((await call(`${path}?account=nobody`)).status).toBe(404);
    const unknown = { scope: 'account', account: 'nobody', limits: {}, reason: 'x' };
    expect((await admin(path, { method: 'PUT', body: unknown })).status).toBe(404);
    for (const [who, wrong] of [
      [admin, { scope: 'platform', limits: {}, reason: 'x' }],
      [ops, { scope: 'tenant', limits: {}, reason: 'x' }],
      [ops, { scope: 'account', account: 'demo-1', limits: {}, reason: 'x' }],
      [ops, { scope: 'symbol', symbol: 'EURUSD', account: 'demo-1', limits: {}, reason: 'x' }],
    ] as const)
      expect((await who(path, { method: 'PUT', body: wrong })).status).toBe(403);
    for (const wrong of [
      { scope: 'symbol', limits: {}, reason: 'x' },
      { scope: 'tenant', symbol: 'EURUSD', limits: {}, reason: 'x' },
      { scope: 'account', limits: {}, reason: 'x' },
      { scope: 'tenant', account: 'demo-1', limits: {}, reason: 'x' },
      { scope: 'tenant', limits: {} },
      { scope: 'tenant', limits: [], reason: 'x' },
      { scope: 'tenant', limits: { maxOrderValue: 'NaN' }, reason: 'x' },
      { scope: 'tenant', limits: { maxEverything: '1' }, reason: 'x' },
    ])
      expect(await admin(path, { method: 'PUT', body: wrong })).toMatchObject({
        status: 400,
        json: { code: 'VALIDATION_FAILED' },
      });
  });

  test('what a limit has blocked is let go by who may, once', async () => {
    const { url, keys, call } = await trading();
    const path = '/api/v1/accounts/demo-1/rearm';
    const body = { block: 'daily-loss', reason: 'looked at' };
    expect((await call(path, { method: 'POST', body })).status).toBe(403);
    const admin = callerOf(url, keys['tenant-admin']);
    expect(await admin(path, { method: 'POST', body })).toMatchObject({ status: 409, json: { code: 'NOT_BLOCKED' } });
    expect((await admin('/api/v1/accounts/nobody/rearm', { method: 'POST', body })).status).toBe(404);
    for (const wrong of [{ block: 'reconciliation', reason: 'x' }, { block: 'daily-loss' }])
      expect((await admin(path, { method: 'POST', body: wrong })).status).toBe(400);
  });

  test('an account that sends too much in a second is turned away before anything is done, and may cancel', async () => {
    const { call, clock } = await trading({ throttle: { maxOrdersPerSecond: 1 } });
    const send = (clientOrderId: string) => call(orders, { method: 'POST', body: marketOrder(clientOrderId) });
    const first = await send('t-1');
    expect(first.status).toBe(201);
    const second = await send('t-2');
    expect([second.status, second.json.code, second.headers.get('retry-after')]).toEqual([429, 'THROTTLED', '1']);
    expect(second.json.figures).toEqual({ bound: 'maxOrdersPerSecond', limit: '1', windowMs: '1000' });
    expect((await call(`${orders}/${String(first.json.orderId)}`, { method: 'DELETE' })).status).not.toBe(429);
    clock.advance(1_000);
    expect(await send('t-2')).toMatchObject({ status: 201, json: { duplicate: false } });
  });

  test("a dead man's switch is set by those who may withdraw orders", async () => {
    const { url, keys, call } = await trading();
    const path = '/api/v1/accounts/demo-1/dead-man';
    const put = (body: object) => call(path, { method: 'PUT', body });
    expect(await put({ timeoutMs: 30_000 })).toMatchObject({
      status: 200,
      json: { account: 'demo-1', timeoutMs: 30_000 },
    });
    expect(await put({ timeoutMs: 0 })).toMatchObject({ status: 200, json: { account: 'demo-1', timeoutMs: 0 } });
    expect((await put({ timeoutMs: 66_666 })).status).toBe(503);
    for (const timeoutMs of [-1, 1, 999, 1.5, 86_400_001, '5000', null])
      expect((await put({ timeoutMs })).status).toBe(400);
    expect((await callerOf(url, keys.ops)(path, { method: 'PUT', body: { timeoutMs: 0 } })).status).toBe(403);
    expect((await call('/api/v1/accounts/other-1/dead-man', { method: 'PUT', body: { timeoutMs: 0 } })).status).toBe(
      404,
    );
  });

  test('fills and the ledger go out as CSV, page by page, within the times that are asked for', async () => {
    const { url, keys, call, services } = await trading();
    const asked: object[] = [];
    const fill = (n: number) => ({
      time: `t-${n}`,
      symbol: 'EURUSD',
      side: 'buy',
      quantity: '0.10',
      price: '1.08',
      fillId: `f,"${n}`,
    });
    services.history.fills = async (_account, { cursor, limit: pageRows, fromMicros, toMicros }) => {
      asked.push({ cursor, pageRows, fromMicros, toMicros });
      const page = Number(cursor ?? 0);
      return { items: [fill(page)], ...(page < 2 ? { nextCursor: String(page + 1) } : {}) };
    };
    const path =
      '/api/v1/accounts/demo-1/fills?format=csv&from=1970-01-01T00:00:01Z&to=1970-01-01T00:00:02.000003Z&limit=7';
    const answer = await call(path);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/csv; charset=utf-8; header=present',
    ]);
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="demo-1-fills.csv"');
    expect(answer.text.split('\r\n')).toEqual([
      'time,brokerTime,symbol,side,quantity,price,orderId,fillId',
      ...[0, 1, 2].map((n) => `t-${n},,EURUSD,buy,0.10,1.08,,"f,""${n}"`),
      '',
    ]);
    expect(asked).toEqual(
      [undefined, '1', '2'].map((cursor) => ({ cursor, pageRows: 500, fromMicros: 1_000_000, toMicros: 2_000_003 })),
    );
    const ledger = await call('/api/v1/accounts/demo-1/ledger?format=csv');
    expect(ledger.text).toMatch(/^time,reason,amount,balance,currency,/);
    const stranger = callerOf(url, keys.stranger);
    expect((await stranger('/api/v1/accounts/demo-1/fills?format=csv')).status).toBe(404);
    for (const wrong of ['format=xml', 'from=yesterday', 'to=2026-13-01T00:00:00Z', 'from=2026-01-01'])
      expect((await call(`/api/v1/accounts/demo-1/fills?${wrong}`)).status).toBe(400);
    services.history.fills = () => Promise.reject(new DatabaseUnavailable(new Error('gone')));
    expect(await call(path)).toMatchObject({ status: 503, json: { code: 'NOT_READY' } });
  });

  test('a CSV whose later page cannot be read ends in an error, not as if it were whole', async () => {
    const { call, services } = await trading();
    services.history.fills = async (_account, { cursor }) => {
      if (cursor) throw new DatabaseUnavailable(new Error('gone'));
      return { items: [{ fillId: 'f-1' }], nextCursor: 'next' };
    };
    await expect(call('/api/v1/accounts/demo-1/fills?format=csv')).rejects.toThrow();
  });

  test('a body of more than 64 KiB is 413', async () => {
    const { call } = await trading();
    const { status, json } = await call(orders, { method: 'POST', body: `"${'x'.repeat(65_535)}"` });
    expect([status, json.code, json.figures]).toEqual([413, 'BODY_TOO_LARGE', { limit: '65536' }]);
    expect((await call(orders, { method: 'POST', body: `"${'x'.repeat(65_534)}"` })).status).toBe(400);
  });

  test('a body that says it has 10 MB is refused before it is read', async () => {
    const { port, keys } = await trading();
    const head = `POST ${orders} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${keys.trader}\r\nContent-Type: application/json\r\n`;
    const socket = connect(port, '127.0.0.1', () => socket.write(`${head}Content-Length: 10000000\r\n\r\n`));
    const answer = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });

  test('the AI orchestrator takes bodies of up to 1 MiB', async () => {
    const { start, keys } = fixture();
    const { url } = await start(aiGateway);
    const send = (size: number) =>
      callerOf(url, keys.trader)('/api/v1/signals', {
        method: 'POST',
        body: `{"symbol":"EURUSD","x":"${'x'.repeat(size)}"}`,
      });
    expect(await send(1_000_000)).toMatchObject({ status: 400 });
    expect(await send(1_048_577)).toMatchObject({ status: 413 });
  });

  test('other content types are 415', async () => {
    const { call } = await trading();
    for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x']) {
      expect(await call(orders, { method: 'POST', body: '{}', headers: { 'content-type': type } })).toMatchObject({
        status: 415,
        json: { code: 'UNSUPPORTED_MEDIA_TYPE' },
      });
    }
  });

  test('an unknown path is 404, an unknown method of a known path 405 with those that are', async () => {
    const { call } = await trading();
    expect(await call('/api/v1/nothing')).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
    const { status, json, headers } = await call(orders, { method: 'PUT', body: {} });
    expect([status, json.code, headers.get('allow')?.split(', ').toSorted()]).toEqual([
      405,
      'METHOD_NOT_ALLOWED',
      ['GET', 'HEAD', 'POST'],
    ]);
  });

  test.each([['?limit=0'], ['?limit=501'], ['?limit=x'], ['?state=open'], ['?colour=red'], ['?limit=1&limit=2']])(
    'a list with %s is 400',
    async (query) => {
      const { call } = await trading();
      expect(await call(`${orders}${query}`)).toMatchObject({ status: 400, json: { code: 'VALIDATION_FAILED' } });
    },
  );

  test('what is not HTTP is answered with a problem too', async () => {
    const { port } = await trading();
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write('GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
    expect(answer).toContain('"code":"VALIDATION_FAILED"');
  });
});

describe('credentials', () => {
  test.each([[null], [newApiKey('test', 1)], ['at_test_1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_000000'], ['x']])(
    'without a valid one (%s) there is 401',
    async (token) => {
      const { call } = await trading();
      const { status, headers, json } = await call(orders, { token });
      expect([status, headers.get('www-authenticate'), json.code]).toEqual([401, 'Bearer', 'UNAUTHENTICATED']);
    },
  );

  test('a role that may not is 403', async () => {
    const { call, keys } = await trading();
    expect(await call(orders, { method: 'POST', body: marketOrder('a'), token: keys.auditor })).toMatchObject({
      status: 403,
      json: { code: 'FORBIDDEN' },
    });
  });

  test('what belongs to another tenant is not found, whatever the method', async () => {
    const { call, accounts } = await trading();
    const account = '/api/v1/accounts/other-1';
    const paths = ['', '/orders', '/orders/o-1-1', '/positions', '/fills', '/ledger'];
    for (const path of paths)
      expect(await call(account + path)).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
    expect(await call(`${account}/orders`, { method: 'POST', body: marketOrder('a') })).toMatchObject({ status: 404 });
    expect(await call(`${account}/orders/o-1-1`, { method: 'DELETE' })).toMatchObject({ status: 404 });
    expect(accounts['other-1']!.commands).toEqual([]);
    expect((await call('/api/v1/accounts')).json.items.map(({ id }: { id: string }) => id)).toEqual([
      'demo-1',
      'demo-2',
    ]);
  });

  test('a header that names a tenant or an address changes nothing', async () => {
    const { call } = await trading();
    const headers = { 'x-tenant-id': '2', 'x-forwarded-for': '1.2.3.4' };
    expect(await call('/api/v1/accounts/other-1', { headers })).toMatchObject({ status: 404 });
  });

  test('while credentials cannot be looked up there is 503 and a time to come back', async () => {
    class Away extends Retryable {}
    const { call, lookUps } = await trading();
    lookUps.fails = new Away('no database', { retryAfterMs: 2_500 });
    const { status, headers, json } = await call(orders);
    expect([status, headers.get('retry-after'), json.code]).toEqual([503, '3', 'NOT_READY']);
  });

  test('holders of the same name in two tenants have a rate each', async () => {
    const { call, keys, services } = await trading({
      limits: { ...limits, http: { ...limits.http, rate: { perSecond: 1, burst: 1 } } },
    });
    const { findPrincipal } = services;
    services.findPrincipal = async (hash) => ({ ...(await findPrincipal(hash))!, subjectId: 'anna' });
    expect(await call('/api/v1/instruments')).toMatchObject({ status: 200 });
    expect(await call('/api/v1/instruments')).toMatchObject({ status: 429 });
    expect(await call('/api/v1/instruments', { token: keys.stranger })).toMatchObject({ status: 200 });
  });

  test('an instrument says whether it can be traded, and when', async () => {
    const { call } = await trading();
    const { items } = (await call('/api/v1/instruments')).json as unknown as { items: Record<string, unknown>[] };
    const hours = items.map(({ symbol, isOpen, nextOpen }) => [symbol, isOpen, nextOpen]);
    expect(hours).toContainEqual(['EURUSD', true, undefined]);
    expect(hours).toContainEqual(['USDJPY', false, '2027-01-04T00:00:00.000000Z']);
  });

  test('over its rate a credential gets 429 with figures, and its tokens come back', async () => {
    const { call, clock, keys } = await trading({
      limits: { ...limits, http: { ...limits.http, rate: { perSecond: 1, burst: 2 } } },
    });
    const first = await call('/api/v1/instruments');
    expect(first.headers.get('ratelimit-policy')).toBe('"default";q=2;w=2');
    expect(first.headers.get('ratelimit')).toBe('"default";r=1;t=1');
    await call('/api/v1/instruments');
    const { status, headers, json } = await call('/api/v1/instruments');
    expect([status, headers.get('retry-after'), json.figures]).toEqual([
      429,
      '1',
      { requestsPerSecond: '1', burst: '2' },
    ]);
    expect((await call('/api/v1/instruments', { token: keys['tenant-admin'] })).status).toBe(200);
    clock.advance(1_000);
    expect((await call('/api/v1/instruments')).status).toBe(200);
  });
});

describe('every port', () => {
  const gateways = [
    apiGateway,
    databaseGateway,
    dataBridgeGateway,
    hubGateway,
    aiGateway,
    tradingGateway,
    billingGateway,
    analyticsGateway,
  ];

  test.each(gateways.map((make) => [make.name, make] as const))('%s answers the common routes', async (_name, make) => {
    const { start, keys } = fixture();
    const { url, gateway } = await start(make);
    const call = callerOf(url, keys.trader);
    const get = async (path: string) => {
      const { status, text, headers } = await call(path, { token: null });
      return [status, headers.get('content-type'), text];
    };
    expect(await get('/livez')).toEqual([200, 'text/plain; charset=utf-8', 'ok']);
    expect(await get('/readyz')).toEqual([200, 'text/plain; charset=utf-8', 'ok']);
    expect(await get('/readyz?verbose')).toEqual([200, 'text/plain; charset=utf-8', '[+]journal ok\nready\n']);
    expect(await get('/startupz')).toEqual([200, 'text/plain; charset=utf-8', 'ok']);
    expect(await get('/metrics')).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8', 'up 1\n']);
    expect((await call('/version')).json).toEqual({ service: gateway.service, version: '1.2.3' });
    const health = await call('/health');
    expect(health.headers.get('content-type')).toContain('application/health+json');
    expect(health.json).toMatchObject({
      status: 'pass',
      service: gateway.service,
      version: '1.2.3',
      checks: { journal: [{ status: 'pass' }] },
    });
    const document = (await call('/openapi.json')).json;
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: `aitrading ${gateway.service}` } });
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/livez', '/readyz', '/health', '/version']));
  });

  test('one that is not ready says why, with 503', async () => {
    const { call, setHealth } = await trading();
    setHealth({ isReady: false, hasStarted: false, status: 'fail', reasons: ['the journal cannot be written'] });
    expect(await call('/readyz')).toMatchObject({
      status: 503,
      json: { code: 'NOT_READY', detail: 'the journal cannot be written' },
    });
    expect((await call('/readyz?verbose')).text).toContain('not ready: the journal cannot be written');
    expect((await call('/startupz')).status).toBe(503);
    expect((await call('/health')).status).toBe(503);
    expect((await call('/livez')).status).toBe(200);
  });

  test('beyond loopback the inside is shown to those alone who may see it', async () => {
    const { call, keys, setHealth } = await trading({ exposesInternals: false });
    setHealth({ isReady: false, reasons: ['the journal cannot be written'] });
    expect((await call('/metrics', { token: null })).status).toBe(401);
    expect((await call('/metrics', { token: keys.trader })).status).toBe(403);
    expect((await call('/metrics', { token: keys.ops })).status).toBe(200);
    expect((await call('/readyz?verbose', { token: null })).status).toBe(401);
    expect((await call('/readyz?verbose', { token: keys.ops })).text).toContain('the journal');
    expect((await call('/readyz', { token: null })).text).not.toContain('the journal');
    expect((await call('/health', { token: null })).json).not.toHaveProperty('checks');
  });

  test('a trace id of the caller is kept where it is well formed, and stands in answers and the log', async () => {
    const { call, logged } = await trading();
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const of = async (headers: Record<string, string>) => (await call('/api/v1/none', { headers })).json.traceId;
    expect(await of({ traceparent: `00-${trace}-00f067aa0ba902b7-01` })).toBe(trace);
    expect(await of({ 'x-request-id': 'mine-1' })).toBe('mine-1');
    expect(await of({ 'x-request-id': 'two words' })).toMatch(/^[0-9a-f]{32}$/);
    expect(await of({ traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` })).toMatch(/^[0-9a-f]{32}$/);
    expect(
      logged.filter(({ level }) => level === 'debug').map(({ fields }) => (fields as { traceId: string }).traceId),
    ).toContain('mine-1');
  });

  test('neither credentials nor query strings are logged', async () => {
    const { call, logged, keys } = await trading();
    await call(`${orders}?cursor=private`);
    await call(orders, { token: newApiKey('test', 7) });
    const log = JSON.stringify(logged);
    expect(log).toContain(orders);
    expect(log).not.toContain('private');
    expect(log).not.toContain(keys.trader.slice(0, 12));
  });

  test('an error that nobody expected is 500, logged with its trace id, and told to nobody', async () => {
    const { call, services, logged } = await trading();
    services.history.fills = () => Promise.reject(new Error('relation t_1.fill does not exist'));
    const { status, text, json } = await call('/api/v1/accounts/demo-1/fills');
    expect([status, json.code]).toEqual([500, 'INTERNAL']);
    expect(text).not.toContain('t_1');
    expect(logged.find(({ level }) => level === 'error')?.fields).toMatchObject({
      traceId: json.traceId,
      err: { message: 'relation t_1.fill does not exist' },
    });
  });

  test('a port that is taken is told with its number and service', async () => {
    const { port, context } = await trading();
    const second = await tradingGateway(context);
    const error: unknown = await second.listen('127.0.0.1', port).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PortUnavailable);
    expect(error).toMatchObject({
      service: 'trading',
      port,
      message: `trading cannot listen on 127.0.0.1:${port}: the port is in use`,
    });
  });

  test('a gateway that drains answers what is under way, then closes', async () => {
    const { call, gateway, accounts } = await trading();
    const account = accounts['demo-1']!;
    account.hold();
    const order = call(orders, { method: 'POST', body: marketOrder('a') });
    while (account.commands.length === 0) await new Promise(setImmediate);
    const drained = gateway.drain();
    account.commit();
    const { status, headers } = await order;
    expect([status, headers.get('connection')]).toEqual([201, 'close']);
    await drained;
    await expect(call('/livez')).rejects.toThrow();
  });

  test('a connection on which nothing was ever sent does not hold up the drain', async () => {
    const { port, gateway, call } = await trading();
    const socket = connect(port, '127.0.0.1');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('connect', resolve));
    // The connection of this call came later, so the other one is accepted when it is answered.
    await call('/livez');
    await gateway.drain();
    expect(await closed).toBe(false);
  });

  test('a request that never arrives whole holds up the drain for a second at most', async () => {
    const { port, gateway, call, clock } = await trading({ limits: { ...limits, ask: { deadlineMs: 5_000 } } });
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n', resolve));
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await call('/livez');
    const drained = gateway.drain();
    clock.advance(1_000);
    await drained;
    await closed;
    expect(socket.destroyed).toBe(true);
  });

  test('while it drains, requests on open connections get 503 and the connection closes', async () => {
    const { port, gateway, accounts, call } = await trading();
    const account = accounts['demo-1']!;
    account.hold();
    const order = call(orders, { method: 'POST', body: marketOrder('a') });
    while (account.commands.length === 0) await new Promise(setImmediate);
    // A request of which half has arrived keeps its connection open through the start of the drain.
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n', resolve));
    await call('/livez');
    const answer = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    const drained = gateway.drain();
    socket.write('\r\n');
    expect(await answer).toMatch(/^HTTP\/1.1 503 [^]*connection: close/i);
    account.commit();
    await order;
    await drained;
  });
});

describe('the public port', () => {
  test('serves every public route of the services behind it, and their documents agree', async () => {
    const { start } = fixture();
    const documentOf = async (make: typeof apiGateway) =>
      Object.keys((await callerOf((await start(make)).url, '')('/openapi.json')).json.paths);
    const all = await documentOf(apiGateway);
    for (const make of [tradingGateway, hubGateway, aiGateway])
      expect(all).toEqual(expect.arrayContaining(await documentOf(make)));
  });

  test('its document describes the order with decimal text and refuses unknown fields', async () => {
    const { start } = fixture();
    const { json } = await callerOf((await start(apiGateway)).url, '')('/openapi.json');
    const post = json.paths['/api/v1/accounts/{account}/orders'].post;
    const schema = post.requestBody.content['application/json'].schema;
    expect(schema).toMatchObject({
      type: 'object',
      additionalProperties: false,
      properties: { quantity: { type: 'string' }, side: { enum: ['buy', 'sell'] } },
    });
    expect(schema.required.toSorted()).toEqual(['clientOrderId', 'quantity', 'side', 'symbol', 'timeInForce', 'type']);
    expect(post.security).toEqual([{ bearer: [] }]);
    expect(Object.keys(post.responses).toSorted()).toEqual(['2XX', 'default']);
  });

  test('serves the terminal with a strict policy, and its modules without their types', async () => {
    const { start } = fixture();
    const call = callerOf((await start(apiGateway)).url, '');
    const page = await call('/');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
    const script = await call('/main.ts');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    // Stripping again finds nothing more to strip.
    expect(stripTypeScriptTypes(script.text)).toBe(script.text);
    for (const path of ['/tsconfig.json', '/../package.json', '/%2e%2e/package.json'])
      expect((await call(path)).status).toBe(404);
  });

  test('explains error codes, and nothing else of the disk', async () => {
    const { start } = fixture();
    const call = callerOf((await start(apiGateway)).url, '');
    const page = await call('/docs/errors/NOT_FOUND');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/markdown; charset=utf-8']);
    expect(page.text).toContain('NOT_FOUND');
    for (const code of ['NOPE', '..%2F..%2Fpackage', '%2e%2e'])
      expect((await call(`/docs/errors/${code}`)).status).toBe(404);
  });

  test('shows a tenant admin the actors of the tenant alone', async () => {
    const { start, keys } = fixture();
    const call = callerOf((await start(apiGateway)).url, keys['tenant-admin']);
    const actor = await call('/api/v1/actors/tenants/demo/accounts/demo-1');
    expect(actor).toMatchObject({ status: 200, json: { state: { balance: '1' } } });
    expect(actor.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect((await call('/api/v1/actors/tenants/other/accounts/other-1')).status).toBe(404);
    expect((await call('/api/v1/actors?root=/')).status).toBe(404);
    expect((await call('/api/v1/actors')).status).toBe(200);
    expect((await call('/api/v1/actors', { token: keys.trader })).status).toBe(403);
  });

  test('shows market data with the digits of the instrument', async () => {
    const { start, keys, quote, actors } = fixture();
    quote();
    const call = callerOf((await start(apiGateway)).url, keys.trader);
    expect((await call('/api/v1/quotes/EURUSD')).json).toEqual({
      ...{ symbol: 'EURUSD', bid: '1.08012', ask: '1.08014', time: '2027-01-15T08:00:00.000000Z' },
      ...{ epoch: 'epoch-EURUSD', sequence: 1 },
    });
    expect((await call('/api/v1/quotes/USDJPY')).status).toBe(404);
    expect((await call('/api/v1/instruments')).json.items).toMatchObject([
      { symbol: 'EURUSD', tickSize: '0.00001', minQuantity: '0.01', contractSize: '100000' },
      { symbol: 'USDJPY', tickSize: '0.001' },
    ]);
    expect((await call('/api/v1/candles/EURUSD')).json.code).toBe('NOT_READY');
    const candle = {
      openMicros: 0,
      open: 108_000_000,
      high: 108_000_000,
      low: 108_000_000,
      close: 108_000_000,
      ticks: 1,
    };
    actors.set('/market/EURUSD', {
      path: '/market/EURUSD',
      tell: () => 'queued',
      ask: () => Promise.resolve([candle] as never),
    });
    expect((await call('/api/v1/candles/EURUSD?interval=1m')).json).toMatchObject({
      symbol: 'EURUSD',
      interval: '1m',
      items: [{ open: '1.08000', ticks: 1 }],
    });
    expect((await call('/api/v1/candles/EURUSD?interval=2m')).status).toBe(400);
  });

  test('gives signals, and tells of those that do not exist', async () => {
    const { start, keys } = fixture();
    const call = callerOf((await start(apiGateway)).url, keys.trader);
    expect(await call('/api/v1/signals', { method: 'POST', body: { symbol: 'EURUSD' } })).toMatchObject({
      status: 201,
      json: { id: 's-1' },
    });
    expect(
      await call('/api/v1/signals', { method: 'POST', body: { symbol: 'EURUSD', account: 'other-1' } }),
    ).toMatchObject({ status: 404 });
    const forAccount = { method: 'POST', body: { symbol: 'EURUSD', account: 'demo-1' } };
    expect(await call('/api/v1/signals', forAccount)).toMatchObject({ status: 201 });
    // The decision may become an order, which a tenant admin may not send.
    expect(await call('/api/v1/signals', { ...forAccount, token: keys['tenant-admin'] })).toMatchObject({
      status: 403,
      json: { code: 'FORBIDDEN' },
    });
    expect(await call('/api/v1/signals/s-2')).toMatchObject({ status: 404 });
    // What is no id is not looked up.
    expect(await call('/api/v1/signals/%00')).toMatchObject({ status: 400, json: { code: 'VALIDATION_FAILED' } });
    expect(await call('/api/v1/ai/providers')).toMatchObject({ status: 200, json: { items: [] } });
  });
});
