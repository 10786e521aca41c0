/** What a load test has found: figures, and whether they are good. Plain values. */

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadReport {
  readonly url: string;
  readonly users: number;
  readonly seconds: number;
  readonly connections: { readonly opened: number; readonly reconnects: number; readonly refused: number };
  readonly deliveries: number;
  readonly deliveriesPerSecond: number;
  /** From the first user that has a quote to each of the others, those that read slowly left out. */
  readonly quoteSpreadMs: Percentiles;
  /** Of a message that is answered at once: both ways, and how busy the platform is. */
  readonly roundTripMs: Percentiles;
  /** From an order to its reply, which comes when it is durable. */
  readonly orderAcknowledgementMs: Percentiles;
  readonly orders: {
    readonly sent: number;
    readonly accepted: number;
    readonly denied: Readonly<Record<string, number>>;
  };
  /** By what they are. */
  readonly errors: Readonly<Record<string, number>>;
  readonly gaps: {
    readonly seen: number;
    readonly duplicates: number;
    readonly skipped: number;
    readonly resyncs: number;
  };
  /** Of this side: where it is at its end, the figures are its own. */
  readonly generator: { readonly cpuShare: number; readonly loopDelayP99Ms: number; readonly residentMb: number };
}

export function errorsOf(report: LoadReport): number {
  return Object.values(report.errors).reduce((sum, count) => sum + count, 0);
}

export function reportText(report: LoadReport): string {
  const { users, seconds, url, connections, deliveries, deliveriesPerSecond, orders, gaps, generator, errors } = report;
  const latency = ({ count, p50, p95, p99, max }: Percentiles): string =>
    count === 0 ? 'none' : `p50 ${ms(p50)}  p95 ${ms(p95)}  p99 ${ms(p99)}  max ${ms(max)}  (${whole(count)})`;
  const counted = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${whole(count)}`)
      .join(', ') || 'none';
  const rows: [string, string][] = [
    ['users', `${whole(users)} for ${seconds} s at ${url}`],
    [
      'connections',
      `${whole(connections.opened)} opened, ${whole(connections.reconnects)} made again, ${whole(connections.refused)} refused`,
    ],
    ['deliveries', `${whole(deliveries)}, ${whole(deliveriesPerSecond)}/s`],
    ['quotes', latency(report.quoteSpreadMs)],
    ['round trip', latency(report.roundTripMs)],
    ['orders', `${whole(orders.sent)} sent, ${whole(orders.accepted)} accepted, denied: ${counted(orders.denied)}`],
    ['acknowledged', latency(report.orderAcknowledgementMs)],
    [
      'gaps',
      `${whole(gaps.seen)} seen, ${whole(gaps.resyncs)} resyncs, ${whole(gaps.duplicates)} duplicates, ${whole(gaps.skipped)} skipped`,
    ],
    [
      'this side',
      `${(generator.cpuShare * 100).toFixed(0)} % of a core, loop delay p99 ${ms(generator.loopDelayP99Ms)}, ${whole(generator.residentMb)} MB`,
    ],
    ['errors', counted(errors)],
  ];
  return rows.map(([name, text]) => `${name.padEnd(13)} ${text}\n`).join('');
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
