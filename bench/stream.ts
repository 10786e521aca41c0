/**
 * Fan-out of prices: our streams, and those that others would write, serve the same sink one after the other, window by window.
 * What counts is what the sink has received; CPU is the server's, user and system.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { emitCompared } from './orders/comparison.ts';
import { percentile, type BenchOptions } from './report.ts';
import { ourSubscribers, startOurs, startPeers, startSink, type Contender, type Sink } from './stream/contenders.ts';
import type { Job, JobResult } from './stream/publishing.ts';
import type { SinkResult, Subscriber } from './stream/sink.ts';

const saturations = [
  [10, 'deliveries-10-ticks-a-turn'],
  [1, 'deliveries-1-tick-a-turn'],
] as const;
/** Names a figure that is compared with what the peers did in the one without it. */
const asShipped = '-as-shipped';

interface Window {
  readonly job: JobResult;
  readonly sink: SinkResult;
}

export async function run({ scale, seconds, emit }: BenchOptions): Promise<void> {
  const startedMs = performance.now();
  const leftMs = (): number => seconds * 1_000 - (performance.now() - startedMs);
  const few = Math.max(10, Math.round(200 * scale));
  const many = Math.max(20, Math.round(1_000 * scale));
  const windowMs = scale < 0.1 ? 150 : 1_000;
  const sink = await startSink();
  const { running: peers, missing } = await startPeers();
  const ours = await startOurs();
  // Under such a load the platform collects prices for a few milliseconds, which a comparison by the turn leaves out.
  const shipped = await startOurs({ BENCH_WINDOWS: '1' });
  const contenders = [ours, ...peers];
  /** Figures of each contender, a value a round. */
  const figures = new Map<string, { unit: string; direction: 'higher' | 'lower'; values: Map<string, number[]> }>();
  const note = (name: string, unit: string, direction: 'higher' | 'lower', who: string, value: number): void => {
    const figure = figures.get(name) ?? { unit, direction, values: new Map<string, number[]>() };
    figures.set(name, figure);
    figure.values.set(who, [...(figure.values.get(who) ?? []), value]);
  };

  async function withClients(
    contender: Contender,
    count: number,
    measure: () => Promise<void>,
    subscribers: readonly Subscriber[] = contender.subscribers,
  ): Promise<void> {
    await sink.run({ type: 'connect', port: contender.port, subscribers, count });
    await measure();
    await sink.run({ type: 'leave', keep: 0 });
  }

  async function window(contender: Contender, job: Job): Promise<Window> {
    await contender.run({ type: 'saturate', ticksPerTurn: 1, forMs: windowMs / 4 });
    await pause(30);
    await sink.run({ type: 'start' });
    const done = await contender.run(job);
    await pause(30);
    return { job: done, sink: await sink.run({ type: 'stop' }) };
  }

  const perSecond = ({ job, sink: { frames } }: Window): number => (frames * 1_000) / job.elapsedMs;
  const cpuPerMillion = ({ job, sink: { frames } }: Window): number => job.cpuMicros / frames;

  async function saturation(contender: Contender, suffix: string): Promise<void> {
    for (const [ticksPerTurn, name] of saturations) {
      const measured = await window(contender, { type: 'saturate', ticksPerTurn, forMs: windowMs });
      note(`${name}${suffix}`, 'deliveries/s', 'higher', contender.name, perSecond(measured));
      const cpuName = ticksPerTurn === 10 ? 'cpu-per-million-deliveries' : 'cpu-per-million-deliveries-1-tick-a-turn';
      note(`${cpuName}${suffix}`, 's', 'lower', contender.name, cpuPerMillion(measured));
      if (contender === ours) note(`sink-cpu${suffix}`, 'cores', 'lower', 'ours', measured.sink.cpuShare);
    }
  }

  try {
    for (const contender of contenders) {
      const before = await contender.run({ type: 'memory' });
      await withClients(contender, many, async () => {
        const { residentBytes } = await contender.run({ type: 'memory' });
        const perThousand = ((residentBytes - before.residentBytes) / many) * 1_000;
        note('memory-1000-connections', 'MB', 'lower', contender.name, perThousand / 1e6);
        await saturation(contender, '-1000');
      });
    }
    // As many rounds as there is time for: nobody always comes first.
    for (let round = 0; round < 3 && (round === 0 || leftMs() > contenders.length * windowMs * 3.5 + 14_000); round++)
      for (const contender of [...contenders.slice(round), ...contenders.slice(0, round)])
        await withClients(contender, few, () => saturation(contender, ''));
    await withClients(shipped, few, async () => {
      for (const [ticksPerTurn, name] of saturations) {
        const measured = await window(shipped, { type: 'saturate', ticksPerTurn, forMs: windowMs });
        note(`${name}${asShipped}`, 'deliveries/s', 'higher', 'ours', perSecond(measured));
      }
    });
    const rate = { type: 'rate', ticksPerSecond: Math.max(10, Math.round(100_000 / few)), burst: 10 } as const;
    for (const contender of contenders)
      await withClients(contender, few, async () => {
        const measured = await window(contender, { ...rate, forMs: windowMs * 1.5 });
        note('latency-100000-a-second-p50', 'ms', 'lower', contender.name, measured.sink.p50Ms);
        note('latency-100000-a-second-p99', 'ms', 'lower', contender.name, measured.sink.p99Ms);
        note('cpu-per-million-deliveries-100000-a-second', 's', 'lower', contender.name, cpuPerMillion(measured));
      });
    await hop(ours, sink, windowMs, note);
    for (const [name, subscribers] of [
      [
        'mixed',
        ourSubscribers(
          'json',
          Array.from({ length: few }, (_, n) => `OTHER${n}`),
        ),
      ],
      ['binary', ourSubscribers('binary')],
      ['batch', ourSubscribers('batch')],
    ] as const)
      await withClients(
        ours,
        few,
        async () => {
          const { job, sink: received } = await window(ours, { type: 'saturate', ticksPerTurn: 10, forMs: windowMs });
          const deliveries = name === 'mixed' ? received.frames : job.published * few;
          note(
            `deliveries-10-ticks-a-turn-${name}`,
            'deliveries/s',
            'higher',
            'ours',
            (deliveries * 1_000) / job.elapsedMs,
          );
          note(`bytes-a-tick-${name}`, 'B', 'lower', 'ours', received.bytes / deliveries);
        },
        subscribers,
      );
    await slowClients(ours, sink, { few, windowMs, isSmall: scale < 0.1 }, note);
  } finally {
    await Promise.all([...contenders, shipped, sink].map((each) => each.stop()));
  }

  for (const [name, { unit, direction, values }] of figures) {
    const own = values.get('ours')!;
    const compared = figures.get(name.replace(asShipped, ''))!.values;
    const others = [...compared].filter(([who]) => who !== 'ours').map(([peer, theirs]) => ({ peer, values: theirs }));
    const absent = others.length > 0 ? [...missing].map(([peer, skipped]) => ({ peer, values: { skipped } })) : [];
    if (others.length === 0) emit({ name, unit, direction, value: percentile(own, 0.5) });
    else emitCompared(emit, { name, unit, direction, values: own }, [...others, ...absent]);
  }
}

