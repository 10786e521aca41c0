import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig, type Config } from '../../config/config.ts';
import type { Environment } from '../../config/read.ts';
import { configurationPage, envExample, variables } from '../../config/variables.ts';

const project = join(import.meta.dirname, '../..');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function configOf(environment: Environment): Config {
  const result = readConfig(environment);
  if (!result.ok) throw new Error(result.faults.join('; '));
  return result.config;
}

function faultsOf(environment: Environment): readonly string[] {
  const result = readConfig(environment);
  return result.ok ? [] : result.faults;
}

/** A value that each variable takes, secrets among them, so that every reader runs. */
const complete: Readonly<Record<string, string>> = {
  AITRADING_HOME: '/var/lib/aitrading',
  PORT_OFFSET: '100',
  PUBLIC_HOST: '0.0.0.0',
  INTERNAL_HOST: '::1',
  NODE_ENV: 'production',
  LOG_LEVEL: 'warn',
  WS_ENGINE: 'uws',
  MASTER_KEY: 'q0ZJx3n8mS5cV1dQw7eRtY2uI9oPaLkHgFbNvCzXs4E=',
  MASTER_KEY_PREVIOUS: '9f3c71e05ad2b84617fe2d80c4936ba15e08f7cd1b64a93270d5ee4bc8126f3a',
  DB_HOST: 'db.internal',
  DB_PORT: '6432',
  DB_NAME: 'trading',
  DB_USER: 'platform',
  DB_PASSWORD: 'secret-db',
  DB_REPLICA_HOST: 'standby.internal',
  DB_REPLICA_PORT: '6433',
  REDIS_HOST: 'cache.internal',
  REDIS_PORT: '6380',
  REDIS_PASSWORD: 'secret-redis',
  NATS_URL: 'nats://user:secret-nats@nats.internal:4222',
  OPENAI_API_KEY: 'secret-openai',
  OPENAI_BASE_URL: 'http://proxy.internal/v1',
  ANTHROPIC_API_KEY: 'secret-anthropic',
  ANTHROPIC_BASE_URL: 'http://proxy.internal',
  GOOGLE_AI_API_KEY: 'secret-google',
  GOOGLE_AI_BASE_URL: 'http://proxy.internal',
  OLLAMA_HOST: 'ollama.internal:11434',
  TRADING_MODE: 'paper',
  SIMULATOR_SEED: '7',
  SIMULATOR_SESSIONS: 'real',
  MT5_SERVER: 'Broker-Demo',
  MT5_LOGIN: '5012345',
  MT5_PASSWORD: 'secret-mt5',
  MIDTRANS_SERVER_KEY: 'secret-server',
  MIDTRANS_CLIENT_KEY: 'secret-client',
  MIDTRANS_ENVIRONMENT: 'production',
  MIDTRANS_BASE_URL: 'http://midtrans.internal',
};

test('an empty environment gives a platform that runs by itself', () => {
  expect(configOf({})).toMatchObject({
    home: './.aitrading',
    isProduction: false,
    logLevel: 'info',
    publicHost: '127.0.0.1',
    internalHost: '127.0.0.1',
    ports: { api: 3001, analytics: 9100 },
    wsEngine: 'auto',
    masterKeys: { current: undefined, previous: undefined },
    database: undefined,
    replica: undefined,
    redis: undefined,
    natsUrl: undefined,
    ai: { openai: undefined, anthropic: undefined, google: undefined, ollamaUrl: undefined },
    tradingMode: 'paper',
    simulator: { seed: 1, sessions: 'always' },
    mt5: undefined,
    midtrans: undefined,
  });
});

