import { expect, test } from 'vitest';
import { planUsers, type PlanOptions } from '../../../bin/load-test/plan.ts';
import { errorsOf, reportText, type LoadReport } from '../../../bin/load-test/report.ts';
import { seededRandom } from '../../support/seeded-order.ts';

const options = (change: Partial<PlanOptions> = {}): PlanOptions => ({
  ...{ users: 1_000, rampMs: 10_000, mix: { subscriber: 70, trader: 20, slow: 5, reconnecting: 5 } },
  ...{ symbols: ['A', 'B', 'C', 'D', 'E'], accounts: ['one', 'two'], ordersPerSecond: 50, random: seededRandom(1) },
  ...change,
});
const count = (plans: readonly { kind: string }[], kind: string) => plans.filter((plan) => plan.kind === kind).length;

test('users are shared out as asked for, and connect one after the other', () => {
  const plans = planUsers(options());
  const kinds = ['subscriber', 'trader', 'slow', 'reconnecting'].map((kind) => count(plans, kind));
  expect(kinds).toEqual([700, 200, 50, 50]);
  expect(plans.map(({ startMs }) => startMs)).toEqual(Array.from({ length: 1_000 }, (_, n) => n * 10));
});

test('what rounding leaves subscribes', () => {
  expect(planUsers(options({ users: 7 })).map(({ kind }) => kind)).toEqual([
    ...Array<string>(6).fill('subscriber'),
    'trader',
  ]);
});

test('all traders together send as many orders a second as asked for', () => {
  const traders = planUsers(options()).filter(({ kind }) => kind === 'trader');
  const perSecond = traders.reduce((sum, { everyMs }) => sum + 1_000 / everyMs, 0);
  expect(perSecond).toBeCloseTo(50);
  expect(new Set(traders.map(({ account }) => account))).toEqual(new Set(['one', 'two']));
});

test('the same seed gives the same plan', () => {
  expect(planUsers(options({ random: seededRandom(7) }))).toEqual(planUsers(options({ random: seededRandom(7) })));
});

const none = { count: 0, p50: 0, p95: 0, p99: 0, max: 0 };
const report: LoadReport = {
  ...{
    url: 'ws://127.0.0.1:5001/stream',
    users: 1_000,
    seconds: 60,
    deliveries: 1_234_567,
    deliveriesPerSecond: 20_576,
  },
  connections: { opened: 1_000, reconnects: 300, refused: 0 },
  quoteSpreadMs: { count: 10, p50: 1, p95: 2, p99: 3.25, max: 9 },
  ...{ roundTripMs: none, orderAcknowledgementMs: none },
  orders: { sent: 5, accepted: 4, denied: { MARGIN_EXCEEDS_FREE: 1 } },
  errors: { 'order: NO_ANSWER': 2, 'event-twice': 1 },
  gaps: { seen: 0, duplicates: 0, skipped: 12, resyncs: 0 },
  generator: { cpuShare: 0.5, loopDelayP99Ms: 11, residentMb: 300 },
};

test('a report says what went wrong, and how often', () => {
  expect(errorsOf(report)).toBe(3);
  expect(errorsOf({ ...report, errors: {} })).toBe(0);
  const text = reportText(report);
  expect(text).toContain('errors        order: NO_ANSWER 2, event-twice 1\n');
  expect(text).toContain('quotes        p50 1.0 ms  p95 2.0 ms  p99 3.3 ms  max 9.0 ms  (10)\n');
  expect(text).toContain('acknowledged  none\n');
  expect(text).toContain('orders        5 sent, 4 accepted, denied: MARGIN_EXCEEDS_FREE 1\n');
});
