/** The one table from codes to HTTP statuses and close codes, and problem documents (RFC 9457) made from it. */
import type { DenialCode } from '../actors/trading/risk.ts';
import type { CommandResult } from '../runtime/event-sourced.ts';
import { ActorCrashed, ActorStopped, AskTimeout, MailboxFull, Retryable } from '../runtime/errors.ts';
import type { AccountReply } from '../actors/trading/commands.ts';
import type { JsonResult } from './json.ts';

type Refusal = Extract<AccountReply, { type: 'refused' }>['code'];
type Unavailable = Extract<CommandResult<never>, { type: 'unavailable' }>['code'];

export type Code =
  | DenialCode
  | Refusal
  | Unavailable
  | 'VALIDATION_FAILED'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'METHOD_NOT_ALLOWED'
  | 'CLIENT_ORDER_ID_REUSED'
  | 'BODY_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'TOO_MANY_REQUESTS'
  | 'THROTTLED'
  | 'SLOW_CONSUMER'
  | 'INTERNAL'
  | 'NOT_IMPLEMENTED'
  | 'OUTCOME_UNKNOWN'
  | 'READ_MODEL_BEHIND';

export interface ProblemKind {
  readonly status: number;
  /** With which a stream is closed over it, where it comes to that. */
  readonly closeCode?: number;
  /** `no`: the same again will fail again; `later`: the same again may work. */
  readonly retry: 'no' | 'later';
  readonly title: string;
}

function denial(title: string, retry: ProblemKind['retry'] = 'no'): ProblemKind {
  return { status: 422, retry, title };
}

export const problemKinds = {
  VALIDATION_FAILED: { status: 400, closeCode: 4009, retry: 'no', title: 'The request does not have the wanted shape' },
  UNAUTHENTICATED: { status: 401, closeCode: 4001, retry: 'no', title: 'A valid credential is needed' },
  FORBIDDEN: { status: 403, closeCode: 4003, retry: 'no', title: 'The role does not allow this' },
  NOT_FOUND: { status: 404, retry: 'no', title: 'There is nothing under this name' },
  METHOD_NOT_ALLOWED: { status: 405, retry: 'no', title: 'The resource does not have this method' },
  CLIENT_ORDER_ID_REUSED: { status: 409, retry: 'no', title: 'The clientOrderId belongs to another order' },
  ORDER_NOT_WORKING: { status: 409, retry: 'no', title: 'The order has ended, or a change of it is under way' },
  ORDER_PENDING_CANCEL: { status: 409, retry: 'no', title: 'The order is about to be withdrawn' },
  POSITIONS_NOT_OPPOSITE: { status: 409, retry: 'no', title: 'The positions are not opposite ones of one symbol' },
  NOT_HEDGING: { status: 409, retry: 'no', title: 'Positions close each other on hedging accounts alone' },
  QUANTITY_ABOVE_POSITION: { status: 409, retry: 'no', title: 'The position is smaller than that' },
  NOT_BLOCKED: { status: 409, retry: 'no', title: 'Nothing of this kind is blocked' },
  BODY_TOO_LARGE: { status: 413, closeCode: 1009, retry: 'no', title: 'The body is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retry: 'no', title: 'The body must be application/json' },
  SYMBOL_UNKNOWN: denial('The symbol is not traded here'),
  SYMBOL_RESTRICTED: denial('The symbol may only be closed'),
  CALCULATION_MODE_UNSUPPORTED: denial('Margin and profit of this instrument cannot be computed here'),
  TRADE_MODE: denial('The instrument does not take this side now'),
  MARKET_CLOSED: denial('The market is closed', 'later'),
  POST_ONLY_UNSUPPORTED: denial('An order of this type cannot wait to be taken'),
  EXPIRY_INVALID: denial('The order would have ended already'),
  QUANTITY_BELOW_FILLED: denial('So much of the order is filled already'),
  STOPS_TOO_CLOSE: denial('A stop, a stop loss or a take profit is on the wrong side or too close'),
  PRICE_COLLAR: denial('The price reaches too far through the market'),
  PRICE_COLLAR_ROLLING: denial('The price reaches too far beyond those of a short while ago'),
  NOTHING_TO_REDUCE: denial('There is no position that the order could reduce'),
  MARGIN_LEVEL_FLOOR: denial('The margin level would fall below its floor'),
  KILL_SWITCH: denial('A kill switch has stopped this'),
  TRADING_BLOCKED: denial('Nothing may be opened here until somebody has looked', 'later'),
  DAILY_LOSS: denial('The day has lost as much as it may'),
  DRAWDOWN: denial('The account has fallen as far below its peak as it may'),
  DUPLICATE_ORDER: denial('The same order was sent a moment ago'),
  MAX_ORDER_QUANTITY: denial('The order exceeds the largest quantity'),
  MAX_OPEN_QUANTITY: denial('More would be open than may be'),
  MAX_OPEN_NOTIONAL: denial('The value of what would be open exceeds its limit'),
  TIME_IN_FORCE_UNSUPPORTED: denial('Orders of this type do not take this time in force'),
  QUANTITY_BELOW_MINIMUM: denial('The quantity is below the smallest'),
  QUANTITY_ABOVE_MAXIMUM: denial('The quantity is above the largest'),
  QUANTITY_STEP: denial('The quantity is off its step'),
  PRICE_TICK: denial('The price is off its tick'),
  PRICE_MISSING: denial('An order of this type needs a price'),
  PRICE_NOT_ALLOWED: denial('An order of this type takes no price'),
  QUOTE_MISSING: denial('There is no price for the symbol yet', 'later'),
  QUOTE_STALE: denial('The last price of the symbol is too old', 'later'),
  QUOTE_CROSSED: denial('The last price of the symbol has its bid above its ask', 'later'),
  QUOTE_DIVERGED: denial('Two sources of prices of the symbol disagree', 'later'),
  CONVERSION_UNAVAILABLE: denial('There is no rate into the currency of the account', 'later'),
  MARGIN_EXCEEDS_FREE: denial('The margin exceeds what is free'),
  ACCOUNT_NOT_OPEN: denial('The account is not open'),
  AI_ORDERS_NOT_ALLOWED: denial('The account takes no orders from AI'),
  MAX_ORDER_VALUE: denial('The order exceeds the largest value'),
  MAX_WORKING_ORDERS: denial('The account has as many working orders as it may have'),
  TOO_MANY_REQUESTS: { status: 429, closeCode: 4029, retry: 'later', title: 'Too many requests' },
  THROTTLED: { status: 429, retry: 'later', title: 'The account sends more commands than it may' },
  SLOW_CONSUMER: { status: 503, closeCode: 4008, retry: 'later', title: 'The client reads too slowly' },
  INTERNAL: { status: 500, retry: 'no', title: 'Something went wrong on our side' },
  NOT_IMPLEMENTED: { status: 501, retry: 'no', title: 'This is not available in this version' },
  NOT_READY: { status: 503, closeCode: 1012, retry: 'later', title: 'Not ready; nothing was done' },
  OVERLOADED: { status: 503, retry: 'later', title: 'Too much to do; nothing was done' },
  OUTCOME_UNKNOWN: { status: 503, retry: 'later', title: 'It is not known whether this was done; send the same again' },
  READ_MODEL_BEHIND: { status: 503, retry: 'later', title: 'The list does not hold the latest yet' },
} as const satisfies Readonly<Record<Code, ProblemKind>>;

/** A refusal as a value; `problemBody` writes it out. */
export interface Problem {
  readonly code: Code;
  readonly detail?: string;
  /** Decimal text and the like that explain a refusal. */
  readonly figures?: Readonly<Record<string, string>>;
  /** What is wrong with a request, each fault with where it is. */
  readonly errors?: readonly { readonly path: string; readonly detail: string }[];
  readonly retryAfterMs?: number;
  /** Members of the document beside those of RFC 9457, such as the id of a denied order. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** What came of a request: a result, or why not. */
export type Outcome<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly problem: Problem };

export function refuse(problem: Problem): { readonly ok: false; readonly problem: Problem } {
  return { ok: false, problem };
}

export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: Code;
  readonly traceId: string;
  readonly [member: string]: unknown;
}

