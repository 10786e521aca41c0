/** The command line as its users run it: the real program in a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const program = join(import.meta.dirname, '../../bin/aitrading.js');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  // Nothing of the test's own environment may count as configuration.
  const env = { PATH: process.env['PATH'] ?? '', ...environment };
  const child = spawn(process.execPath, [program, ...words], { cwd: folder, env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const lines = (text: string) => text.trimEnd().split('\n');

describe('help', () => {
  test('lists every command', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of ['start', 'migrate', 'database', 'backup', 'restore', 'config', 'health', 'replay', 'keys']) {
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    }
  });

  test.each([
    'start',
    'migrate',
    'config check',
    'health',
    'replay',
    'database rebuild',
    'backup drill',
    'restore',
    'keys rotate',
  ])('%s has its own', async (command) => {
    const { code, stdout } = await run([...command.split(' '), '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: aitrading ${command}`);
  });

  test('a replay runs as fast as it goes unless told otherwise', async () => {
    const { stdout } = await run(['replay', '--help']);
    expect(stdout).toMatch(/--speed <factor> [^-]*\(default:\s+max\)/);
  });

  test('the version is that of the package', async () => {
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });
});

describe('a mistake in the use of it is one line and code 2', () => {
  test.each([
    { words: ['strat'], says: "unknown command 'strat' (Did you mean start?)" },
    { words: ['start', '--fast'], says: "unknown option '--fast'" },
    {
      words: ['replay', 'x.csv', '--symbol', 'EURUSD', '--strategy', 'magic'],
      says: 'Allowed choices are moving-average-cross, ai-ensemble',
    },
    {
      words: ['replay', 'x.csv', '--symbol', 'EURUSD', '--parameters', 'fast'],
      says: 'must be names with values, such as fast=20,slow=50',
    },
    { words: ['health', 'all'], says: 'too many arguments' },
    { words: ['health', '--port-offset', 'many'], says: "argument 'many' is invalid" },
  ])('$words', async ({ words, says }) => {
    const { code, stdout, stderr } = await run(words);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(lines(stderr)).toHaveLength(1);
    expect(stderr).toContain(says);
    expect(stderr).toContain('see aitrading --help');
  });
});

describe('configuration', () => {
  const faulty = { PORT_OFFSET: '-1', LOG_LEVEL: 'loud', DB_PASSWORD: 'hunter2hunter2', AITRADING_HMOE: '/tmp' };

  test.each(['config check', 'start', 'health'])('%s tells all its faults at once', async (command) => {
    const { code, stdout, stderr } = await run(command.split(' '), faulty);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(lines(stderr)).toHaveLength(4);
    for (const name of ['PORT_OFFSET', 'LOG_LEVEL', 'DB_HOST', 'AITRADING_HMOE']) expect(stderr).toContain(name);
    expect(stderr).not.toContain('hunter2');
  });

  test('as JSON the faults are a list', async () => {
    const { code, stdout } = await run(['config', 'check', '--json'], faulty);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      faults: expect.arrayContaining([expect.stringMatching(/^LOG_LEVEL/)]),
    });
  });

  test.each(['config check', 'config check --json'])('secrets are not printed by %s', async (command) => {
    const { code, stdout, stderr } = await run(command.split(' '), {
      ...{ DB_HOST: 'db.example', DB_PASSWORD: 'hunter2', OPENAI_API_KEY: 'sk-hunter2' },
      NATS_URL: 'nats://user:hunter2@nats.example:4222',
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('[secret]');
    expect(stdout).toContain('db.example');
    expect(stdout).not.toContain('hunter2');
  });

  test('the effective configuration is JSON with amounts as decimal text', async () => {
    const { config } = JSON.parse((await run(['config', 'check', '--json'])).stdout);
    expect(config).toMatchObject({ ports: { api: 3001 }, database: null, risk: { maxOrderValue: '1000000' } });
  });

  test('.env of the working folder is read, and variables win over it', async () => {
    const file = join(folder, '.env');
    writeFileSync(file, 'SIMULATOR_SEED=7\nLOG_LEVEL=debug\n');
    try {
      const { stdout } = await run(['config', 'check', '--json'], { LOG_LEVEL: 'error' });
      expect(JSON.parse(stdout).config).toMatchObject({ simulator: { seed: 7 }, logLevel: 'error' });
    } finally {
      rmSync(file);
    }
  });
});

test('a data folder that cannot be made ends the start with one line and code 1', async () => {
  const file = join(folder, 'a-file');
  writeFileSync(file, '');
  const { code, stdout, stderr } = await run(['start'], { AITRADING_HOME: join(file, 'home') });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(lines(stderr)).toHaveLength(1);
  expect(stderr).toContain(join(file, 'home'));
});
