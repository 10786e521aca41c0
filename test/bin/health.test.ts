import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkHealth } from '../../bin/health-check.ts';
import { portsAt } from '../../config/ports.ts';

let home = '';
let server: Server;
let answers: Record<string, { status: number; body: string }> = {};
let authorizations: (string | undefined)[] = [];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'health-'));
  authorizations = [];
  server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    const { status, body } = answers[request.url ?? ''] ?? { status: 404, body: '' };
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  rmSync(home, { recursive: true });
  await new Promise((resolve) => server.close(resolve));
});

function check() {
  const { port } = server.address() as AddressInfo;
  const ports = { ...portsAt(0), api: port, hub: port };
  return checkHealth({ home, publicHost: '0.0.0.0', internalHost: '127.0.0.1', ports });
}

test('a platform that answers 200 is ready, with what it says of its parts', async () => {
  answers = {
    '/readyz?verbose': { status: 200, body: '[+]storage ok\n[!]ai warn: no key: it is absent\nready\n' },
    '/api/v1/supervisors/health': {
      status: 200,
      body: JSON.stringify({ status: 'operational', supervisors: [{ path: '/storage', status: 'operational' }] }),
    },
  };
  expect(await check()).toEqual({
    isReady: true,
    reasons: [],
    checks: [
      { name: 'storage', status: 'pass' },
      { name: 'ai', status: 'warn', reason: 'no key: it is absent' },
    ],
    supervisors: [{ name: '/storage', status: 'operational' }],
  });
});

test('a platform that answers 503 is not ready, for the reasons that it gives', async () => {
  const body = '[-]database fail: it is connecting\nnot ready: database: it is connecting; accounts\n';
  answers = { '/readyz?verbose': { status: 503, body } };
  const { isReady, reasons, checks } = await check();
  expect(isReady).toBe(false);
  expect(reasons.slice(0, 2)).toEqual(['database: it is connecting', 'accounts']);
  expect(checks).toEqual([{ name: 'database', status: 'fail', reason: 'it is connecting' }]);
});

test('what a port does not show is said, and does not make a platform unready', async () => {
  const body = JSON.stringify({ code: 'UNAUTHENTICATED' });
  answers = {
    '/readyz?verbose': { status: 200, body: 'ready\n' },
    '/api/v1/supervisors/health': { status: 401, body },
  };
  const { isReady, reasons } = await check();
  expect(isReady).toBe(true);
  expect(reasons).toEqual([expect.stringMatching(/supervisors.health answers 401 UNAUTHENTICATED$/)]);
});

test("the demo tenant's operator key is used where there is one", async () => {
  writeFileSync(join(home, 'demo-credentials.json'), JSON.stringify({ ops: { apiKey: 'at_demo_key' } }));
  answers = {};
  await check();
  expect(authorizations).toEqual(['Bearer at_demo_key', 'Bearer at_demo_key']);
});

test('a platform that is not there is not ready', async () => {
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const ports = { ...portsAt(0), api: port, hub: port };
  const report = await checkHealth({ home, publicHost: '127.0.0.1', internalHost: '127.0.0.1', ports });
  expect(report.isReady).toBe(false);
  expect(report.reasons).toEqual([
    `nobody answers at http://127.0.0.1:${port}`,
    `nobody answers at http://127.0.0.1:${port}`,
  ]);
  server = createServer().listen(0);
});
