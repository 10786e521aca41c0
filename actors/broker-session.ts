/** One a broker login: places what the account has decided, and brings the account what the broker reports. */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { TradingAccountMessage } from './trading-account.ts';
import type { Broker, BrokerLogin, BrokerOrder, BrokerReport } from './trading/broker.ts';

export type BrokerSessionMessage =
  | { readonly type: 'place'; readonly order: BrokerOrder }
  | { readonly type: 'cancel'; readonly orderId: string }
  | ({ readonly type: 'resume' } & Outstanding)
  | { readonly type: 'report'; readonly report: BrokerReport }
  | { readonly type: 'reported'; readonly report: BrokerReport; readonly isBooked: boolean };

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
  /** Pause before a report that the account could not take is brought again. */
  readonly retryMs: number;
}

interface Session {
  readonly login: BrokerLogin;
  readonly counts: { placed: number; canceled: number; reports: number };
}

export function brokerSession(spec: BrokerSessionSpec): Behavior<Session, BrokerSessionMessage> {
  return {
    start(context) {
      const login = spec.broker.login(spec.login, (report) => {
        context.self.tell({ type: 'report', report }, { control: true });
      });
      context.pipe(spec.outstanding(), (result) => ({
        type: 'resume',
        ...(result.ok ? result.value : { orders: [], cancels: [] }),
      }));
      return { login, counts: { placed: 0, canceled: 0, reports: 0 } };
    },

    receive(session, message, context) {
      switch (message.type) {
        case 'place':
          session.counts.placed += 1;
          session.login.place(message.order);
          break;
        case 'cancel':
          session.counts.canceled += 1;
          session.login.cancel(message.orderId);
          break;
        case 'resume':
          for (const order of message.orders) session.login.place(order);
          for (const orderId of message.cancels) session.login.cancel(orderId);
          break;
        case 'report':
          session.counts.reports += 1;
          report(spec, message.report, context);
          break;
        case 'reported':
          if (!message.isBooked) context.after(spec.retryMs, { type: 'report', report: message.report });
          break;
      }
      return session;
    },

    stop: (session) => session.login.close(),
    inspect: ({ login, counts }) => ({ working: login.working().length, ...counts }),
  };
}

/** What the broker says has happened, so it is brought until the account has it; repeated, it changes nothing. */
function report(spec: BrokerSessionSpec, said: BrokerReport, context: ActorContext<BrokerSessionMessage>): void {
  const account = spec.account();
  if (!account) return;
  // In the control lane: however busy the account is.
  const options = { control: true, timeoutMs: spec.deadlineMs };
  const command = { type: 'broker-report', report: said } as const;
  context.pipe(account.ask({ type: 'command', command }, options), (result) => {
    const isBooked = result.ok && result.value.type !== 'unavailable';
    return { type: 'reported', report: said, isBooked };
  });
}