export function kindOf(code: Code): ProblemKind {
  return problemKinds[code];
}

export function problemBody(problem: Problem, traceId: string): ProblemBody {
  const { code, detail, figures, errors, retryAfterMs, more } = problem;
  const { status, title } = problemKinds[code];
  return {
    ...{ type: `/docs/errors/${code}`, title, status, code },
    ...(detail === undefined ? {} : { detail }),
    ...(figures === undefined ? {} : { figures }),
    ...(errors === undefined ? {} : { errors }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...more,
    traceId,
  };
}

/** What a client is told of an error. Nothing of an error that we did not expect: it is the log's. */
export function problemOf(error: unknown): Problem {
  if (error instanceof MailboxFull) return { code: 'OVERLOADED', retryAfterMs: error.retryAfterMs };
  if (error instanceof Retryable) return { code: 'NOT_READY', retryAfterMs: error.retryAfterMs };
  if (error instanceof ActorStopped) return { code: 'NOT_READY', retryAfterMs: 1_000 };
  return { code: 'INTERNAL' };
}

/** The same for a command, which may have been done although we did not hear of it. */
export function commandProblemOf(error: unknown): Problem {
  if (error instanceof AskTimeout || error instanceof ActorCrashed)
    return { code: 'OUTCOME_UNKNOWN', retryAfterMs: 1_000 };
  // The platform is stopping, and what the account was told may have been on its way to the journal.
  if (error instanceof ActorStopped) return { code: 'OUTCOME_UNKNOWN', retryAfterMs: 1_000 };
  return problemOf(error);
}

export function malformed(result: Extract<JsonResult, { ok: false }>): Problem {
  return { code: 'VALIDATION_FAILED', detail: result.detail };
}
