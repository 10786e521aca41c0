/**
 * One a tenant: pays calls of AI in advance and settles them. A call goes out once its reservation is durable; what is reserved when a
 * process dies is spent. Reservations of one turn are one write, and one write is under way at a time.
 */
import type { ActorContext, Behavior, PipeResult, ReplyTo } from '../runtime/actor.ts';
import { Retryable } from '../runtime/errors.ts';
import type { Asks } from '../runtime/ref.ts';
import {
  BudgetBook,
  dayOf,
  type Amount,
  type BudgetAlert,
  type BudgetRefusal,
  type BudgetTerms,
  type Reservation,
  type Spent,
} from './ai/budget.ts';
import type { AiCall, BudgetStore } from './ai/budget-store.ts';
import type { AttemptRecord } from './ai/routing.ts';

export interface BudgetedCall extends Amount {
  readonly id: string;
  readonly subjectId: string;
  readonly purpose: string;
  readonly provider: string;
  readonly model: string;
}

export type AiBudgetMessage =
  | ({ readonly type: 'reserve'; readonly call: BudgetedCall } & Asks<Admission>)
  | { readonly type: 'settle'; readonly id: string; readonly record: AttemptRecord }
  | ({ readonly type: 'get-budgets' } & Asks<readonly object[]>)
  | { readonly type: 'opened'; readonly result: PipeResult<readonly Spent[]> }
  | { readonly type: 'open' }
  | { readonly type: 'write' }
  | { readonly type: 'written'; readonly result: PipeResult<void> };

/** `refusal`: why it may not go out. */
export interface Admission {
  readonly refusal: BudgetRefusal | undefined;
}

export interface AiBudgetSpec {
  readonly terms: readonly BudgetTerms[];
  readonly store: BudgetStore;
  readonly priceVersion: string;
  onAlert(alert: BudgetAlert): void;
  readonly retryMs: number;
}

/** No budget can be looked at: nothing goes out. */
export class BudgetUnavailable extends Retryable {
  constructor(cause?: unknown) {
    super('the budget cannot be read or written now', { retryAfterMs: 1_000, cause });
  }
}

interface Waiting {
  readonly reservation: Reservation;
  readonly replyTo: ReplyTo;
}

interface Desk {
  /** Undefined until what was spent has been read. */
  readonly book: BudgetBook | undefined;
  readonly isWriting: boolean;
  /** What each open call was for. */
  readonly open: Map<string, BudgetedCall & { readonly day: number }>;
  /** Waits for the next write. */
  readonly reservations: readonly Waiting[];
  readonly calls: readonly AiCall[];
  /** Is being written. */
  readonly underWay: { readonly reservations: readonly Waiting[]; readonly calls: readonly AiCall[] };
}

const idle = { reservations: [], calls: [] } as const;

type Context = ActorContext<AiBudgetMessage>;

export function aiBudgetPath(tenant: string): string {
  return `/tenants/${tenant}/router/budget`;
}

