/**
 * One a broker login: places what the account has decided, and brings the account what the broker reports.
 *
 * What the broker does not answer is not known, never guessed: the account is told so, the broker is asked, and nothing is sent a second
 * time before it has said that it does not have it.
 */
import type { ActorContext, Behavior } from '../runtime/actor.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { TradingAccountMessage } from './trading-account.ts';
import type { Account } from './trading/account.ts';
import type {
  Broker,
  BrokerLogin,
  BrokerMessage,
  BrokerOrder,
  BrokerReport,
  BrokerStatement,
} from './trading/broker.ts';
import type { AccountCommand } from './trading/commands.ts';
import type { OrderChange } from './trading/events.ts';
import { bookOf, pendingCancels, reconcile } from './trading/reconcile.ts';

export type BrokerSessionMessage =
  | { readonly type: 'place'; readonly order: BrokerOrder }
  | { readonly type: 'amend'; readonly orderId: string; readonly requestId: string; readonly change: OrderChange }
  | { readonly type: 'cancel'; readonly orderId: string; readonly requestId: string }
  /** The account has read its journal. */
  | { readonly type: 'loaded' }
  /** The account as it is durable; undefined: it cannot be read now. */
  | { readonly type: 'account'; readonly purpose: 'login' | 'query'; readonly state: Account | undefined }
  | { readonly type: 'log-in-again' }
  | { readonly type: 'broker'; readonly message: BrokerMessage }
  | { readonly type: 'report'; readonly report: BrokerReport }
  | { readonly type: 'look' }
  | {
      readonly type: 'reported';
      readonly report: BrokerReport;
      /** `contradicted`: the account has booked another report under the same id, and keeps to it. */
      readonly outcome: 'booked' | 'contradicted' | 'not-taken';
    };

export interface BrokerSessionSpec {
  readonly broker: Broker;
  /** Names the login at the broker. */
  readonly login: string;
  account(): ActorRef<TradingAccountMessage> | undefined;
  /** What is durable of the account; undefined while it cannot be read. */
  read(): Promise<Account | undefined>;
  /** The same without waking it: undefined where it has nothing working and nothing open. */
  glance(): Account | undefined;
  /** Whether nothing of this kind may leave any more, whatever was decided before. */
  isStopped(order: BrokerOrder): boolean;
  /** How long the account may take to make a report durable. */
  readonly deadlineMs: number;
  /** Pause before a report that the account could not take is brought again, and before it is asked again what is outstanding. */
  readonly retryMs: number;
  /** How long the broker may take to answer before what it was sent counts as unknown. */
  readonly answerMs: number;
  /** From one comparison of all with the broker to the next. */
  readonly reconcileMs: number;
}

interface Session {
  /** Undefined until the account has said what to hand over. */
  login: BrokerLogin | undefined;
  isConnected: boolean;
  /** What came before the login. */
  waiting: BrokerSessionMessage[];
  /** Orders that were handed over or sent: none is sent twice. */
  readonly sent: Set<string>;
  /** Since when an answer is owed, by order. */
  readonly owed: Map<string, number>;
  /** Orders whose fate is not known. */
  readonly lost: Set<string>;
  /** Asked and not answered: the account as it was then. */
  question:
    | { readonly id: string; readonly account: Account; readonly sinceMs: number; readonly isAll: boolean }
    | undefined;
  nextReconcileMs: number;
  /** Infinity: none is planned. */
  nextLookMs: number;
  /** Differences of the last comparison: a fill on its way looks like one, and is gone the next time. */
  suspected: string;
  /** What the account was told of them last. */
  told: string;
  questions: number;
  /** Of the orders that were placed here and have not ended, so that what becomes of an order is journalled under its request. */
  readonly traces: Map<string, Trace>;
  readonly counts: {
    placed: number;
    canceled: number;
    amended: number;
    reports: number;
    unknown: number;
    queries: number;
  };
}

interface Trace {
  readonly traceId: string;
  /** Of the order, as far as its fills are booked. */
  readonly openQuantity: bigint;
}

type Context = ActorContext<BrokerSessionMessage>;

