/** What is measured, in order: requests that every contender gets in turn, and the figures its answers give. */
import type { Measurement } from '../report.ts';

export interface Figure extends Pick<Measurement, 'name' | 'unit' | 'direction'> {
  /** Which value of the answer. */
  readonly value: string;
}

export interface Step {
  readonly request: 'spawn' | 'tells' | 'asks' | 'restarts' | 'snapshots' | 'fairness';
  /** What the request says: so many, and whatever goes with it. */
  readonly count: number;
  readonly with?: number;
  /** Of a rate: `count` is how many there are at least, and as many are taken as fill the window, in each of the passes. */
  readonly window?: Window;
  readonly figures: readonly Figure[];
}

export interface Window {
  readonly ms: number;
  /** So long it runs before: compilers need the time. */
  readonly warmUpMs: number;
  /** The contenders take turns within a round, too: whatever else the machine does then hits all of them. */
  readonly passes: number;
}

const shortestWindowMs = 20;

/** Steps of one list run in the same processes; each list has processes of its own, so that memory is counted from nothing. */
export function planOf(scale: number): readonly (readonly Step[])[] {
  const scaled = (count: number, least: number): number => Math.max(least, Math.round(count * scale));
  const thousand = scaled(1_000, 10);
  const tenThousand = scaled(10_000, 10);
  const hundredThousand = scaled(100_000, 10);
  const rate = (
    step: Pick<Step, 'request' | 'count' | 'with'>,
    name: string,
    { windowMs = 60, warmUpMs = 200, passes = 3 } = {},
  ): Step => ({
    ...step,
    window: {
      ms: scaled(windowMs, shortestWindowMs),
      warmUpMs: scaled(warmUpMs, shortestWindowMs),
      passes: scale < 1 ? 1 : passes,
    },
    figures: [{ name, unit: `${step.request}/s`, direction: 'higher', value: 'perSecond' }],
  });
  const spawn = (count: number, figures: readonly Figure[] = []): Step => ({ request: 'spawn', count, figures });
  const restarts = (count: number, name: string): Step => ({
    request: 'restarts',
    count,
    figures: [
      { name, unit: 'ms', direction: 'lower', value: 'p50' },
      { name: `${name}-p99`, unit: 'ms', direction: 'lower', value: 'p99' },
    ],
  });
  return [
    [
      spawn(1),
      rate({ request: 'tells', count: scaled(5_000, 1_000) }, 'tells-1-actor'),
      rate({ request: 'asks', count: scaled(5_000, 1_000), with: 1 }, 'asks-sequential'),
      rate({ request: 'asks', count: scaled(20_000, 1_000), with: thousand }, 'asks-1000-outstanding'),
      restarts(scaled(200, 20), 'restart-one-child'),
      spawn(2),
      {
        request: 'fairness',
        count: scaled(500, 30),
        figures: [
          { name: 'fairness-delay', unit: 'ms', direction: 'lower', value: 'p99' },
          { name: 'fairness-delay-p50', unit: 'ms', direction: 'lower', value: 'p50' },
        ],
      },
      spawn(tenThousand),
      { request: 'tells', count: tenThousand, figures: [] },
      {
        request: 'snapshots',
        count: scaled(20, 5),
        figures: [{ name: snapshotName, unit: 'ms', direction: 'lower', value: 'p50' }],
      },
      restarts(scaled(100, 20), 'restart-one-child-of-10000'),
    ],
    [
      // Processes that do nothing else, and time for the compilers of all of them to come to rest.
      spawn(thousand),
      rate({ request: 'tells', count: scaled(20_000, thousand) }, 'tells-1000-actors', { warmUpMs: 600 }),
    ],
    [
      // The code is warm when it counts.
      spawn(thousand),
      spawn(hundredThousand, [
        { name: 'spawn-100000', unit: 's', direction: 'lower', value: 'seconds' },
        { name: 'bytes-per-actor', unit: 'bytes', direction: 'lower', value: 'heapBytes' },
        { name: 'rss-per-actor', unit: 'bytes', direction: 'lower', value: 'rssBytes' },
      ]),
      rate({ request: 'tells', count: hundredThousand }, 'tells-100000-actors', { windowMs: 300, passes: 1 }),
    ],
  ];
}

export const snapshotName = 'snapshot-10000-actors';

/** How many fill the window at that rate, and never fewer than `least`. */
export function filling(windowMs: number, perSecond: number, least: number): number {
  return Math.max(least, Math.round((perSecond * windowMs) / 1_000));
}
