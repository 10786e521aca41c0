/** The environment, read once: a frozen `Config`, or every fault in it. `bin/` reads it and hands slices down. */
import { limits, riskLimits, type Limits, type RiskLimits } from './limits.ts';
import { decodeMasterKey } from './master-key.ts';
import { maxPortOffset, portsAt, type Ports } from './ports.ts';
import { Reader, type Environment } from './read.ts';
import type { Secret } from './secret.ts';
import { variables } from './variables.ts';

export interface Config {
  /** Folder as it was given; relative to the working folder. */
  readonly home: string;
  readonly isProduction: boolean;
  readonly logLevel: (typeof logLevels)[number];
  readonly publicHost: string;
  readonly internalHost: string;
  readonly ports: Ports;
  /** Of port 5001; `auto`: uws where it loads. */
  readonly wsEngine: (typeof wsEngines)[number];
  readonly masterKeys: MasterKeysConfig;
  /** Undefined: start the embedded PostgreSQL. */
  readonly database: DatabaseConfig | undefined;
  /** A standby of `database` that reports are read from; undefined: there is none. */
  readonly replica: DatabaseConfig | undefined;
  /** Undefined: an in-process stand-in. */
  readonly redis: RedisConfig | undefined;
  /** Undefined: one node. The URL may carry credentials. */
  readonly natsUrl: Secret | undefined;
  readonly ai: AiConfig;
  readonly tradingMode: 'paper';
  readonly simulator: { readonly seed: number; readonly sessions: 'always' | 'real' };
  readonly mt5: { readonly server: string; readonly login: number; readonly password: Secret } | undefined;
  readonly midtrans: MidtransConfig | undefined;
  readonly limits: Limits;
  readonly risk: RiskLimits;
}

/** Each as base64 or hex. */
export interface MasterKeysConfig {
  /** Undefined: the one in the data folder; never in production. */
  readonly current: Secret | undefined;
  /** The one before, while keys are still wrapped by it. */
  readonly previous: Secret | undefined;
}

export interface DatabaseConfig {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly user: string;
  readonly password: Secret | undefined;
}

export interface RedisConfig {
  readonly host: string;
  readonly port: number;
  readonly password: Secret | undefined;
}

/** A provider that is undefined is absent; a `baseUrl` that is undefined is the vendor's. */
export interface AiConfig {
  readonly openai: ProviderConfig | undefined;
  readonly anthropic: ProviderConfig | undefined;
  readonly google: ProviderConfig | undefined;
  readonly ollamaUrl: string | undefined;
}

export interface ProviderConfig {
  readonly apiKey: Secret;
  readonly baseUrl: string | undefined;
}

export interface MidtransConfig {
  readonly serverKey: Secret;
  readonly clientKey: Secret;
  readonly environment: 'sandbox' | 'production';
  readonly baseUrl: string | undefined;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly faults: readonly string[] };

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const wsEngines = ['auto', 'ws', 'uws'] as const;
const httpProtocols = ['http:', 'https:'];

/** Reads files that `NAME_FILE` variables name; nothing else outside `environment`. Never throws, never prints a secret. */
export function readConfig(environment: Environment): ConfigResult {
  const read = new Reader(environment);
  const isProduction = read.text('NODE_ENV') === 'production';
  const config: Config = {
    home: read.text('AITRADING_HOME', './.aitrading'),
    isProduction,
    logLevel: read.choice('LOG_LEVEL', logLevels, 'info'),
    publicHost: read.host('PUBLIC_HOST', '127.0.0.1'),
    internalHost: read.host('INTERNAL_HOST', '127.0.0.1'),
    ports: portsAt(read.integer('PORT_OFFSET', { min: 0, max: maxPortOffset }, 0)),
    wsEngine: read.choice('WS_ENGINE', wsEngines, 'auto'),
    masterKeys: readMasterKeys(read, isProduction),
    ...readDatabases(read),
    redis: readRedis(read),
    natsUrl: readNatsUrl(read),
    ai: {
      openai: readProvider(read, 'OPENAI'),
      anthropic: readProvider(read, 'ANTHROPIC'),
      google: readProvider(read, 'GOOGLE_AI'),
      ollamaUrl: readOllamaUrl(read),
    },
    tradingMode: readTradingMode(read, isProduction),
    simulator: {
      seed: read.integer('SIMULATOR_SEED', { min: 0, max: 2 ** 32 - 1 }, 1),
      sessions: read.choice('SIMULATOR_SESSIONS', ['always', 'real'], 'always'),
    },
    mt5: readMt5(read),
    midtrans: readMidtrans(read),
    limits,
    risk: riskLimits,
  };
  const faults = [...new Set([...read.faults, ...unknownVariables(environment)])];
  return faults.length > 0 ? { ok: false, faults } : { ok: true, config: deepFreeze(config) };
}

function readMasterKeys(read: Reader, isProduction: boolean): MasterKeysConfig {
  const current = read.masterKey('MASTER_KEY');
  const previous = read.masterKey('MASTER_KEY_PREVIOUS');
  if (isProduction && !read.has('MASTER_KEY')) read.fault('MASTER_KEY', 'set in production', 'unset');
  else needs(read, 'MASTER_KEY', ['MASTER_KEY_PREVIOUS']);
  if (current !== undefined && isSameKey(current, previous))
    read.fault('MASTER_KEY_PREVIOUS', 'another key than MASTER_KEY', 'the same');
  return { current, previous };
}