export function brokerSession(spec: BrokerSessionSpec): Behavior<Session, BrokerSessionMessage> {
  const lookMs = Math.ceil(spec.answerMs / 4);

  function readAccount(purpose: 'login' | 'query', context: Context): void {
    context.pipe(spec.read(), (result) => ({ type: 'account', purpose, state: result.ok ? result.value : undefined }));
  }

  function logIn(session: Session, state: Account | undefined, context: Context): void {
    if (session.login) return;
    if (!state) return void context.after(spec.retryMs, { type: 'log-in-again' }, 'log-in');
    const book = bookOf(state);
    const isOurs = spec.broker.memory === 'none';
    for (const { orderId } of book.orders) session.sent.add(orderId);
    for (const orderId of pendingCancels(state)) session.sent.add(orderId);
    session.login = spec.broker.login(spec.login, isOurs ? book : { orders: [], positions: [] }, (message) => {
      context.self.tell({ type: 'broker', message }, { control: true });
    });
    session.isConnected = true;
    for (const orderId of pendingCancels(state)) session.login.cancel(orderId, `c-login-${context.incarnation}`);
    if (!isOurs) session.nextReconcileMs = 0;
    for (const message of session.waiting.splice(0)) onMessage(session, message, context);
    look(session, context);
  }

  function place(session: Session, order: BrokerOrder, context: Context): void {
    const { orderId } = order;
    if (session.sent.has(orderId)) return;
    session.sent.add(orderId);
    session.counts.placed += 1;
    if (spec.isStopped(order)) {
      // It never left, which nobody knows better than we do.
      const { venue } = spec.broker;
      const timeMicros = context.clock.wallMicros();
      return bring(spec, session, { orderId, venue, timeMicros, type: 'canceled', reason: 'kill-switch' }, context);
    }
    owe(session, orderId, context);
    session.login!.place(order);
  }

  /** It is of the message in hand: what waits for the login has lost it by then. */
  function trace(session: Session, { orderId, quantity }: BrokerOrder, { traceId }: Context): void {
    if (traceId !== undefined && !session.traces.has(orderId))
      session.traces.set(orderId, { traceId, openQuantity: quantity });
  }

  function owe(session: Session, orderId: string, context: Context): void {
    session.owed.set(orderId, context.clock.monotonicMs());
  }

  /** Soon while something is owed, else in time for the next comparison: a clock that ticked all the time would be most of what an idle account costs. */
  function planLook(session: Session, context: Context): void {
    const isOwed = session.owed.size + session.lost.size > 0 || session.question !== undefined;
    const soonMs = context.clock.monotonicMs() + lookMs;
    const dueMs = isOwed ? soonMs : Math.max(soonMs, session.nextReconcileMs);
    if (session.nextLookMs <= dueMs) return;
    session.nextLookMs = dueMs;
    context.after(dueMs - soonMs + lookMs, { type: 'look' }, 'look');
  }

  /** Who owes an answer for too long, and whether it is time to compare everything. */
  function look(session: Session, context: Context): void {
    const nowMs = context.clock.monotonicMs();
    for (const [orderId, sinceMs] of session.owed) {
      if (nowMs - sinceMs >= spec.answerMs) lose(session, orderId, 'the broker has not answered', context);
    }
    if (!session.login || !session.isConnected) return;
    const { question } = session;
    if (question && nowMs - question.sinceMs < spec.answerMs) return;
    session.question = undefined;
    if (session.lost.size === 0 && nowMs < session.nextReconcileMs) return;
    const seen = spec.glance();
    if (seen) ask(session, seen, context);
    else if (session.lost.size > 0) readAccount('query', context);
    else session.nextReconcileMs = nowMs + spec.reconcileMs;
  }

  function lose(session: Session, orderId: string, reason: string, context: Context): void {
    session.owed.delete(orderId);
    session.lost.add(orderId);
    session.counts.unknown += 1;
    const { venue } = spec.broker;
    const requestId = `u${(session.questions += 1)}-${context.incarnation}`;
    const timeMicros = context.clock.wallMicros();
    bring(spec, session, { orderId, venue, timeMicros, requestId, type: 'unknown', reason }, context);
  }

  function ask(session: Session, account: Account | undefined, context: Context): void {
    if (!account || !session.login || session.question) return;
    // What has ended is asked for no more.
    for (const orderId of session.sent)
      if (!account.orders.has(orderId) && !session.owed.has(orderId)) session.sent.delete(orderId);
    const nowMs = context.clock.monotonicMs();
    const isAll = nowMs >= session.nextReconcileMs;
    const id = `q${(session.questions += 1)}-${context.clock.wallMicros()}`;
    const ids = isAll ? [...account.orders.keys()].filter((orderId) => session.sent.has(orderId)) : [...session.lost];
    session.question = { id, account, sinceMs: nowMs, isAll };
    if (isAll) session.nextReconcileMs = nowMs + spec.reconcileMs;
    session.counts.queries += 1;
    session.login.query(id, ids, isAll);
  }

  function onStatement(session: Session, statement: BrokerStatement, context: Context): void {
    const { question } = session;
    if (question?.id !== statement.queryId) return;
    session.question = undefined;
    const { reports, cancels, mismatches } = reconcile(question.account, spec.broker.venue, statement);
    for (const { orderId } of statement.orders) session.lost.delete(orderId);
    for (const report of reports) bring(spec, session, report, context);
    for (const orderId of cancels) session.login?.cancel(orderId, `c-${statement.queryId}`);
    if (!question.isAll) return;
    const found = mismatches.join('\n');
    // What two comparisons in a row have found is no fill on its way.
    if (found === session.suspected && found !== session.told) {
      tell(spec, { type: 'reconcile', requestId: statement.queryId, mismatches });
      session.told = found;
    }
    session.suspected = found;
  }

  function onBroker(session: Session, message: BrokerMessage, context: Context): void {
    switch (message.type) {
      case 'report':
        session.owed.delete(message.report.orderId);
        bring(spec, session, message.report, context);
        break;
      case 'statement':
        onStatement(session, message.statement, context);
        break;
      case 'disconnected':
        session.isConnected = false;
        session.question = undefined;
        for (const orderId of [...session.owed.keys()]) lose(session, orderId, message.reason, context);
        break;
      case 'connected':
        session.isConnected = true;
        session.nextReconcileMs = 0;
        look(session, context);
        break;
    }
  }

  function onMessage(session: Session, message: BrokerSessionMessage, context: Context): void {
    switch (message.type) {
      case 'place':
      case 'amend':
      case 'cancel':
        if (message.type === 'place') trace(session, message.order, context);
        if (!session.login) return void session.waiting.push(message);
        if (message.type === 'place') return place(session, message.order, context);
        owe(session, message.orderId, context);
        session.counts[message.type === 'amend' ? 'amended' : 'canceled'] += 1;
        if (message.type === 'amend') session.login.amend(message.orderId, message.requestId, message.change);
        else session.login.cancel(message.orderId, message.requestId);
        break;
      case 'loaded':
      case 'log-in-again':
        if (!session.login) readAccount('login', context);
        break;
      case 'account':
        if (message.purpose === 'login') logIn(session, message.state, context);
        else ask(session, message.state, context);
        break;
      case 'broker':
        onBroker(session, message.message, context);
        break;
      case 'report':
        bring(spec, session, message.report, context);
        break;
      case 'look':
        session.nextLookMs = Infinity;
        look(session, context);
        break;
      case 'reported':
        onReported(spec, session, message, context);
        break;
    }
  }

  return {
    start(context) {
      readAccount('login', context);
      const session: Session = {
        ...{ login: undefined, isConnected: false, waiting: [], sent: new Set(), owed: new Map(), lost: new Set() },
        ...{ question: undefined, suspected: '', told: '', questions: 0, traces: new Map() },
        ...{ nextReconcileMs: context.clock.monotonicMs() + spec.reconcileMs, nextLookMs: Infinity },
        counts: { placed: 0, canceled: 0, amended: 0, reports: 0, unknown: 0, queries: 0 },
      };
      planLook(session, context);
      return session;
    },

    receive(session, message, context) {
      onMessage(session, message, context);
      planLook(session, context);
      return session;
    },

    stop: (session) => session.login?.close(),
    inspect: ({ login, isConnected, owed, lost, counts }) => ({
      ...{ isLoggedIn: login !== undefined, isConnected, owed: owed.size, unresolved: lost.size, ...counts },
    }),
  };
}

