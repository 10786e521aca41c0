/** Backups as an operator makes them: by the command line, beside a platform that runs and on one that is down. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { verifyAudit } from '../../transports/drivers/postgres-audit.ts';
import { connectDatabase } from '../../transports/drivers/postgres.ts';
import { embeddedLogin } from '../support/postgres.ts';
import { PlatformProcess } from '../support/platform-process.ts';

const program = fileURLToPath(new URL('../../bin/aitrading.js', import.meta.url));
let platform: PlatformProcess;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
});
afterAll(() => platform.dispose());

function run(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, ...platform.environment, AITRADING_HOME: platform.home };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

const order = (clientOrderId: string) => ({
  ...{ clientOrderId, symbol: 'EURUSD', side: 'buy', type: 'limit', quantity: '0.10', limitPrice: '0.50000' },
  timeInForce: 'gtc',
});

async function send(clientOrderId: string): Promise<number> {
  const token = platform.credentials().trader.apiKey;
  const answer = await platform.call('api', '/api/v1/accounts/demo-1/orders', {
    ...{ method: 'POST', token, body: order(clientOrderId) },
  });
  return answer.status;
}

async function orders(): Promise<string[]> {
  const token = platform.credentials().trader.apiKey;
  const { json } = await platform.call('api', '/api/v1/accounts/demo-1/orders', { token });
  return json.items.map((item: { clientOrderId: string }) => item.clientOrderId).toSorted();
}

test('a platform that was saved while it ran is restored, and goes on from there', async () => {
  expect(await send('kept')).toBe(201);
  const saved = await run('backup', '--json');
  expect(saved).toMatchObject({ code: 0 });
  expect(saved.stderr).toContain('100 % saving');
  const { path } = JSON.parse(saved.stdout);
  expect(path).toMatch(/backups\/platform-\d{8}T\d{6}Z\.aitbackup$/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(platform.home, 'backups'))).toHaveLength(1);
  expect(await send('lost')).toBe(201);

  const refused = await run('restore', path);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/^aitrading: the data folder .* is in use by process \d+\n$/);

  const drill = await run('backup', 'drill', '--json');
  expect(drill.code).toBe(0);
  expect(JSON.parse(drill.stdout)).toMatchObject({
    path,
    tenants: 1,
    rpoSeconds: expect.any(Number),
    rtoSeconds: expect.any(Number),
  });

  platform.signal('SIGTERM');
  await platform.exited();
  const cut = join(platform.home, 'cut.aitbackup');
  writeFileSync(cut, readFileSync(path).subarray(0, -1));
  const damaged = await run('restore', cut);
  expect(damaged.code).toBe(1);
  expect(damaged.stderr).toBe('aitrading: the backup is refused: it is cut off\n');

  for (const [words, line] of [
    [['restore', platform.home], `the backup is refused: ${platform.home} is a folder`],
    [['restore', join(platform.home, 'no')], `${join(platform.home, 'no')} is not there`],
    [['restore', join(path, 'below')], `${join(path, 'below')} lies below something that is no folder`],
    [['restore', '/dev/null'], 'the backup is refused: /dev/null is no file'],
  ] as const) {
    expect(await run(...words)).toEqual({ code: 1, stdout: '', stderr: `aitrading: ${line}\n` });
  }
  const intoFile = await run('backup', '--to', path);
  expect(intoFile).toMatchObject({ code: 1, stderr: expect.stringContaining('is there already\n') });

  const restored = await run('restore', path);
  expect(restored).toMatchObject({ code: 0 });
  expect(restored.stdout).toMatch(/^the platform \(1 tenants\) is what it was at /);
  await platform.start();
  const database = connectDatabase({ ...embeddedLogin(platform.home), log: silentLog });
  const { rows: entries } = await database.query(
    `select action, target, subject, details from platform.audit where action like '%:backup' order by seq`,
  );
  // The backup began before it was entered, and the drill came after it: the log that was restored has neither.
  expect(entries).toEqual([
    {
      ...{ action: 'restore:backup', target: basename(path), subject: `operator:${userInfo().username}` },
      details: {
        ...{
          outcome: 'done',
          tenant: null,
          rows: expect.any(Number),
          createdAt: expect.any(String),
          tookMs: expect.any(Number),
        },
        replacedLog: { seq: expect.any(Number), hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      },
    },
  ]);
  expect(await verifyAudit(database, undefined)).not.toHaveProperty('brokenAt');
  await database.close();
  expect(await orders()).toEqual(['kept']);
  expect(await send('later')).toBe(201);
  expect(await send('kept')).toBe(201);
  expect(await orders()).toEqual(['kept', 'later']);
}, 120_000);

test('without a backup a drill fails', async () => {
  const drill = await run('backup', 'drill', '--to', join(platform.home, 'nowhere'));
  expect(drill.code).toBe(1);
  expect(drill.stderr).toMatch(/^aitrading: there is no backup in .*nowhere\n$/);
});
