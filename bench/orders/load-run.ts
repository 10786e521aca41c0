/** Runs one job: connect, warm up, measure, drain. */
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuMicrosOf } from './cpu.ts';
import type { LoadJob, LoadResult } from './job.ts';
import { Trader } from './trader.ts';

const connectAtOnce = 16;
const lookEveryMs = 10;
/** A lane that gets no fill for this long is lost. */
const patienceMs = 30_000;
/** A window is held open until it has them: of fewer there is nothing to say. */
const fewestFills = 20;
const highestNanos = 120e9;

/** @throws {Error} an answer was wrong, or did not come */
export async function runJob(job: LoadJob): Promise<LoadResult> {
  const latency = createHistogram({ lowest: 1, highest: highestNanos, figures: 3 });
  const window = { startMs: Infinity, endMs: Infinity };
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const traders = await connectAll(job, {
    onWrong: (reason) => failure.reject(new Error(reason)),
    onFill: (lane, nowMs) => {
      if (nowMs < window.startMs || nowMs >= window.endMs) return;
      latency.record(Math.max(1, Math.round((nowMs - lane.sentAtMs) * 1e6)));
    },
  });
  try {
    return await Promise.race([measure(), failure.promise]);
  } finally {
    for (const trader of traders) trader.end();
  }

  async function measure(): Promise<LoadResult> {
    for (const trader of traders) trader.start();
    await delay(job.warmUpMs);
    await until('the first fill of every lane', () =>
      traders.every(({ lanes }) => lanes.every(({ fills }) => fills > 0)),
    );

    const serverBefore = cpuMicrosOf(job.serverPid);
    const ownBefore = process.cpuUsage();
    window.startMs = performance.now();
    await delay(job.windowMs);
    await until(`a window with ${fewestFills} fills`, () => latency.count >= fewestFills);
    window.endMs = performance.now();
    const own = process.cpuUsage(ownBefore);
    const serverAfter = cpuMicrosOf(job.serverPid);
    const fills = latency.count;
    const windowMs = window.endMs - window.startMs;

    for (const trader of traders) trader.stop();
    await until('the last fill of every lane', () => traders.every(({ outstanding }) => outstanding === 0));
    return {
      acknowledged: traders.reduce((sum, trader) => sum + trader.acknowledged, 0),
      filled: traders.reduce((sum, trader) => sum + trader.filled, 0),
      fillsPerSecond: (fills * 1_000) / windowMs,
      p50Ms: latency.percentile(50) / 1e6,
      p99Ms: latency.percentile(99) / 1e6,
      generatorCpu: (own.user + own.system) / 1_000 / windowMs,
      serverCpuMicros:
        serverBefore === undefined || serverAfter === undefined ? undefined : (serverAfter - serverBefore) / fills,
    };
  }
}

type Watch = Pick<Parameters<typeof Trader.connect>[0], 'onFill' | 'onWrong'>;

async function connectAll(job: LoadJob, watch: Watch): Promise<Trader[]> {
  const { port, token, run, accounts, accountsPerConnection, outstanding } = job;
  const traders: Trader[] = [];
  const groups: (readonly string[])[] = [];
  for (let at = 0; at < accounts.length; at += accountsPerConnection) {
    groups.push(accounts.slice(at, at + accountsPerConnection));
  }
  for (let at = 0; at < groups.length; at += connectAtOnce) {
    const some = groups.slice(at, at + connectAtOnce);
    const connected = some.map((of) => Trader.connect({ port, token, run, accounts: of, outstanding, ...watch }));
    traders.push(...(await Promise.all(connected)));
  }
  return traders;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`${what} did not arrive within ${patienceMs} ms`);
    await delay(lookEveryMs);
  }
}
