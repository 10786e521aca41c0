/**
 * The way of an order: over a socket to its durable fill, against the same without actors (bench/peers/orders); and its parts.
 * Load comes from a process of its own in a closed loop; platform and peers each have an embedded PostgreSQL with the same settings.
 */
import { accountNames, startPlatformContender, type Contender } from './orders/contender.ts';
import { startDatabase } from './orders/database.ts';
import { startGenerator, type Generator } from './orders/generator.ts';
import { killSwitchNames, measureKillSwitch } from './orders/kill-switch.ts';
import { Load, type LoadTimes } from './orders/load-runs.ts';
import { measureOrderPath, runsOf } from './orders/order-path.ts';
import { installPeers, startPeer } from './orders/peer.ts';
import { measureRecovery } from './orders/recovery.ts';
import { measureReplay } from './orders/replay.ts';
import { measureRiskCheck } from './orders/risk-check.ts';
import type { BenchOptions } from './report.ts';

const pathAccounts = 64;
const fewestPathAccounts = 8;
const peerNames = ['plain', 'tuned'] as const;

/** Accounts and outstanding orders of each, on the platform alone. */
const populations = [
  { name: 'accounts-1', accounts: 1, outstanding: 1 },
  { name: 'accounts-1-64', accounts: 1, outstanding: 64 },
  { name: 'accounts-100', accounts: 100, outstanding: 1 },
] as const;
const mostAccounts = Math.max(pathAccounts, ...populations.map(({ accounts }) => accounts));

/** A connection may have 200 channels. */
const crowd = { name: 'accounts-10000', accounts: 10_000, outstanding: 1, accountsPerConnection: 100 } as const;
/** Stopping a tenant, killing the platform, and giving ten thousand accounts their money take the time that the others need. */
const secondsForAll = 120;

const populationRuns = populations.length + 1;

const shortestWarmUpMs = 100;
const shortestWindowMs = 200;
const longestWindowMs = 5_000;
/** With less time, one round has to do. */
const secondsForRounds = 40;
const mostRounds = 3;
/** What a run takes beside its warm-up and window: fresh prices, connecting, the first and the last fill of every lane. */
const runOverheadMs = 900;
/** Kept for the end: the counts in the databases, and stopping everything. */
const endMs = 2_000;

export async function run({ scale, seconds, emit }: BenchOptions): Promise<void> {
  const refusal = await installPeers();
  const deadlineMs = performance.now() + seconds * 1_000;
  measureRiskCheck(scale, emit);
  await measureReplay(scale, emit);
  const skipped =
    scale < 1 || seconds >= secondsForAll
      ? undefined
      : `takes more than ${seconds} s: run with BENCH_SECONDS=${secondsForAll}`;
  if (skipped === undefined) {
    await measureKillSwitch(scale, emit);
    await measureRecovery(scale, emit);
  } else {
    for (const name of [...killSwitchNames, 'recovery-ready'])
      emit({ name, value: 0, unit: 'ms', direction: 'lower', skipped });
  }

  await using cleanup = new AsyncDisposableStack();
  const crowdAccounts = Math.round(crowd.accounts * scale);
  const withCrowd = crowdAccounts <= mostAccounts || seconds >= secondsForAll;
  const seeded = withCrowd ? Math.max(mostAccounts, crowdAccounts) : mostAccounts;
  const { generator, platform, peers } = await startAll(cleanup, seeded, refusal === undefined);
  const missing = refusal === undefined ? [] : peerNames.map((peer) => ({ peer, values: { skipped: refusal } }));
  const rounds = scale < 1 || seconds < secondsForRounds ? 1 : mostRounds;
  const times = share(deadlineMs - performance.now(), scale, 1 + peers.length, rounds);
  const load = new Load(generator, times);
  await measureOrderPath({
    ...{ platform, peers, missing, load, emit, rounds },
    accounts: Math.max(fewestPathAccounts, Math.round(pathAccounts * scale)),
    deadlineMs: deadlineMs - endMs - populationRuns * (times.warmUpMs + times.windowMs + runOverheadMs),
  });
  for (const { name, accounts, outstanding } of populations) {
    const { fillsPerSecond } = await load.run(platform, { accounts: accountNames(accounts), outstanding });
    emit({ name, value: fillsPerSecond, unit: 'orders/s', direction: 'higher' });
  }
  if (withCrowd) {
    const { fillsPerSecond } = await load.run(platform, { ...crowd, accounts: accountNames(crowdAccounts) });
    emit({ name: crowd.name, value: fillsPerSecond, unit: 'orders/s', direction: 'higher' });
  } else {
    emit({
      name: crowd.name,
      value: 0,
      unit: 'orders/s',
      direction: 'higher',
      ...(skipped === undefined ? {} : { skipped }),
    });
  }
  await load.verify();
}

interface Started {
  readonly generator: Generator;
  readonly platform: Contender;
  readonly peers: readonly Contender[];
}

/** Starts everything at once; what has started is stopped by `cleanup`, whatever happens to the rest. */
async function startAll(cleanup: AsyncDisposableStack, accounts: number, withPeers: boolean): Promise<Started> {
  const keep = async <Part extends { stop(): Promise<void> }>(starting: Promise<Part>): Promise<Part> => {
    const part = await starting;
    cleanup.defer(() => part.stop());
    return part;
  };
  const startPeers = async (): Promise<readonly Contender[]> => {
    if (!withPeers) return [];
    const { url } = await keep(startDatabase());
    return allOrNone(peerNames.map((name) => keep(startPeer(name, url, pathAccounts))));
  };
  const [generator, platform, peers] = await allOrNone([
    keep(startGenerator()),
    keep(startPlatformContender(accounts)),
    startPeers(),
  ]);
  for (const contender of [platform, ...peers]) contender.pause();
  return { generator, platform, peers };
}

/** Waits for every part, also when one fails: what starts late is stopped like the rest. */
async function allOrNone<Parts extends readonly Promise<unknown>[]>(
  parts: readonly [...Parts],
): Promise<{ -readonly [Index in keyof Parts]: Awaited<Parts[Index]> }> {
  await Promise.allSettled(parts);
  return Promise.all(parts);
}

/** Shares the time that is left among the runs. */
function share(leftMs: number, scale: number, contenders: number, rounds: number): LoadTimes {
  const firstWarmUpMs = Math.max(shortestWarmUpMs, 1_500 * scale);
  const warmUpMs = Math.max(shortestWarmUpMs, 300 * scale);
  const runs = runsOf(contenders, rounds) + populationRuns;
  const besideMs = endMs + contenders * (firstWarmUpMs - warmUpMs) + runs * (warmUpMs + runOverheadMs);
  const windowMs = Math.min(longestWindowMs * scale, (leftMs - besideMs) / runs);
  return { firstWarmUpMs, warmUpMs, windowMs: Math.round(Math.max(shortestWindowMs, windowMs)) };
}
