/** One a broker login: places what the account has decided, and brings the account what the broker reports. */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { TradingAccountMessage } from './trading-account.ts';
import type { Broker, BrokerLogin, BrokerOrder, BrokerReport } from './trading/broker.ts';

export type BrokerSessionMessage =
  | { readonly type: 'place'; readonly order: BrokerOrder }
  | { readonly type: 'cancel'; readonly orderId: string }
  | ({ readonly type: 'resume' } & Outstanding)
  /** What is outstanding could not be learnt. */
  | { readonly type: 'resume-failed' }
  | { readonly type: 'resume-again' }
  | { readonly type: 'report'; readonly report: BrokerReport }
  | {
      readonly type: 'reported';
      readonly report: BrokerReport;
      /** `contradicted`: the account has booked another report under the same id, and keeps to it. */
      readonly outcome: 'booked' | 'contradicted' | 'not-taken';
    };

/** What may or may not have reached the broker before a restart. Both are idempotent by order id. */
export interface Outstanding {
  readonly orders: readonly BrokerOrder[];
  readonly cancels: readonly string[];
}

export interface BrokerSessionSpec {
  readonly broker: Broker;
  /** Names the login at the broker. */
  readonly login: string;
  account(): ActorRef<TradingAccountMessage> | undefined;
  /** Asked when this session starts, since the one before may have died with what it was told. */
  outstanding(): Promise<Outstanding>;
  /** How long the account may take to make a report durable. */
  readonly deadlineMs: number;
  /** Pause before a report that the account could not take is brought again, and before it is asked again what is outstanding. */
  readonly retryMs: number;
}

interface Session {
  readonly login: BrokerLogin;
  /** Of the orders that were placed here and have not ended, so that what becomes of an order is journalled under its request. */
  readonly traces: Map<string, Trace>;
  readonly counts: { placed: number; canceled: number; reports: number };
}

interface Trace {
  readonly traceId: string;
  /** Of the order, as far as its fills are booked. */
  readonly openQuantity: bigint;
}

export function brokerSession(spec: BrokerSessionSpec): Behavior<Session, BrokerSessionMessage> {
  return {
    start(context) {
      const login = spec.broker.login(spec.login, (report) => {
        context.self.tell({ type: 'report', report }, { control: true });
      });
      askOutstanding(spec, context);
      return { login, traces: new Map(), counts: { placed: 0, canceled: 0, reports: 0 } };
    },

    receive(session, message, context) {
      switch (message.type) {
        case 'place': {
          const { order } = message;
          const { traceId } = context;
          session.counts.placed += 1;
          if (traceId !== undefined) session.traces.set(order.orderId, { traceId, openQuantity: order.quantity });
          session.login.place(order);
          break;
        }
        case 'cancel':
          session.counts.canceled += 1;
          session.login.cancel(message.orderId);
          break;
        case 'resume':
          for (const order of message.orders) session.login.place(order);
          for (const orderId of message.cancels) session.login.cancel(orderId);
          break;
        case 'resume-failed':
          context.after(spec.retryMs, { type: 'resume-again' });
          break;
        case 'resume-again':
          askOutstanding(spec, context);
          break;
        case 'report':
          session.counts.reports += 1;
          report(spec, message.report, session.traces.get(message.report.orderId)?.traceId, context);
          break;
        case 'reported':
          onReported(spec, session, message, context);
          break;
      }
      return session;
    },

    stop: (session) => session.login.close(),
    inspect: ({ login, counts }) => ({ working: login.working().length, ...counts }),
  };
}

type Context = ActorContext<BrokerSessionMessage>;

function askOutstanding(spec: BrokerSessionSpec, context: Context): void {
  context.pipe(spec.outstanding(), (result) =>
    result.ok ? { type: 'resume', ...result.value } : { type: 'resume-failed' },
  );
}

/** What the broker says has happened, so it is brought until the account has it; repeated, it changes nothing. */
function report(spec: BrokerSessionSpec, said: BrokerReport, traceId: string | undefined, context: Context): void {
  const account = spec.account();
  if (!account) return;
  // In the control lane: however busy the account is.
  const options = { control: true, timeoutMs: spec.deadlineMs, ...(traceId === undefined ? {} : { traceId }) };
  const command = { type: 'broker-report', report: said } as const;
  context.pipe(account.ask({ type: 'command', command }, options), (result) => {
    const answer = result.ok ? result.value.type : 'unavailable';
    const outcome = answer === 'done' ? 'booked' : answer === 'reused' ? 'contradicted' : 'not-taken';
    return { type: 'reported', report: said, outcome };
  });
}

function onReported(
  spec: BrokerSessionSpec,
  { traces }: Session,
  { report: said, outcome }: Extract<BrokerSessionMessage, { type: 'reported' }>,
  context: Context,
): void {
  const { orderId, type, venue } = said;
  if (outcome === 'not-taken') return void context.after(spec.retryMs, { type: 'report', report: said });
  if (outcome === 'contradicted')
    context.log.error({ orderId, type, venue }, 'the broker contradicts what it reported before');
  const trace = traces.get(orderId);
  if (!trace || type === 'accepted') return;
  const openQuantity = type === 'filled' ? trace.openQuantity - said.quantity : 0n;
  if (openQuantity > 0n) traces.set(orderId, { ...trace, openQuantity });
  else traces.delete(orderId);
}