function isSameKey(one: Secret, other: Secret | undefined): boolean {
  const bytes = decodeMasterKey(one.reveal());
  return bytes !== undefined && other !== undefined && decodeMasterKey(other.reveal())?.equals(bytes) === true;
}

/** The replica has the name and the logins of its primary. */
function readDatabases(read: Reader): Pick<Config, 'database' | 'replica'> {
  const database = readDatabase(read);
  const host = read.host('DB_REPLICA_HOST');
  const port = read.port('DB_REPLICA_PORT', 5432);
  needs(read, 'DB_HOST', ['DB_REPLICA_HOST']);
  needs(read, 'DB_REPLICA_HOST', ['DB_REPLICA_PORT']);
  return { database, replica: database && host !== undefined ? { ...database, host, port } : undefined };
}

function readDatabase(read: Reader): DatabaseConfig | undefined {
  const host = read.host('DB_HOST');
  const rest = {
    port: read.port('DB_PORT', 5432),
    name: read.text('DB_NAME', 'aitrading'),
    user: read.text('DB_USER', 'aitrading'),
    password: read.secret('DB_PASSWORD'),
  };
  needs(read, 'DB_HOST', ['DB_PORT', 'DB_NAME', 'DB_USER', 'DB_PASSWORD']);
  return host === undefined ? undefined : { host, ...rest };
}

function readRedis(read: Reader): RedisConfig | undefined {
  const host = read.host('REDIS_HOST');
  const rest = { port: read.port('REDIS_PORT', 6379), password: read.secret('REDIS_PASSWORD') };
  needs(read, 'REDIS_HOST', ['REDIS_PORT', 'REDIS_PASSWORD']);
  return host === undefined ? undefined : { host, ...rest };
}

function readNatsUrl(read: Reader): Secret | undefined {
  return read.url('NATS_URL', ['nats:', 'tls:']) === undefined ? undefined : read.secret('NATS_URL');
}

function readProvider(read: Reader, prefix: 'OPENAI' | 'ANTHROPIC' | 'GOOGLE_AI'): ProviderConfig | undefined {
  const apiKey = read.secret(`${prefix}_API_KEY`);
  const baseUrl = read.url(`${prefix}_BASE_URL`, httpProtocols);
  return apiKey === undefined ? undefined : { apiKey, baseUrl };
}

// Ollama's own tools take `host:port`, so people have it in their environment in that form.
function readOllamaUrl(read: Reader): string | undefined {
  const found = read.text('OLLAMA_HOST');
  if (found === undefined || found.includes('://')) return read.url('OLLAMA_HOST', httpProtocols);
  const host = read.host('OLLAMA_HOST');
  return host === undefined ? undefined : `http://${host}`;
}

function readTradingMode(read: Reader, isProduction: boolean): 'paper' {
  if (read.choice('TRADING_MODE', ['paper', 'live'], 'paper') === 'live') {
    if (!isProduction) read.fault('NODE_ENV', 'production for TRADING_MODE=live', read.text('NODE_ENV', 'unset'));
    read.fault('TRADING_MODE', 'paper, since this build has no live broker', 'live');
  }
  return 'paper';
}

function readMt5(read: Reader): Config['mt5'] {
  const server = read.text('MT5_SERVER');
  const login = read.integer('MT5_LOGIN', { min: 1, max: Number.MAX_SAFE_INTEGER });
  const password = read.secret('MT5_PASSWORD');
  allOrNone(read, ['MT5_SERVER', 'MT5_LOGIN', 'MT5_PASSWORD']);
  if (server === undefined || login === undefined || password === undefined) return undefined;
  return { server, login, password };
}

function readMidtrans(read: Reader): MidtransConfig | undefined {
  const serverKey = read.secret('MIDTRANS_SERVER_KEY');
  const clientKey = read.secret('MIDTRANS_CLIENT_KEY');
  const environment = read.choice('MIDTRANS_ENVIRONMENT', ['sandbox', 'production'], 'sandbox');
  const baseUrl = read.url('MIDTRANS_BASE_URL', httpProtocols);
  allOrNone(read, ['MIDTRANS_SERVER_KEY', 'MIDTRANS_CLIENT_KEY']);
  if (serverKey === undefined || clientKey === undefined) return undefined;
  return { serverKey, clientKey, environment, baseUrl };
}

// DB_PASSWORD without DB_HOST is a slip of the pen that would otherwise start an empty embedded database.
function needs(read: Reader, name: string, dependents: readonly string[]): void {
  if (read.has(name)) return;
  const set = dependents.filter((dependent) => read.has(dependent));
  if (set.length > 0) read.fault(name, `set when ${set.join(', ')} is`, 'unset');
}

function allOrNone(read: Reader, names: readonly string[]): void {
  const unset = names.filter((name) => !read.has(name));
  if (unset.length === names.length) return;
  const set = names.filter((name) => read.has(name)).join(', ');
  for (const name of unset) read.fault(name, `set when ${set} is`, 'unset');
}

function unknownVariables(environment: Environment): string[] {
  const known = new Set(variables.flatMap(({ name }) => [name, `${name}_FILE`]));
  return Object.keys(environment)
    .filter((name) => name.startsWith('AITRADING_') && !known.has(name))
    .map((name) => `${name} is not a variable of this platform`);
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null && !Object.isFrozen(member)) deepFreeze(member as object);
  }
  return Object.freeze(value);
}
