/**
 * Port 8020 beside another gateway and beside no gateway at all: the same stub behind each, the same load in front, round by round.
 * CPU is the server's, user and system; times of the paced load count from when a request was due.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { pin, startOurs, startRival, type Contender } from './ai/contenders.ts';
import type { LoadJob, LoadResult } from './ai/load.ts';
import { startChild, type Child } from './orders/child.ts';
import { emitCompared } from './orders/comparison.ts';
import { cpuMicrosOf } from './orders/cpu.ts';
import { percentile, type BenchOptions, type Measurement } from './report.ts';

type Kind = Pick<Measurement, 'unit' | 'direction'>;
type Ask = (contender: Contender, job: Partial<LoadJob>, body?: object) => Promise<LoadResult>;

const folder = join(import.meta.dirname, 'ai');
const direct = 'no gateway';
const startWithinMs = 30_000;
const rate: Kind = { unit: 'requests/s', direction: 'higher' };
const latency: Kind = { unit: 'ms', direction: 'lower' };
const question = {
  ...{ model: 'gpt-4o-mini', temperature: 0.2, max_tokens: 256 },
  messages: [
    { role: 'system', content: 'You are a trading analyst. Answer with one JSON object.' },
    { role: 'user', content: 'EURUSD H1: o 1.0842 h 1.0867 l 1.0838 c 1.0861, ATR 0.0019' },
  ],
};

/** What was measured, a list of rounds for each contender. */
class Figures {
  readonly #all = new Map<string, Kind & { readonly values: Map<string, number[]> }>();

  note(name: string, kind: Kind, who: string, value: number): void {
    const figure = this.#all.get(name) ?? { ...kind, values: new Map<string, number[]>() };
    this.#all.set(name, figure);
    figure.values.set(who, [...(figure.values.get(who) ?? []), value]);
  }

  /** What a gateway adds is what a request takes beyond the provider itself, of the same round. */
  noteAdded(name: string): void {
    const values = this.#all.get(name)!.values;
    const base = values.get(direct)!;
    for (const [who, own] of values)
      if (who !== direct)
        for (const [round, value] of own.entries()) this.note(`added-${name}`, latency, who, value - base[round]!);
  }

  report(emit: BenchOptions['emit'], missing: string | undefined, why: string | undefined): void {
    for (const [name, { unit, direction, values: all }] of this.#all) {
      const values = all.get('ours')!;
      const others = [...all].filter(([who]) => who !== 'ours').map(([peer, theirs]) => ({ peer, values: theirs }));
      const absent = missing !== undefined && why !== undefined && others.length > 0;
      const peers = absent ? [...others, { peer: missing, values: { skipped: why } }] : others;
      if (peers.length === 0) emit({ name, unit, direction, value: percentile(values, 0.5) });
      else emitCompared(emit, { name, unit, direction, values }, peers);
    }
  }
}

