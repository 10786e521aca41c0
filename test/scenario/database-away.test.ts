/** The firm's own PostgreSQL behind a wire that is cut: a state, not a crash, and nothing acknowledged is lost. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { startPostgres, type EmbeddedPostgres } from '../../transports/drivers/embedded-postgres.ts';
import { PlatformProcess, type Frame, type StreamClient } from '../support/platform-process.ts';
import { systemPostgres } from '../support/postgres.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';

let home: string;
let server: EmbeddedPostgres;
let wire: Proxy;
let platform: PlatformProcess;

beforeAll(async () => {
  const binaries = systemPostgres();
  if (!binaries) throw new Error("the system's PostgreSQL is not installed: apt-get install postgresql");
  home = mkdtempSync(join(tmpdir(), 'aitrading-test-'));
  server = await startPostgres(binaries, { home, log: silentLog, onExit: () => {} });
  wire = await startProxy(server.host, server.port);
  platform = await PlatformProcess.onFreePorts({
    ...{ DB_HOST: '127.0.0.1', DB_PORT: String(wire.port), DB_NAME: server.database },
    ...{ DB_USER: server.user, DB_PASSWORD: server.password },
    // Of two platforms on one database, both open what the other has sealed.
    MASTER_KEY: randomBytes(32).toString('base64'),
  });
}, 120_000);
afterAll(async () => {
  await platform?.dispose();
  wire?.close();
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
}, 60_000);

test('without its database the platform is alive and says why it is not ready; when the database comes it becomes ready', async () => {
  wire.mode = 'refuse';
  platform.launch();
  await platform.untilReady(503);
  expect((await platform.call('api', '/livez')).status).toBe(200);
  const { text } = await platform.call('api', '/readyz?verbose');
  expect(text).toMatch(/database.*connect/i);
  wire.mode = 'pass';
  await platform.untilReady();
}, 120_000);

test('orders while the database is away are told NOT_READY; sent again when it is back, each is done once', async () => {
  const stream = await openStream();
  const before = await submit(stream, 'before');
  expect(before['ok']).toBe(true);
  wire.mode = 'refuse';
  wire.cut();
  await platform.untilReady(503);
  expect(codeOf(await submit(stream, 'away'))).toBe('NOT_READY');
  wire.mode = 'pass';
  await platform.untilReady();
  const again = await untilAccepted(stream, 'away');
  expect(again['result']).toMatchObject({ duplicate: false });
  expect((await submit(stream, 'before'))['result']).toMatchObject({ duplicate: true });
  stream.close();
}, 120_000);

test('a commit whose answer is lost is told OUTCOME_UNKNOWN, and sent again it turns out to have happened once', async () => {
  const stream = await openStream();
  await untilAccepted(stream, 'warm');
  wire.mode = 'silent';
  expect(codeOf(await submit(stream, 'unknown'))).toBe('OUTCOME_UNKNOWN');
  wire.mode = 'pass';
  wire.cut();
  await platform.untilReady();
  const again = await untilAccepted(stream, 'unknown');
  expect(again['result']).toMatchObject({ duplicate: true });
  const list = await vi.waitUntil(
    async () => {
      const answer = await platform.call('api', '/api/v1/accounts/demo-1/orders?limit=100', { token: token() });
      return answer.status === 200 ? (answer.json.items as { clientOrderId: string }[]) : undefined;
    },
    { timeout: 20_000, interval: 200 },
  );
  expect(list.filter((order) => order.clientOrderId === 'unknown')).toHaveLength(1);
  stream.close();
}, 120_000);

test('of two platforms on one database the later one serves; the earlier one says so and takes no orders', async () => {
  const stream = await openStream();
  await untilAccepted(stream, 'mine');
  const later = await PlatformProcess.onFreePorts(platform.environment);
  await later.start();
  await platform.untilReady(503);
  const { text } = await platform.call('api', '/readyz?verbose');
  expect(text).toContain('another platform, on');
  expect(codeOf(await submit(stream, 'fenced'))).toBe('NOT_READY');
  const theirs = await later.stream(later.credentials().trader.apiKey);
  expect(await untilAccepted(theirs, 'mine')).toMatchObject({ result: { duplicate: true } });
  expect(await untilAccepted(theirs, 'fenced')).toMatchObject({ result: { duplicate: false } });
  stream.close();
  theirs.close();
  await later.dispose();
}, 120_000);

function token(): string {
  return platform.credentials().trader.apiKey;
}

async function openStream(): Promise<StreamClient> {
  const stream = await platform.stream(token());
  await stream.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
  await stream.wait((frame) => frame.type === 'quote');
  return stream;
}

function submit(stream: StreamClient, clientOrderId: string): Promise<Frame> {
  const order = {
    clientOrderId,
    symbol: 'EURUSD',
    side: 'buy',
    type: 'limit',
    quantity: '0.01',
    limitPrice: '0.50000',
    timeInForce: 'gtc',
  };
  return stream.ask({ type: 'submit-order', account: 'demo-1', order });
}

/** Sends an order again until it is done, as a client that was told to try again does. */
async function untilAccepted(stream: StreamClient, clientOrderId: string): Promise<Frame> {
  return vi.waitUntil(
    async () => {
      const reply = await submit(stream, clientOrderId);
      return reply['ok'] === true ? reply : undefined;
    },
    { timeout: 30_000, interval: 200 },
  );
}

function codeOf(reply: Frame): string | undefined {
  return (reply['problem'] as { code?: string } | undefined)?.code;
}
