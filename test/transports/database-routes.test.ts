import { expect, test } from 'vitest';
import { apiGateway } from '../../transports/gateways/api.ts';
import { databaseGateway } from '../../transports/gateways/database.ts';
import { fixture } from './support/fixture.ts';

async function started() {
  const platform = fixture();
  const { url } = await platform.start(databaseGateway);
  const get = async (path: string, key: string = platform.keys.ops): Promise<{ status: number; json: unknown }> => {
    const response = await fetch(`${url}/api/v1/database${path}`, { headers: { authorization: `Bearer ${key}` } });
    return { status: response.status, json: await response.json() };
  };
  return { ...platform, url, get };
}

const paths = ['', '/pools', '/schemas', '/tables', '/migrations', '/backups', '/replication'];

test.each(paths)('%s is told to those who run the platform, and to nobody of a tenant', async (path) => {
  const { get, keys } = await started();
  for (const role of ['ops', 'platform-admin', 'auditor'] as const)
    expect((await get(path, keys[role])).status).toBe(200);
  for (const role of ['trader', 'tenant-admin', 'stranger'] as const) {
    expect(await get(path, keys[role])).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } });
  }
  expect((await get(path, 'at_test_0_nobody')).status).toBe(401);
});

test('nothing of it is on the public port', async () => {
  const { start, keys } = fixture();
  const { url } = await start(apiGateway);
  for (const path of paths) {
    const response = await fetch(`${url}/api/v1/database${path}`, { headers: { authorization: `Bearer ${keys.ops}` } });
    expect(response.status).toBe(404);
  }
});

test('lists come in pages, tables by tenant', async () => {
  const { get } = await started();
  expect((await get('/schemas?limit=7&cursor=abc')).json).toEqual({ items: [{ limit: 7, cursor: 'abc' }] });
  expect((await get('/tables?tenant=demo')).json).toEqual({ items: [{ tenant: 'demo', limit: 50 }] });
  expect(await get('/tables?tenant=nobody')).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } });
});

test.each([
  '/schemas?limit=0',
  '/schemas?limit=501',
  '/tables?tenant=Not%20One',
  '/tables?schema=platform',
  '/schemas?limit=x',
])('%s is refused', async (path) => {
  const { get } = await started();
  expect(await get(path)).toMatchObject({ status: 400, json: { code: 'VALIDATION_FAILED' } });
});

test('a database that is away is said to be', async () => {
  const { get } = await started();
  expect(await get('/slow-queries')).toMatchObject({ status: 503, json: { code: 'NOT_READY' } });
});
