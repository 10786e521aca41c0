/** Starting, stopping, and what keeps the platform from starting. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { limits } from '../../config/limits.ts';
import { serviceNames, type ServiceName } from '../../config/ports.ts';
import { lockedBy } from '../../transports/drivers/embedded-postgres/orphan.ts';
import { freeOffset, PlatformProcess, StreamClient } from '../support/platform-process.ts';

let platform: PlatformProcess;
beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
}, 120_000);
afterAll(() => platform.dispose(), 30_000);

test('all eight ports answer the health routes', async () => {
  for (const service of serviceNames) {
    for (const path of ['/livez', '/readyz', '/startupz', '/health', '/version', '/openapi.json', '/metrics']) {
      const { status } = await platform.call(service, path);
      expect([service, path, status]).toEqual([service, path, 200]);
    }
  }
});

test('the demo credentials are there before the platform is ready, for their owner alone', () => {
  const path = join(platform.home, 'demo-credentials.json');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ tenant: 'demo', accounts: ['demo-1', 'demo-2'] });
});

test('a second platform in the same folder says so in one line, ends with 1 and harms nothing', async () => {
  const second = new PlatformProcess(await freeOffset(), {}, platform.home);
  second.launch();
  expect(await second.exited()).toBe(1);
  expect(second.output.trim().split('\n')).toEqual([
    expect.stringMatching(new RegExp(`in use by process ${platform.pid}`)),
  ]);
  expect((await platform.call('api', '/readyz')).status).toBe(200);
});

test('a port in use is told in one line with port, service and variable, and the platform ends with 1', async () => {
  const refused = await PlatformProcess.onFreePorts();
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(refused.port('billing'), '127.0.0.1', resolve));
  refused.launch();
  expect(await refused.exited()).toBe(1);
  expect(refused.output.trim()).toBe(
    `aitrading: billing cannot listen on 127.0.0.1:${refused.port('billing')}: the port is in use; PORT_OFFSET moves all eight ports`,
  );
  taken.close();
  await refused.dispose();
});

test('a data folder that cannot be written is told in one line, and the platform ends with 1', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'aitrading-test-'));
  // A file where the folder should be cannot be written even by root.
  const home = join(parent, 'file');
  writeFileSync(home, 'not a folder');
  const refused = new PlatformProcess(await freeOffset(), {}, home);
  refused.launch();
  expect(await refused.exited()).toBe(1);
  expect(refused.output.trim().split('\n')).toEqual([expect.stringContaining(home)]);
  expect(readFileSync(home, 'utf8')).toBe('not a folder');
  rmSync(parent, { recursive: true });
});

test('SIGTERM answers what is under way, closes sockets with 1012 and ends with 0; the next start finds everything', async () => {
  const token = platform.credentials().trader.apiKey;
  const stream = await platform.stream(token);
  await stream.ask({ type: 'subscribe', channels: ['quotes:EURUSD'] });
  await stream.wait((frame) => frame.type === 'quote');
  const orders = Array.from({ length: 20 }, (_, i) => {
    const order = {
      clientOrderId: `drain-${i}`,
      symbol: 'EURUSD',
      side: 'buy',
      type: 'market',
      quantity: '0.01',
      timeInForce: 'ioc',
    };
    return stream.ask({ type: 'submit-order', account: 'demo-1', order });
  });
  await orders[0];
  platform.signal('SIGTERM');
  const replies = await Promise.allSettled(orders);
  expect((await stream.closed).code).toBe(1012);
  expect(await platform.exited()).toBe(0);
  const acknowledged = replies.flatMap((reply, i) =>
    reply.status === 'fulfilled' && reply.value['ok'] === true ? [`drain-${i}`] : [],
  );
  expect(acknowledged.length).toBeGreaterThan(0);

  await platform.start();
  const list = await platform.call('api', '/api/v1/accounts/demo-1/orders?limit=100', { token });
  const ids = (list.json.items as { clientOrderId: string }[]).map((order) => order.clientOrderId);
  expect(ids).toEqual(expect.arrayContaining(acknowledged));
}, 60_000);

/** A request whose body never comes, once it is under way. */
async function endlessRequest(
  to: PlatformProcess,
  service: ServiceName,
  path: string,
): Promise<{ readonly cutOff: Promise<unknown> }> {
  const headers = {
    authorization: `Bearer ${to.credentials().trader.apiKey}`,
    ...{ 'content-type': 'application/json', 'content-length': '100', expect: '100-continue' },
  };
  const open = request({ method: 'POST', host: '127.0.0.1', port: to.port(service), path, headers });
  const cutOff = once(open, 'error');
  open.flushHeaders();
  await once(open, 'continue');
  return { cutOff };
}

const endless: [ServiceName, string][] = [
  ['api', '/api/v1/accounts/demo-1/orders'],
  ['trading', '/api/v1/accounts/demo-1/orders'],
  ['ai', '/api/v1/signals'],
];

test('requests that never end, on several ports, are cut off all at once, and the end is still a clean one within 10 s', async () => {
  const held = await PlatformProcess.onFreePorts();
  onTestFinished(() => held.dispose());
  await held.start();
  const requests = await Promise.all(endless.map(([service, path]) => endlessRequest(held, service, path)));
  held.signal('SIGTERM');
  // Beyond its limit the process would have ended itself with 1.
  expect(await held.exited()).toBe(0);
  await Promise.all(requests.map(({ cutOff }) => cutOff));
}, 60_000);

test('a second SIGTERM ends it at once, with 1', async () => {
  const held = await PlatformProcess.onFreePorts();
  onTestFinished(() => held.dispose());
  await held.start();
  const [service, path] = endless[0]!;
  const { cutOff } = await endlessRequest(held, service, path);
  // A signal that follows closely is taken for the same one, so it is sent again and again; without a second one the end would be 0.
  const code = async (): Promise<unknown> => {
    held.signal('SIGTERM');
    return Promise.race([held.exited(), Promise.resolve('runs')]);
  };
  await expect.poll(code, { timeout: limits.ask.deadlineMs - 500, interval: 50 }).toBe(1);
  await cutOff;
}, 60_000);

test('after kill -9 its database ends by itself', async () => {
  const ended = await PlatformProcess.onFreePorts();
  await ended.start();
  await ended.kill();
  const running = (): string => spawnSync('pgrep', ['-f', ended.home]).stdout.toString();
  await expect.poll(running, { timeout: 20_000, interval: 100 }).toBe('');
  await ended.dispose();
}, 60_000);

test('a database of its own that dies in the middle of a start is started again, and the start goes on', async () => {
  const starting = await PlatformProcess.onFreePorts();
  onTestFinished(() => starting.dispose());
  starting.launch();
  const doing = async (): Promise<string> =>
    (await starting.call('api', '/readyz?verbose').catch(() => undefined))?.text ?? '';
  await expect.poll(doing, { timeout: 60_000, interval: 5 }).toMatch(/applying|claiming|seeding|starting the tenants/);
  process.kill(lockedBy(join(starting.home, 'postgres', 'data'))!.pid, 'SIGKILL');
  await starting.untilReady();
}, 120_000);

test('a client that does not authenticate is closed with 4001', async () => {
  const client = await StreamClient.open(`ws://127.0.0.1:${platform.port('data-bridge')}/stream`);
  expect((await client.closed).code).toBe(4001);
}, 20_000);
