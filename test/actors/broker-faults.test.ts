/**
 * An order after the other through the real account and session, to a broker whose link fails at every step in turn, in every way, with
 * crashes of ours on the way: nothing is executed twice, nothing is lost, and what is not known is known again soon.
 */
import { expect, test } from 'vitest';
import type { Account } from '../../actors/trading/account.ts';
import type { RejectCode } from '../../actors/trading/broker.ts';
import { recallEnded } from '../../actors/trading/order.ts';
import { limits } from '../../config/limits.ts';
import { s } from './trading/fixtures.ts';
import { startStage, type StageRig } from '../support/stage.ts';
import { steps, troubles, Venue, type Fate } from '../support/venue.ts';

const codes: readonly RejectCode[] = [
  ...(['requote', 'price-changed', 'price-off', 'invalid-price', 'invalid-stops', 'invalid-quantity'] as const),
  ...([
    'invalid-expiration',
    'invalid-fill',
    'invalid-order',
    'no-money',
    'market-closed',
    'trading-disabled',
  ] as const),
  ...(['too-many-requests', 'limit-reached', 'frozen', 'close-only', 'position-closed', 'symbol-unknown'] as const),
  'rejected',
];
const fates: readonly Fate[] = [{ type: 'fill' }, { type: 'partial' }, { type: 'rest' }];
const faults = [undefined, ...steps.flatMap((at) => troubles.map((trouble) => ({ at, trouble })))];

/** Every fault with every fate, and every class of refusal with every fault in turn. */
const cases = [
  ...fates.flatMap((fate) => faults.map((fault) => ({ fate, fault }))),
  ...codes.map((code, i) => ({ fate: { type: 'reject', code } as Fate, fault: faults[(i * 3) % faults.length] })),
];

const submissions = Math.max(cases.length, Math.ceil(10_000 * Number(process.env['TEST_SCALE'] ?? 1)));
/** What is not known has to be known again so long after the broker answers. */
const knownWithinMs = 5_000;
const patienceMs = 30_000;

test(`of ${submissions} submissions with a fault at every step in turn none is executed twice and none is lost`, async () => {
  let venue!: Venue;
  const rig = await startStage({
    broker: (clock) => (venue = new Venue(clock)),
    limits: { account: { ...limits.account, recentCommands: 1_000 } },
  });
  venue.onCrash = (which) => rig.test.ref<unknown>(`/tenants/acme/accounts/a-1/${which}`).tell(undefined);
  await rig.quote('1.08000', '1.08010');
  const slowest = { ms: 0, of: '' };
  for (let n = 0; n < submissions; n++) {
    const { fate, fault } = cases[n % cases.length]!;
    const name = `${n}: ${JSON.stringify(fate)} with ${JSON.stringify(fault)}`;
    const waited = await submit(rig, venue, n, fate, fault);
    if (waited > slowest.ms) Object.assign(slowest, { ms: waited, of: name });
    expect({ name, isSoon: waited <= knownWithinMs, waited }).toEqual({ name, isSoon: true, waited });
  }
  // No late answer changes what has ended.
  await rig.test.advance(60_000);
  const state = await settled(rig);
  expect(state.orders.size).toBe(0);
  expect([...venue.arrivals.values()].filter((times) => times > 1)).toEqual([]);
  expect(state.positions.get('EURUSD')?.quantity ?? 0n).toBe(absolute(venue.net('EURUSD')));
  expect([...state.blocks.keys()]).toEqual([]);
  const quarantined = (await rig.history()).flat().filter((type) => type === 'order-report-quarantined');
  expect(quarantined).toEqual([]);
  console.info(
    `${submissions} submissions: the longest an order was not known behind its fault was ${slowest.ms} ms (${slowest.of})`,
  );
}, 3_600_000);

/** @returns for how long it was not known once the broker answered again */
async function submit(rig: StageRig, venue: Venue, n: number, fate: Fate, fault: Venue['fault']): Promise<number> {
  // Fresh prices, and a position that stays small.
  await rig.quote('1.08000', '1.08010');
  venue.fate = fate;
  venue.fault = fault;
  const dealsBefore = venue.deals.length;
  const quantity = s('0.04');
  const sent = await outcome(
    rig,
    rig.order({
      ...{ clientOrderId: `c-${n}`, side: n % 2 === 0 ? 'buy' : 'sell', quantity, timeInForce: 'gtc' },
      ...(fate.type === 'rest' ? { orderType: 'limit', limitPrice: s(n % 2 === 0 ? '1.00000' : '1.20000') } : {}),
    }),
  );
  if (sent instanceof Error || sent.type !== 'done' || sent.reply.type !== 'order')
    throw new Error(`${n} was not taken: ${JSON.stringify(sent, plain)}`);
  const { orderId } = sent.reply;
  const fromMs = rig.test.clock.monotonicMs();
  let unknownUntilMs = 0;
  for (let isCanceled = false; ;) {
    await rig.test.advance(50);
    const state = await settled(rig);
    const order = state.orders.get(orderId);
    const nowMs = rig.test.clock.monotonicMs();
    if (order?.state === 'UNKNOWN') unknownUntilMs = nowMs;
    if (!order) {
      check(state, venue, orderId, quantity, dealsBefore);
      return Math.max(0, unknownUntilMs - venue.answersAgainMs);
    }
    if (nowMs - fromMs > patienceMs)
      throw new Error(`${n} has not ended: ${JSON.stringify({ fate, fault, order }, plain)}`);
    const isWorking = order.state === 'ACCEPTED' || (order.state === 'UNKNOWN' && nowMs - fromMs > 1_000);
    if (fate.type === 'rest' && !isCanceled && isWorking) {
      isCanceled = true;
      await outcome(rig, rig.command({ type: 'cancel-order', orderId, requestId: `x-${n}` }));
    }
  }
}

/** The account has of the order what the venue has of it. */
function check(state: Account, venue: Venue, orderId: string, quantity: bigint, dealsBefore: number): void {
  const ended = recallEnded(state.ended, orderId)!;
  const known = venue.known(orderId);
  const states = { filled: 'FILLED', canceled: 'CANCELED', rejected: 'REJECTED', working: 'WORKING' } as const;
  expect([orderId, ended.state]).toEqual([orderId, known ? states[known.status] : 'CANCELED']);
  expect([orderId, ended.filledQuantity]).toEqual([orderId, known?.filled ?? 0n]);
  const dealt = venue.deals
    .slice(dealsBefore)
    .reduce((sum, deal) => sum + (deal.orderId === orderId ? deal.quantity : 0n), 0n);
  expect(dealt === 0n || dealt === quantity).toBe(true);
  expect(venue.deals.slice(dealsBefore).every((deal) => deal.orderId === orderId)).toBe(true);
}

/** Also while it is being started again: time goes on until there is an answer. */
async function settled(rig: StageRig): Promise<Account> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const state = await outcome(rig, rig.state());
    if (state instanceof Error) await rig.test.advance(100);
    else return state;
  }
  throw new Error('the account did not come back');
}

async function outcome<Result>(rig: StageRig, asked: Promise<Result>): Promise<Result | Error> {
  let result: { readonly value: Result | Error } | undefined;
  asked.then(
    (value) => (result = { value }),
    (error: unknown) => (result = { value: error as Error }),
  );
  for (await rig.test.settle(); !result; await rig.test.advance(50));
  return result.value;
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