export function aiBudget(spec: AiBudgetSpec): Behavior<Desk, AiBudgetMessage> {
  const { store, retryMs } = spec;
  /** Outlives a crash: what an earlier incarnation is writing has to be there before it is read. */
  let writing: Promise<unknown> = Promise.resolve();

  function open(context: Context): void {
    const opened = writing.then(() => store.open(context.clock.wallMicros()));
    context.pipe(opened, (result) => ({ type: 'opened', result }));
  }

  function reserve(desk: Desk, book: BudgetBook, call: BudgetedCall, context: Context): Desk {
    const day = dayOf(context.clock.wallMicros());
    const { id, subjectId, provider, model, tokens, picoUsd } = call;
    const reservation: Reservation = { id, subjectId, provider, model, tokens, picoUsd, day };
    const refusal = book.reserve(reservation);
    if (refusal) {
      context.reply({ refusal } satisfies Admission);
      return desk;
    }
    desk.open.set(id, { ...call, day });
    const waiting = { reservation, replyTo: context.replyLater() };
    return writeSoon({ ...desk, reservations: [...desk.reservations, waiting] }, context);
  }

  function settle(desk: Desk, id: string, record: AttemptRecord, context: Context): Desk {
    const call = desk.open.get(id);
    if (!call || !desk.book) return desk;
    desk.open.delete(id);
    const { usage, costPicoUsd, latencyMs, outcome, provider, model } = record;
    const tokens = usage ? Object.values(usage).reduce((sum: number, count: number) => sum + count, 0) : 0;
    // Where no price is known the most that it can have cost is what it did.
    const charged: Amount = { tokens, picoUsd: usage ? (costPicoUsd ?? call.picoUsd) : 0n };
    for (const alert of desk.book.settle(id, charged)) spec.onAlert(alert);
    const booked: AiCall = {
      ...{ id, timeMicros: context.clock.wallMicros(), subjectId: call.subjectId, purpose: call.purpose },
      ...{ provider, model, outcome, usage, costPicoUsd, latencyMs, day: call.day, priceVersion: spec.priceVersion },
      ...{ chargedPicoUsd: charged.picoUsd, chargedTokens: charged.tokens },
    };
    return writeSoon({ ...desk, calls: [...desk.calls, booked] }, context);
  }

  /** Behind the messages that are there already: they go with it. */
  function writeSoon(desk: Desk, context: Context): Desk {
    if (desk.isWriting) return desk;
    context.self.tell({ type: 'write' });
    return { ...desk, isWriting: true };
  }

  function write(desk: Desk, context: Context): Desk {
    const { reservations, calls } = desk;
    const batch = { reservations: reservations.map(({ reservation }) => reservation), calls };
    const written = store.write(batch);
    writing = written.catch(() => {});
    context.pipe(written, (result) => ({ type: 'written', result }));
    return { ...desk, reservations: [], calls: [], underWay: { reservations, calls } };
  }

  function onWritten(desk: Desk, result: PipeResult<void>, context: Context): Desk {
    const { reservations, calls } = desk.underWay;
    const done = { ...desk, underWay: idle, isWriting: false };
    if (result.ok) {
      for (const { replyTo } of reservations) replyTo.reply({ refusal: undefined } satisfies Admission);
      return done.reservations.length + done.calls.length > 0 ? writeSoon(done, context) : done;
    }
    context.log.warn({ err: result.error }, 'a budget could not be written');
    // Whether they are there is not known; a call that never goes out costs nothing, so they are settled as that.
    const unsent = reservations.map(({ reservation, replyTo }) => {
      desk.book?.settle(reservation.id, { tokens: 0, picoUsd: 0n });
      desk.open.delete(reservation.id);
      replyTo.fail(new BudgetUnavailable(result.error));
      return unsentCall(reservation, context.clock.wallMicros(), spec.priceVersion);
    });
    context.after(retryMs, { type: 'write' });
    return { ...done, isWriting: true, calls: [...calls, ...unsent, ...done.calls] };
  }

  return {
    start(context) {
      open(context);
      return {
        ...{ book: undefined, isWriting: false, open: new Map() },
        ...{ reservations: [], calls: [], underWay: idle },
      };
    },

    receive(desk, message, context) {
      switch (message.type) {
        case 'opened':
          if (message.result.ok) return { ...desk, book: new BudgetBook(spec.terms, message.result.value) };
          context.after(retryMs, { type: 'open' });
          return desk;
        case 'open':
          open(context);
          return desk;
        case 'reserve':
          if (!desk.book) {
            context.replyLater().fail(new BudgetUnavailable());
            return desk;
          }
          return reserve(desk, desk.book, message.call, context);
        case 'settle':
          return settle(desk, message.id, message.record, context);
        case 'write':
          return write(desk, context);
        case 'written':
          return onWritten(desk, message.result, context);
        case 'get-budgets':
          context.reply(desk.book?.view() ?? []);
          return desk;
      }
    },

    inspect: ({ book, isWriting, open: calls }) => ({ isOpen: book !== undefined, isWriting, underWay: calls.size }),
  };
}

function unsentCall(
  { id, subjectId, provider, model, day }: Reservation,
  timeMicros: number,
  priceVersion: string,
): AiCall {
  return {
    ...{
      id,
      timeMicros,
      subjectId,
      provider,
      model,
      day,
      priceVersion,
      purpose: '',
      outcome: 'unsent',
      usage: undefined,
    },
    ...{ costPicoUsd: 0n, chargedPicoUsd: 0n, chargedTokens: 0, latencyMs: 0 },
  };
}
