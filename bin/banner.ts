/** What `start` shows on a terminal: where things are and how to get going. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';

export interface Address {
  readonly service: string;
  readonly url: string;
}

const meanings: Readonly<Record<string, string>> = {
  api: 'public API; the browser terminal is at /',
  'data-bridge': 'trader streams at /stream',
  hub: 'actors, services, health',
  database: 'database service',
  ai: 'AI signals',
  trading: 'orders, positions, accounts',
  billing: 'billing',
  analytics: 'analytics and /metrics',
};

export function banner(config: Config, addresses: readonly Address[]): string {
  const width = Math.max(...addresses.map(({ url }) => url.length));
  const api = addresses.find(({ service }) => service === 'api')?.url;
  return [
    '',
    `  aitrading: ${config.tradingMode} trading, ${databaseOf(config)}, home ${config.home}`,
    '',
    ...addresses.map(({ service, url }) => `  ${url.padEnd(width)}  ${meanings[service] ?? service}`),
    '',
    ...(api === undefined ? [] : [`  Open ${api} and give it an API key.`]),
    ...credentials(config).map((line) => `  ${line}`),
    '  Ctrl+C stops the platform; nothing that was acknowledged is lost.',
    '',
    '',
  ].join('\n');
}

function credentials({ home, isProduction }: Config): string[] {
  if (isProduction) return [];
  return [
    `Keys of the demo tenant: ${join(home, 'demo-credentials.json')} (trader.apiKey to trade, ops.apiKey to operate)`,
  ];
}

function databaseOf({ database }: Config): string {
  return database === undefined ? 'embedded PostgreSQL' : `PostgreSQL on ${database.host}:${database.port}`;
}