test('every variable of the table is read', () => {
  const config = configOf(complete);
  expect(config).toMatchObject({
    home: '/var/lib/aitrading',
    isProduction: true,
    logLevel: 'warn',
    publicHost: '0.0.0.0',
    internalHost: '::1',
    ports: { api: 3101, analytics: 9200 },
    wsEngine: 'uws',
    database: { host: 'db.internal', port: 6432, name: 'trading', user: 'platform' },
    replica: { host: 'standby.internal', port: 6433, name: 'trading', user: 'platform' },
    redis: { host: 'cache.internal', port: 6380 },
    ai: {
      openai: { baseUrl: 'http://proxy.internal/v1' },
      anthropic: { baseUrl: 'http://proxy.internal' },
      google: { baseUrl: 'http://proxy.internal' },
      ollamaUrl: 'http://ollama.internal:11434',
    },
    simulator: { seed: 7, sessions: 'real' },
    mt5: { server: 'Broker-Demo', login: 5_012_345 },
    midtrans: { environment: 'production', baseUrl: 'http://midtrans.internal' },
  });
  expect(config.natsUrl?.reveal()).toBe(complete['NATS_URL']);
  expect(config.masterKeys.current?.reveal()).toBe(complete['MASTER_KEY']);
  expect(config.masterKeys.previous?.reveal()).toBe(complete['MASTER_KEY_PREVIOUS']);
  expect(config.database?.password?.reveal()).toBe('secret-db');
  expect(Object.keys(complete)).toEqual(variables.map(({ name }) => name));
});

test('no secret is in a printed configuration', () => {
  const config = configOf(complete);
  const printed = `${inspect(config, { depth: 9, showHidden: true })} ${JSON.stringify(config, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}`;
  expect(printed).toContain('[secret]');
  expect(printed).not.toContain('secret-');
  expect(printed).not.toContain(complete['MASTER_KEY']);
  expect(printed).not.toContain(complete['MASTER_KEY_PREVIOUS']);
});

test.each(variables.filter((variable) => variable.default !== undefined))(
  'leaving $name out is the same as setting it to $default',
  ({ name, default: value }) => {
    const base: Record<string, string> = {
      DB_HOST: 'db',
      DB_REPLICA_HOST: 'standby',
      MASTER_KEY: complete['MASTER_KEY']!,
      REDIS_HOST: 'cache',
      MIDTRANS_SERVER_KEY: 's',
      MIDTRANS_CLIENT_KEY: 'c',
    };
    expect(configOf({ ...base, [name]: value })).toEqual(configOf(base));
  },
);

test.each(variables.map(({ name }) => name))('%s may come from a file', (name) => {
  const path = join(folder, name);
  writeFileSync(path, `${complete[name]}\n`, { mode: 0o600 });
  const { [name]: _moved, ...rest } = complete;
  expect(configOf({ ...rest, [`${name}_FILE`]: path })).toEqual(configOf(complete));
});

test('a configuration cannot be changed', () => {
  const config = configOf(complete);
  expect(() => Object.assign(config, { home: '/' })).toThrow(TypeError);
  expect(() => Object.assign(config.ports, { api: 1 })).toThrow(TypeError);
  expect(() => Object.assign(config.ai.openai ?? {}, { baseUrl: 'http://elsewhere' })).toThrow(TypeError);
});

test('all faults are told at once, in the order of the variables, without a secret', () => {
  const faults = faultsOf({
    PORT_OFFSET: '70000',
    LOG_LEVEL: 'loud',
    DB_PASSWORD: 'secret-db',
    NATS_URL: 'http://user:secret-nats@nats',
    SIMULATOR_SEED: 'x',
    AITRADING_HOEM: '/tmp',
  });
  expect(faults).toEqual([
    'LOG_LEVEL must be trace, debug, info, warn, error, fatal or silent, was loud',
    'PORT_OFFSET must be 0 to 50000, was 70000',
    'DB_HOST must be set when DB_PASSWORD is, was unset',
    'NATS_URL must be a URL with nats: or tls:, was a URL of another kind',
    'SIMULATOR_SEED must be 0 to 4294967295, was x',
    'AITRADING_HOEM is not a variable of this platform',
  ]);
});

