/** Whoever takes orders in this benchmark: the platform and those it is measured against. */
import { join } from 'node:path';
import { startChild } from './child.ts';
import { removeHome, selectOne, temporaryHome, urlOfHome } from './database.ts';
import type { PlatformReady } from './platform.ts';

export interface Contender {
  readonly name: 'platform' | 'plain' | 'tuned';
  readonly pid: number;
  /** Of its stream. */
  readonly port: number;
  readonly token: string;
  /** Stops its process in its tracks, so that another contender has the machine for itself, and lets it go on. */
  pause(): void;
  resume(): void;
  /** Orders and fills that are durable, of all runs. */
  durable(): Promise<Durable>;
  stop(): Promise<void>;
}

export interface Durable {
  readonly orders: number;
  readonly fills: number;
}

const readyWithinMs = 120_000;

/** What the platform has promised stands in its journal: a row for each order and a row for each fill. */
const durableRows = `
  select count(*) filter (where command_id like 'order:%')::int as orders,
         count(*) filter (where command_id like 'fill:%')::int as fills
  from platform.journal`;

/** In a new home, which goes when it stops. */
export async function startPlatformContender(accounts: number): Promise<Contender> {
  const home = temporaryHome();
  const environment = { BENCH_HOME: home, BENCH_ACCOUNTS: String(accounts) };
  const starting = startChild<PlatformReady>(join(import.meta.dirname, 'platform.ts'), environment, readyWithinMs);
  const child = await starting.catch((error: unknown) => {
    removeHome(home);
    throw error;
  });
  return {
    name: 'platform',
    ...{ pid: child.pid, port: child.ready.port, token: child.ready.token, pause: child.pause, resume: child.resume },
    durable: () => selectOne<Durable>(urlOfHome(home), durableRows),
    stop: async () => {
      await child.stop();
      removeHome(home);
    },
  };
}

/** The accounts that every contender has, `bench-1` and on. */
export function accountNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `bench-${index + 1}`);
}