type Note = (name: string, unit: string, direction: 'higher' | 'lower', who: string, value: number) => void;

/** A tick comes over TCP, goes through the price stream and the hub, and out to one subscriber. */
async function hop(ours: Contender, sink: Sink, windowMs: number, note: Note): Promise<void> {
  await sink.run({ type: 'connect', port: ours.port, subscribers: ours.subscribers, count: 1 });
  const ticks = { type: 'ticks', port: ours.tickPort!, perSecond: 100 } as const;
  await sink.run({ ...ticks, forMs: windowMs });
  await sink.run({ type: 'start' });
  await sink.run({ ...ticks, forMs: windowMs * 3 });
  const { p50Ms, p99Ms } = await sink.run({ type: 'stop' });
  note('tick-in-to-tick-out-p50', 'ms', 'lower', 'ours', p50Ms);
  note('tick-in-to-tick-out-p99', 'ms', 'lower', 'ours', p99Ms);
  await sink.run({ type: 'leave', keep: 0 });
}

/** Clients that read no more, beside others that do: what it costs those, and what is held for each. */
async function slowClients(
  ours: Contender,
  sink: Sink,
  { few, windowMs, isSmall }: { few: number; windowMs: number; isSmall: boolean },
  note: Note,
): Promise<void> {
  const stalled = isSmall ? 5 : 200;
  const rate = { type: 'rate', ticksPerSecond: 100, burst: 1 } as const;
  /** Of three windows, for one hiccup of the machine is as long as anything that is looked for. */
  const noteP99 = async (name: string): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      await sink.run({ type: 'start' });
      await ours.run({ ...rate, forMs: windowMs * 1.5 });
      note(name, 'ms', 'lower', 'ours', (await sink.run({ type: 'stop' })).p99Ms);
    }
  };
  await sink.run({ type: 'connect', port: ours.port, subscribers: ours.subscribers, count: few + stalled });
  await ours.run({ ...rate, forMs: windowMs * 2 });
  await noteP99('slow-clients-others-p99-before');
  await sink.run({ type: 'stall', count: stalled });
  // Two pings of the benchmark's heartbeat, and the round trip that is too long.
  await ours.run({ ...rate, forMs: isSmall ? 300 : 3_500 });
  await noteP99('slow-clients-others-p99-after');
  const { figures } = await ours.run({ type: 'figures' });
  const { mostHeldBytes, slow } = figures as { mostHeldBytes: number; slow: number };
  note('slow-clients-found', 'clients', 'higher', 'ours', slow);
  note('slow-client-held', 'bytes', 'lower', 'ours', mostHeldBytes);
  await sink.run({ type: 'leave', keep: 0 });
}
