/** docs/streams.md is true: its example runs as it stands, and its table names what there is. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { PlatformProcess } from '../support/platform-process.ts';
import { codeBlocks, project, readPage, section, tableRows } from './markdown.ts';

const page = readPage('docs/streams.md');
let platform: PlatformProcess;

beforeAll(async () => {
  platform = await PlatformProcess.onFreePorts();
  await platform.start();
}, 120_000);
afterAll(() => platform.dispose(), 30_000);

test('the example connects, follows and trades', async () => {
  const folder = mkdtempSync(join(project, 'docs/.example-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(folder, { recursive: true });
  const [example] = codeBlocks(page, 'ts');
  // An order needs a connection, as the page says behind the example.
  const program = example!
    .replace('../transports', '../../transports')
    .replace('ws://127.0.0.1:5001', `ws://127.0.0.1:${platform.port('data-bridge')}`)
    .replace(
      'const answer',
      "while (client.state !== 'online') await new Promise((run) => setImmediate(run));\nconst answer",
    );
  writeFileSync(join(folder, 'example.ts'), program);
  const key = platform.credentials().trader.apiKey;
  const child = spawn(process.execPath, [join(folder, 'example.ts')], { env: { ...process.env, AITRADING_KEY: key } });
  onTestFinished(() => void child.kill());
  let output = '';
  const wanted = [
    /^online live$/m,
    /^EURUSD \d\.\d{5} /m,
    /^all of account:demo-1/m,
    /^orders:demo-1 \d+ order-filled$/m,
  ];
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (wanted.every((line) => line.test(output)) && output.includes("state: 'SUBMITTED'")) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('exit', () => reject(new Error(output)));
  });
  expect(output).not.toContain('missing');
}, 60_000);

test('what the listener is told by is what it is told by', () => {
  const members = tableRows(section(page, 'What it sees to')).flatMap(([, , told]) => told!.match(/on[A-Z]\w+/g) ?? []);
  const source = readPage('transports/client/client.ts');
  expect(members.length).toBeGreaterThan(5);
  for (const member of members) expect(source).toContain(`  ${member}?(`);
});