/** What the broker says has happened, so it is brought until the account has it; repeated, it changes nothing. */
function bring(spec: BrokerSessionSpec, session: Session, said: BrokerReport, context: Context): void {
  const account = spec.account();
  if (!account) return;
  session.counts.reports += 1;
  const traceId = session.traces.get(said.orderId)?.traceId;
  // In the control lane: however busy the account is.
  const options = { control: true, timeoutMs: spec.deadlineMs, ...(traceId === undefined ? {} : { traceId }) };
  const command = { type: 'broker-report', report: said } as const;
  context.pipe(account.ask({ type: 'command', command }, options), (result) => {
    const answer = result.ok ? result.value.type : 'unavailable';
    const outcome = answer === 'done' ? 'booked' : answer === 'reused' ? 'contradicted' : 'not-taken';
    return { type: 'reported', report: said, outcome };
  });
}

function tell(spec: BrokerSessionSpec, command: AccountCommand): void {
  spec.account()?.tell({ type: 'command', command, subjectId: 'reconciliation' }, { control: true });
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
  if (!trace || !ending.has(type)) return;
  const openQuantity = type === 'filled' ? trace.openQuantity - said.quantity : 0n;
  if (openQuantity > 0n) traces.set(orderId, { ...trace, openQuantity });
  else traces.delete(orderId);
}

const ending: ReadonlySet<BrokerReport['type']> = new Set(['filled', 'canceled', 'rejected', 'expired'] as const);