export async function run({ scale, seconds, emit }: BenchOptions): Promise<void> {
  const startedMs = performance.now();
  const isSmall = scale < 0.1;
  const forMs = isSmall ? 200 : 2_500;
  const started: { stop(): Promise<void> }[] = [];
  const keep = <T extends { stop(): Promise<void> }>(one: T): T => {
    started.push(one);
    return one;
  };
  const program = async <Ready>(
    name: string,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Child<Ready>> => {
    const child = keep(await startChild<Ready>(join(folder, name), environment, startWithinMs));
    await pin(child.pid, 1);
    return child;
  };
  try {
    const stub = await program<{ port: number }>('stub.ts', { BENCH_DIALECT: 'openai' });
    const second = await program<{ port: number }>('stub.ts', { BENCH_DIALECT: 'anthropic' });
    const load = await program<object>('load.ts');
    const ours = keep(await startOurs(stub.ready.port, second.ready.port));
    const rival = await startRival(stub.ready.port);
    const without: Contender = {
      ...{ name: direct, port: stub.ready.port, headers: {} },
      ...{ residentBytes: () => undefined, stop: async () => {} },
    };
    const contenders: Contender[] = [ours, ...('skipped' in rival ? [] : [keep(rival)]), without];
    const ask: Ask = (contender, job, body = question) =>
      answerOf(load, {
        ...{
          port: contender.port,
          path: '/v1/chat/completions',
          headers: contender.headers,
          body: JSON.stringify(body),
        },
        ...{ connections: 32, forMs, ...job },
      });
    const figures = new Figures();

    // Code is cold at first, and the first requests of a process say nothing of the others.
    for (const contender of contenders) await ask(contender, { forMs: forMs + 500 });
    const hasTime = (): boolean => performance.now() - startedMs + 6 * forMs + 3_000 < seconds * 1_000;
    for (let round = 0; round < 3 && (round === 0 || hasTime()); round++)
      for (const contender of [...contenders.slice(round), ...contenders.slice(0, round)])
        await measure(ask, contender, figures);
    for (const share of ['p50', 'p99']) figures.noteAdded(`latency-${share}-100rps`);
    for (const contender of contenders) {
      const bytes = contender.residentBytes();
      if (bytes !== undefined) figures.note('memory', { unit: 'MB', direction: 'lower' }, contender.name, bytes / 1e6);
    }
    await cached(ask, ours, figures);
    await failover(stub, ask, ours, figures);
    if ('skipped' in rival) figures.report(emit, rival.peer, rival.skipped);
    else figures.report(emit, undefined, undefined);
  } finally {
    await Promise.all(started.map((each) => each.stop()));
  }
}

async function measure(ask: Ask, contender: Contender, figures: Figures): Promise<void> {
  const { name, pid } = contender;
  const cpuMicros = (): number | undefined => (pid === undefined ? undefined : cpuMicrosOf(pid));
  const before = cpuMicros();
  const { answers, errors, elapsedMs } = await ask(contender, {});
  const after = cpuMicros();
  if (errors > 0) throw new Error(`${name} failed ${errors} requests`);
  figures.note('requests-32-connections', rate, name, (answers * 1_000) / elapsedMs);
  if (before !== undefined && after !== undefined)
    figures.note('cpu-per-request', { unit: 'µs', direction: 'lower' }, name, (after - before) / answers);
  const paced = await ask(contender, { connections: 8, perSecond: 100 });
  figures.note('latency-p50-100rps', latency, name, paced.p50Ms);
  figures.note('latency-p99-100rps', latency, name, paced.p99Ms);
}

/** At temperature 0 the first answer is kept. */
async function cached(ask: Ask, ours: Contender, figures: Figures): Promise<void> {
  const same = { ...question, temperature: 0 };
  await ask(ours, { connections: 1, forMs: 50 }, same);
  const { answers, elapsedMs, p50Ms } = await ask(ours, {}, same);
  figures.note('cache-hits-32-connections', rate, 'ours', (answers * 1_000) / elapsedMs);
  figures.note('cache-hit-p50', latency, 'ours', p50Ms);
}

/** The first provider answers 503: what the first request after it takes beyond the usual one, and how many fail while it is down. */
async function failover(stub: Child<{ port: number }>, ask: Ask, ours: Contender, figures: Figures): Promise<void> {
  const either = { ...question, model: 'auto' };
  const usual = await ask(ours, { connections: 1, forMs: 300 }, either);
  await tell(stub, { isDown: true });
  const first = await ask(ours, { connections: 1, forMs: 1 }, either);
  const outage = await ask(ours, { connections: 8, forMs: 1_000 }, either);
  await tell(stub, { isDown: false });
  figures.note('failover-added', latency, 'ours', first.p99Ms - usual.p50Ms);
  figures.note('failover-errors', { unit: 'requests', direction: 'lower' }, 'ours', first.errors + outage.errors);
}

async function answerOf(load: Child<object>, job: LoadJob): Promise<LoadResult> {
  return (await tell(load, job)) as LoadResult;
}

async function tell(child: Child<unknown>, message: object): Promise<unknown> {
  child.process.send(message);
  const [answer] = (await once(child.process, 'message')) as [unknown];
  return answer;
}
