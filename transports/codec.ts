/** Unknown JSON → what it asks for, or every fault in it at once. The one place where wire shapes are described. */
import { z } from 'zod';
import type { OrderChange, OrderTerms } from '../actors/trading/events.ts';
import { parseScaled, PRICE_SCALE, QUANTITY_SCALE } from '../actors/trading/money.ts';
import { refuse, type Outcome, type Problem } from './problems.ts';

const decimalText = z
  .string('must be decimal text such as "1.0800"')
  .regex(
    /^(0|[1-9]\d{0,11})(\.\d{1,8})?$/,
    'must be a plain decimal of at most 12 digits before the point and 8 behind it',
  );

/** An id that somebody outside has chosen. */
export const chosenId = z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . : -');
export const symbolText = z.string().regex(/^[A-Za-z0-9._#-]{1,32}$/, 'must be 1 to 32 of A-Z a-z 0-9 . _ # -');
export const accountSlug = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be the name of an account');
export const orderIdText = z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be the id of an order');

const orderShape = z.strictObject({
  clientOrderId: chosenId.describe('Yours; the same again with the same body has no second effect.'),
  symbol: symbolText,
  side: z.enum(['buy', 'sell']),
  type: z.enum(['market', 'limit', 'stop', 'stop-limit', 'trailing-stop']),
  quantity: decimalText.describe('In lots.'),
  limitPrice: decimalText.optional(),
  stopPrice: decimalText.optional(),
  trailBy: decimalText.optional(),
  timeInForce: z.enum(['gtc', 'day', 'gtd', 'ioc', 'fok']),
  expireAt: z.iso.datetime().optional().describe('For gtd.'),
  stopLoss: decimalText.optional(),
  takeProfit: decimalText.optional(),
  reduceOnly: z.boolean().optional(),
  postOnly: z.boolean().optional(),
  ocoGroup: chosenId.optional(),
});
type OrderShape = z.output<typeof orderShape>;

/** The body of an order, on REST and on sockets. */
export const orderBody = orderShape.superRefine(checkOrder).transform(termsOf);

function checkOrder(order: OrderShape, context: z.RefinementCtx): void {
  const fault = (path: keyof OrderShape, message: string) => {
    context.addIssue({ code: 'custom', path: [path], message });
  };
  for (const name of priceNames) {
    const price = order[name];
    if (price !== undefined && isZero(price)) fault(name, 'must be above zero');
  }
  const isStop = order.type === 'stop' || order.type === 'stop-limit' || order.type === 'trailing-stop';
  if (order.stopPrice !== undefined && !isStop) fault('stopPrice', `must be absent from ${order.type} orders`);
  if (order.trailBy !== undefined && order.type !== 'trailing-stop')
    fault('trailBy', `must be absent from ${order.type} orders`);
  if (order.expireAt !== undefined && order.timeInForce !== 'gtd')
    fault('expireAt', `must be absent with ${order.timeInForce}`);
}

const priceNames = ['limitPrice', 'stopPrice', 'trailBy', 'stopLoss', 'takeProfit'] as const;

function isZero(text: string): boolean {
  return /^[0.]+$/.test(text);
}

function termsOf(order: OrderShape): OrderTerms {
  const { ocoGroup } = order;
  return {
    clientOrderId: order.clientOrderId,
    symbol: order.symbol,
    side: order.side,
    orderType: order.type,
    quantity: parseScaled(order.quantity, QUANTITY_SCALE)!,
    ...pricesOf(order),
    timeInForce: order.timeInForce,
    ...(order.expireAt === undefined ? {} : { expireAtMicros: microsOf(order.expireAt) }),
    ...(order.reduceOnly ? { reduceOnly: true } : {}),
    ...(order.postOnly ? { postOnly: true } : {}),
    ...(ocoGroup === undefined ? {} : { ocoGroup }),
    source: 'trader',
  };
}

type Prices = { readonly [Name in (typeof priceNames)[number]]?: string | undefined };

function pricesOf(given: Prices): { [Name in (typeof priceNames)[number]]?: bigint } {
  const prices: { [Name in (typeof priceNames)[number]]?: bigint } = {};
  for (const name of priceNames) {
    const text = given[name];
    if (text !== undefined) prices[name] = parseScaled(text, PRICE_SCALE)!;
  }
  return prices;
}

/** @param text RFC 3339 in UTC; digits behind a microsecond are cut off */
export function microsOf(text: string): number {
  const [, fraction = ''] = /\.([0-9]+)Z$/.exec(text) ?? [];
  return Math.floor(Date.parse(text) / 1_000) * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

const changeShape = z.strictObject({
  quantity: decimalText.describe('The whole quantity, what is filled included.').optional(),
  limitPrice: decimalText.optional(),
  stopPrice: decimalText.optional(),
  trailBy: decimalText.optional(),
  expireAt: z.iso.datetime().optional(),
  stopLoss: decimalText.optional(),
  takeProfit: decimalText.optional(),
});

/** What of a working order is to be changed. */
export const changeBody = changeShape
  .superRefine((change, context) => {
    for (const [name, value] of Object.entries(change)) {
      if (name !== 'expireAt' && value !== undefined && isZero(value))
        context.addIssue({ code: 'custom', path: [name], message: 'must be above zero' });
    }
    if (Object.keys(change).length === 0)
      context.addIssue({ code: 'custom', path: [], message: 'must change something' });
  })
  .transform((change): OrderChange => ({
    ...(change.quantity === undefined ? {} : { quantity: parseScaled(change.quantity, QUANTITY_SCALE)! }),
    ...pricesOf(change),
    ...(change.expireAt === undefined ? {} : { expireAtMicros: microsOf(change.expireAt) }),
  }));

/** How much of a position is to be closed: all of it where nothing is said, or by another. */
export const closeBody = z
  .strictObject({
    quantity: decimalText.optional(),
    by: orderIdText.describe('An opposite position of the same symbol.').optional(),
  })
  .superRefine(({ quantity, by }, context) => {
    if (quantity !== undefined && by !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['quantity'],
        message: 'must be absent where another position closes it',
      });
    if (quantity !== undefined && isZero(quantity))
      context.addIssue({ code: 'custom', path: ['quantity'], message: 'must be above zero' });
  })
  .transform(({ quantity, by }) => ({
    ...(quantity === undefined ? {} : { quantity: parseScaled(quantity, QUANTITY_SCALE)! }),
    ...(by === undefined ? {} : { by }),
  }));

// It becomes part of the id of a cancel in the journal, whose texts hold no control characters.
const id = z
  .string()
  .max(64, 'must have at most 64 characters')
  .regex(/^\P{Cc}*$/u, 'must hold no control characters')
  .optional();
const channels = z.array(z.string().max(128)).min(1).max(1_000);
const position = z.strictObject({ epoch: z.string().max(128), sequence: z.int().min(0) });

/** A shorter one would fire on a pause of the network, a longer one is none. */
const [leastDeadManMs, mostDeadManMs] = [1_000, 86_400_000];
const deadManTimeoutMs = z
  .int()
  .min(0)
  .max(mostDeadManMs)
  .refine(
    (value) => value === 0 || value >= leastDeadManMs,
    `must be 0, or from ${leastDeadManMs} to ${mostDeadManMs}`,
  );
export const deadManBody = z.strictObject({ timeoutMs: deadManTimeoutMs });

const frames = {
  authenticate: z.strictObject({ type: z.literal('authenticate'), id, token: z.string().max(512) }),
  subscribe: z.strictObject({
    ...{ type: z.literal('subscribe'), id, channels },
    resume: z.record(z.string().max(128), position).optional(),
  }),
  unsubscribe: z.strictObject({ type: z.literal('unsubscribe'), id, channels }),
  'submit-order': z.strictObject({ type: z.literal('submit-order'), id, account: accountSlug, order: orderBody }),
  'cancel-order': z.strictObject({ type: z.literal('cancel-order'), id, account: accountSlug, orderId: orderIdText }),
  'amend-order': z.strictObject({
    ...{ type: z.literal('amend-order'), id, account: accountSlug, orderId: orderIdText },
    change: changeBody,
  }),
  'dead-man': z.strictObject({ type: z.literal('dead-man'), id, account: accountSlug, timeoutMs: deadManTimeoutMs }),
  'cancel-on-disconnect': z.strictObject({
    ...{ type: z.literal('cancel-on-disconnect'), id, account: accountSlug, enabled: z.boolean() },
  }),
  acknowledge: z.strictObject({
    type: z.literal('acknowledge'),
    id,
    channel: z.string().max(128),
    sequence: z.int().min(0),
  }),
  ping: z.strictObject({ type: z.literal('ping'), id }),
};

export type ClientFrame = { [Type in keyof typeof frames]: z.output<(typeof frames)[Type]> }[keyof typeof frames];

/** A client's message on a stream. */
export function decodeFrame(value: unknown): Outcome<ClientFrame> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuseAt('', 'a message must be an object');
  const { type } = value as { type?: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(frames, type)) {
    return refuseAt('type', `must be one of ${Object.keys(frames).join(', ')}`);
  }
  const result = frames[type as keyof typeof frames].safeParse(value);
  return result.success ? { ok: true, result: result.data } : refuse(problemOfIssues(result.error.issues));
}

/** The id to answer a message under, also when the rest of it is wrong. */
export function idOf(value: unknown): string | null {
  const found = (value as { id?: unknown } | null | undefined)?.id;
  return typeof found === 'string' && found.length <= 64 ? found : null;
}

/** Faults that are told of one message; thousands in a large one would make an answer many times its size. */
const maxFaults = 100;

/** Every fault with its path, up to `maxFaults`. */
export function problemOfIssues(issues: readonly z.core.$ZodIssue[]): Problem {
  const errors = issues.flatMap(faultsOf).slice(0, maxFaults);
  return { code: 'VALIDATION_FAILED', errors };
}

function faultsOf(issue: z.core.$ZodIssue): { path: string; detail: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathText([...issue.path, key]), detail: 'is not a known field' }));
  }
  return [{ path: pathText(issue.path), detail: issue.message }];
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map(String).join('.').slice(0, 256);
}

function refuseAt(path: string, detail: string): Outcome<never> {
  return refuse({ code: 'VALIDATION_FAILED', errors: [{ path, detail }] });
}