test.each<[string, Environment, readonly string[]]>([
  [
    'REDIS_PASSWORD without REDIS_HOST',
    { REDIS_PASSWORD: 'p' },
    ['REDIS_HOST must be set when REDIS_PASSWORD is, was unset'],
  ],
  [
    'half a login at MT5',
    { MT5_LOGIN: '1' },
    ['MT5_SERVER must be set when MT5_LOGIN is, was unset', 'MT5_PASSWORD must be set when MT5_LOGIN is, was unset'],
  ],
  [
    'one key of Midtrans',
    { MIDTRANS_CLIENT_KEY: 'k' },
    ['MIDTRANS_SERVER_KEY must be set when MIDTRANS_CLIENT_KEY is, was unset'],
  ],
  [
    'live trading outside production',
    { TRADING_MODE: 'live' },
    [
      'NODE_ENV must be production for TRADING_MODE=live, was unset',
      'TRADING_MODE must be paper, since this build has no live broker, was live',
    ],
  ],
  [
    'live trading in production',
    { TRADING_MODE: 'live', NODE_ENV: 'production', MASTER_KEY: complete['MASTER_KEY']! },
    ['TRADING_MODE must be paper, since this build has no live broker, was live'],
  ],
  ['production without a master key', { NODE_ENV: 'production' }, ['MASTER_KEY must be set in production, was unset']],
  [
    'the master key before without the one in use',
    { MASTER_KEY_PREVIOUS: complete['MASTER_KEY_PREVIOUS']! },
    ['MASTER_KEY must be set when MASTER_KEY_PREVIOUS is, was unset'],
  ],
  [
    'the same master key twice, written in two ways',
    {
      MASTER_KEY: complete['MASTER_KEY']!,
      MASTER_KEY_PREVIOUS: Buffer.from(complete['MASTER_KEY']!, 'base64').toString('hex'),
    },
    ['MASTER_KEY_PREVIOUS must be another key than MASTER_KEY, was the same'],
  ],
  [
    'an Ollama server by an odd protocol',
    { OLLAMA_HOST: 'ftp://x' },
    ['OLLAMA_HOST must be a URL with http: or https:, was a URL of another kind'],
  ],
])('%s is a fault', (_what, environment, faults) => {
  expect(faultsOf(environment)).toEqual(faults);
});

test.each([0o600, 0o400, 0o440, 0o640])('a file with a master key of mode %o is taken', (mode) => {
  const path = join(folder, `key-${mode}`);
  writeFileSync(path, complete['MASTER_KEY']!);
  chmodSync(path, mode);
  expect(faultsOf({ MASTER_KEY_FILE: path, NODE_ENV: 'production' })).toEqual([]);
});

test.each([0o644, 0o604, 0o660, 0o602, 0o777])('a file with a master key of mode %o is refused', (mode) => {
  const path = join(folder, `key-${mode}`);
  writeFileSync(path, complete['MASTER_KEY']!);
  chmodSync(path, mode);
  expect(faultsOf({ MASTER_KEY_FILE: path })).toEqual([
    `MASTER_KEY_FILE must be a file that no other user can read or change, was ${path}`,
  ]);
});

test('an empty file is no master key, and one that is missing is told once', () => {
  const path = join(folder, 'empty');
  writeFileSync(path, '\n', { mode: 0o600 });
  expect(faultsOf({ MASTER_KEY_FILE: path })).toEqual([
    `MASTER_KEY_FILE must be a file with a key, was ${path} (empty)`,
  ]);
  expect(faultsOf({ MASTER_KEY_FILE: `${path}-not`, NODE_ENV: 'production' })).toEqual([
    `MASTER_KEY_FILE must be a file that can be read, was ${path}-not (ENOENT)`,
  ]);
});

test('any AITRADING_ variable that is not in the table is a fault', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z]{1,12}$/), (suffix) => {
      fc.pre(suffix !== 'HOME');
      expect(faultsOf({ [`AITRADING_${suffix}`]: 'x' })).toEqual([
        `AITRADING_${suffix} is not a variable of this platform`,
      ]);
    }),
  );
});

test('whatever the environment holds, reading it does not throw and shows no secret', () => {
  const junk = fc.string({ minLength: 1 }).map((text) => `hunter2${text}`);
  const names = variables.map(({ name }) => name).filter((name) => /PASSWORD|KEY$|NATS_URL/.test(name));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), junk), (environment) => {
      const result = readConfig(environment);
      expect(inspect(result, { depth: 9 })).not.toContain('hunter2');
    }),
  );
});

// Both files are printed from the table: `vitest run -u test/config` writes them anew.
test('.env.example is what the table prints', async () => {
  await expect(envExample()).toMatchFileSnapshot(join(project, '.env.example'));
});

test('docs/configuration.md is what the table prints', async () => {
  await expect(configurationPage()).toMatchFileSnapshot(join(project, 'docs/configuration.md'));
});
