/** What every contender does in the same way: ticks on command, as fast as they are taken or at a rate, and an account of its own cost. */
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';

export interface Tick {
  readonly sequence: number;
  /** Scaled by 10^8. */
  readonly bid: number;
  readonly ask: number;
  /** Wall time, in microseconds since the epoch: of when it was due. */
  readonly timeMicros: number;
}

export interface Contestant {
  readonly port: number;
  publish(tick: Tick): void;
  /** Bytes that wait for one of a few connections, the worst of them. */
  backlogBytes(): number;
  /** Where the contender has more to tell. */
  figures?(): object;
  /** Of a port that takes ticks as lines of JSON. */
  readonly tickPort?: number;
}

export type Job =
  | { readonly type: 'saturate'; readonly ticksPerTurn: number; readonly forMs: number }
  /** @param burst ticks at once; `ticksPerSecond` counts single ones */
  | { readonly type: 'rate'; readonly ticksPerSecond: number; readonly burst: number; readonly forMs: number }
  | { readonly type: 'memory' }
  | { readonly type: 'figures' };

export interface JobResult {
  readonly published: number;
  readonly elapsedMs: number;
  readonly cpuMicros: number;
  readonly residentBytes: number;
  readonly figures: object;
}

/** Beyond it the publisher waits: what counts is what is delivered, not what piles up. */
const mostBacklogBytes = 256 * 1024;

/** Takes jobs from the parent process, one at a time. */
export function serve(contestant: Contestant): void {
  let sequence = 0;
  const publish = (timeMicros: number): void => {
    sequence += 1;
    const bid = 108_012_000 + (sequence % 500);
    contestant.publish({ sequence, bid, ask: bid + 2_000, timeMicros });
  };

  async function saturate({ ticksPerTurn, forMs }: Extract<Job, { type: 'saturate' }>): Promise<void> {
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs) {
      if (contestant.backlogBytes() > mostBacklogBytes) {
        await pause(1);
        continue;
      }
      const now = wallMicros();
      for (let count = 0; count < ticksPerTurn; count++) publish(now);
      await turn();
    }
  }

  async function atRate({ ticksPerSecond, burst, forMs }: Extract<Job, { type: 'rate' }>): Promise<void> {
    const startMs = performance.now();
    const startMicros = wallMicros();
    const periodMs = (1_000 * burst) / ticksPerSecond;
    for (let due = 0; due < forMs; due += periodMs) {
      const waitMs = startMs + due - performance.now();
      if (waitMs > 0.5) await pause(waitMs);
      for (let count = 0; count < burst; count++) publish(startMicros + due * 1_000);
      await turn();
    }
  }

  async function run(job: Job): Promise<JobResult> {
    const before = sequence;
    const startMs = performance.now();
    const cpu = process.cpuUsage();
    if (job.type === 'saturate') await saturate(job);
    else if (job.type === 'rate') await atRate(job);
    const { user, system } = process.cpuUsage(cpu);
    if (job.type === 'memory') for (let round = 0; round < 3; round++) globalThis.gc?.();
    return {
      ...{ published: sequence - before, elapsedMs: performance.now() - startMs, cpuMicros: user + system },
      ...{ residentBytes: process.memoryUsage.rss(), figures: contestant.figures?.() ?? {} },
    };
  }

  process.on('message', (job: Job) => {
    void run(job).then((result) => process.send!({ done: result }));
  });
  process.once('disconnect', () => process.exit());
  process.once('SIGTERM', () => process.exit());
  process.send!({ port: contestant.port, tickPort: contestant.tickPort });
}

/** The same clock in every process of a machine, give or take a fraction of a millisecond. */
export function wallMicros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000);
}

const timeStart = '2026-01-01T'.length;

/** A quote as every contender sends it. */
export function tickText({ sequence, bid, ask, timeMicros }: Tick): string {
  const price = (value: number): string => (value / 1e8).toFixed(5);
  return (
    `{"type":"quote","channel":"quotes:EURUSD","sequence":${sequence},"symbol":"EURUSD",` +
    `"bid":"${price(bid)}","ask":"${price(ask)}","time":"${timeText(timeMicros)}"}`
  );
}

function timeText(micros: number): string {
  const whole = Math.round(micros);
  return `${new Date(Math.floor(whole / 1_000)).toISOString().slice(0, -1)}${String(whole % 1_000).padStart(3, '0')}Z`;
}

/** Time of day, in microseconds, of a text that ends with an RFC 3339 time and `"}`. */
export function timeOfDayMicros(payload: Buffer): number {
  const at = payload.length - '2026-01-01T00:00:00.000000Z"}'.length + timeStart;
  const digits = (from: number, count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++) value = value * 10 + payload[at + from + i]! - 48;
    return value;
  };
  return (digits(0, 2) * 3_600 + digits(3, 2) * 60 + digits(6, 2)) * 1_000_000 + digits(9, 6);
}
