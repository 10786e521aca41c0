/** Unknown JSON → what it asks for, or every fault in it at once. The one place where wire shapes are described. */
import { z } from 'zod';
import type { OrderTerms } from '../actors/trading/events.ts';
import { parseScaled, PRICE_SCALE, QUANTITY_SCALE } from '../actors/trading/money.ts';
import { refuse, type Outcome, type Problem } from './problems.ts';

const decimalText = z
  .string('must be decimal text such as "1.0800"')
  .regex(
    /^(0|[1-9]\d{0,11})(\.\d{1,8})?$/,
    'must be a plain decimal of at most 12 digits before the point and 8 behind it',
  );

export const clientOrderId = z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . : -');
export const symbolText = z.string().regex(/^[A-Za-z0-9._#-]{1,32}$/, 'must be 1 to 32 of A-Z a-z 0-9 . _ # -');
export const accountSlug = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be the name of an account');
export const orderIdText = z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be the id of an order');

const orderShape = z.strictObject({
  clientOrderId: clientOrderId.describe('Yours; the same again with the same body has no second effect.'),
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
  ocoGroup: clientOrderId.optional(),
});
type OrderShape = z.output<typeof orderShape>;

/** The body of an order, on REST and on sockets. */
export const orderBody = orderShape.superRefine(checkOrder).transform(termsOf);

function checkOrder(order: OrderShape, context: z.RefinementCtx): void {
  const fault = (path: keyof OrderShape, message: string, params?: object) => {
    context.addIssue({ code: 'custom', path: [path], message, ...(params ? { params } : {}) });
  };
  if (order.limitPrice !== undefined && isZero(order.limitPrice)) fault('limitPrice', 'must be above zero');
  const isStop = order.type === 'stop' || order.type === 'stop-limit';
  if (order.stopPrice !== undefined && !isStop) fault('stopPrice', `must be absent from ${order.type} orders`);
  if (order.trailBy !== undefined && order.type !== 'trailing-stop')
    fault('trailBy', `must be absent from ${order.type} orders`);
  if (order.expireAt !== undefined && order.timeInForce !== 'gtd')
    fault('expireAt', `must be absent with ${order.timeInForce}`);
  // A wish that we cannot fulfil must not be dropped in silence: the order would stand without its protection.
  for (const wish of ['stopLoss', 'takeProfit', 'ocoGroup', 'reduceOnly', 'postOnly'] as const) {
    if (order[wish] !== undefined && order[wish] !== false)
      fault(wish, 'is not available in this version', notImplemented);
  }
}

const notImplemented = { code: 'NOT_IMPLEMENTED' };

function isZero(text: string): boolean {
  return /^[0.]+$/.test(text);
}

// What only orders of a type have that the rules refuse (stopPrice, trailBy, expireAt) goes no further.
function termsOf(order: OrderShape): OrderTerms {
  const { limitPrice } = order;
  return {
    clientOrderId: order.clientOrderId,
    symbol: order.symbol,
    side: order.side,
    orderType: order.type,
    quantity: parseScaled(order.quantity, QUANTITY_SCALE)!,
    ...(limitPrice === undefined ? {} : { limitPrice: parseScaled(limitPrice, PRICE_SCALE)! }),
    timeInForce: order.timeInForce,
    source: 'trader',
  };
}

// It becomes part of the id of a cancel in the journal, whose texts hold no control characters.
const id = z
  .string()
  .max(64, 'must have at most 64 characters')
  .regex(/^\P{Cc}*$/u, 'must hold no control characters')
  .optional();
const channels = z.array(z.string().max(128)).min(1).max(1_000);
const position = z.strictObject({ epoch: z.string().max(128), sequence: z.int().min(0) });

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
    change: z.record(z.string(), z.unknown()),
  }),
  'dead-man': z.strictObject({ type: z.literal('dead-man'), id, account: accountSlug, timeoutMs: z.int().min(0) }),
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

/** Every fault with its path, up to `maxFaults`. Wishes for what this version does not have are told apart, if nothing else is wrong. */
export function problemOfIssues(issues: readonly z.core.$ZodIssue[]): Problem {
  const errors = issues.flatMap(faultsOf).slice(0, maxFaults);
  const isWish = issues.every((issue) => issue.code === 'custom' && issue.params === notImplemented);
  return { code: isWish ? 'NOT_IMPLEMENTED' : 'VALIDATION_FAILED', errors };
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
