/** What a running platform says of itself, over the ports that it listens on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';

export interface ComponentHealth {
  readonly name: string;
  readonly status: string;
  readonly reason?: string;
}

export interface PlatformHealth {
  readonly isReady: boolean;
  /** Why it is not ready, or why less is known than was asked for. */
  readonly reasons: readonly string[];
  readonly checks: readonly ComponentHealth[];
  readonly supervisors: readonly ComponentHealth[];
}

const answerWithinMs = 5_000;

/** Never fails: a platform that does not answer is not ready. */
export async function checkHealth(
  config: Pick<Config, 'home' | 'publicHost' | 'internalHost' | 'ports'>,
): Promise<PlatformHealth> {
  const key = demoKey(config.home);
  const readiness = new URL('/readyz?verbose', origin(config.publicHost, config.ports.api));
  const rollUp = new URL('/api/v1/supervisors/health', origin(config.internalHost, config.ports.hub));
  const [ready, supervisors] = await Promise.all([ask(readiness, key), ask(rollUp, key)]);
  return {
    isReady: ready.status === 200,
    reasons: [...reasonsOf(ready, readiness), ...(supervisors.status === 200 ? [] : reasonsOf(supervisors, rollUp))],
    checks: checksOf(ready.text),
    supervisors: supervisorsOf(supervisors.body),
  };
}

/** A host that means "every address" is asked on loopback. */
function origin(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

interface Answer {
  /** Undefined: nobody answered. */
  readonly status: number | undefined;
  readonly text: string;
  /** The text as a JSON object; empty where it is none. */
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(url: URL, key: string | undefined): Promise<Answer> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(answerWithinMs) });
    const text = await response.text();
    return { status: response.status, text, body: parsed(text) };
  } catch {
    return { status: undefined, text: '', body: {} };
  }
}

function parsed(text: string): Answer['body'] {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function reasonsOf({ status, text, body }: Answer, url: URL): string[] {
  if (status === undefined) return [`nobody answers at ${url.origin}`];
  const told = /^not ready: (.+)$/m.exec(text)?.[1];
  if (told !== undefined) return told.split('; ');
  return status === 200 ? [] : [`${url.href} answers ${status} ${textOf(body['code']) ?? ''}`.trimEnd()];
}

// A line a component: `[+]database ok`, `[-]database fail: it is connecting`.
function checksOf(text: string): ComponentHealth[] {
  return Array.from(text.matchAll(/^\[.\](\S+) (\w+)(?:: (.+))?$/gm), ([, name = '', status = '', reason]) => ({
    ...{ name, status: status === 'ok' ? 'pass' : status },
    ...(reason === undefined ? {} : { reason }),
  }));
}

function supervisorsOf({ supervisors }: Answer['body']): ComponentHealth[] {
  if (!Array.isArray(supervisors)) return [];
  return supervisors.filter(isRecord).map((one) => {
    const reason = textOf(one['reason']);
    return {
      ...{ name: textOf(one['path']) ?? '?', status: textOf(one['status']) ?? 'unknown' },
      ...(reason === undefined ? {} : { reason }),
    };
  });
}

/** The operator's key of the demo tenant, where there is one: without it an open port may still say enough. */
function demoKey(home: string): string | undefined {
  try {
    const credentials: unknown = JSON.parse(readFileSync(join(home, 'demo-credentials.json'), 'utf8'));
    const ops = isRecord(credentials) ? credentials['ops'] : undefined;
    return isRecord(ops) ? textOf(ops['apiKey']) : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
