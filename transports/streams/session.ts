/** The protocol of one connection: who it is, what it asked for, and the answer to each of its messages, in order. */
import { formatTime } from '../../actors/trading/time.ts';
import type { Timer } from '../../runtime/clock.ts';
import { bearerToken, type Authenticate } from '../authenticate.ts';
import { decodeFrame, idOf, type ClientFrame } from '../codec.ts';
import { setDeadMan } from '../dead-man.ts';
import { parseJson } from '../json.ts';
import { malformed, problemBody, problemOf, refuse, type Outcome, type Problem } from '../problems.ts';
import type { Rate } from '../rate-limit.ts';
import type { Action, Principal, Services } from '../services.ts';
import type { FeedLimits } from './account-feed.ts';
import type { HubLimits } from './hub.ts';
import { MessageThrottle } from './message-throttle.ts';
import { message, refusal, reply } from './message.ts';
import type { Outlet } from './outlet.ts';
import type { TenantLimits, TenantQuota, TenantQuotas } from './quotas.ts';
import { Subscriptions, type ChannelResult, type SubscriptionServices } from './subscriptions.ts';
import type { TicketLimits, Tickets } from './tickets.ts';
import { newTraceId } from '../trace.ts';
import type { Connection, ConnectionHandler, Handshake } from '../websocket/connection.ts';

/** The bounds of streams. */
export interface StreamLimits extends HubLimits, FeedLimits, TicketLimits {
  readonly maxPayloadBytes: number;
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  readonly channelsPerConnection: number;
  readonly authenticateWithinMs: number;
  readonly protocolErrors: number;
  readonly protocolErrorWindowMs: number;
  readonly heartbeatMs: number;
  readonly resumeJournalRows: number;
  /** Of this process. */
  readonly connections: number;
  readonly tenant: TenantLimits;
}

export interface SessionContext extends SubscriptionServices {
  readonly services: SubscriptionServices['services'] & Pick<Services, 'deadMan'>;
  readonly authenticate: Authenticate;
  readonly limits: StreamLimits;
  readonly quotas: TenantQuotas;
  readonly tickets: Tickets;
  /** Counts what a client says it has received. */
  onAcknowledge(): void;
  onEnded(code: number): void;
}

/** Messages read ahead of one that holds up the rest; then no more are read from the socket. */
const backlogBeforePause = 64;

/** A close frame has room for so much (RFC 6455, section 5.5). */
const longestCloseReason = 120;

/** One connection as an operator sees it. */
export interface ConnectionFigures {
  readonly id: string;
  readonly remoteAddress: string;
  /** Null before it has authenticated. */
  readonly subjectId: string | null;
  readonly tenant: string | null;
  readonly channels: number;
  /** Written, and not taken by the kernel. */
  readonly bufferedBytes: number;
  /** What must arrive and waits in this process. */
  readonly queuedBytes: number;
  readonly roundTripMs: number;
  readonly isSlow: boolean;
}

export class StreamSession implements ConnectionHandler {
  /** Counts the connections of this process. */
  readonly number: number;
  readonly #context: SessionContext;
  readonly #connection: Connection;
  readonly #outlet: Outlet;
  readonly #subscriptions: Subscriptions;
  readonly #onClosed: () => void;
  readonly #throttle: MessageThrottle;
  readonly #authenticateTimer: Timer;
  #principal: Principal | undefined;
  /** Of the principal's tenant. */
  #quota: TenantQuota | undefined;
  /** Channels that the quota counts. */
  #counted = 0;
  /** The credential of the principal. */
  #token: string | undefined;
  /** False while a credential is looked up. */
  #isChecked = true;
  /** Messages behind one that holds them up; undefined while none does. */
  #backlog: string[] | undefined;
  #isPaused = false;
  /** Commands whose reply is due. */
  #commandsUnderWay = 0;
  #isDraining = false;
  #isClosed = false;
  #protocolErrorsMs: number[] = [];
  /** Accounts whose orders are withdrawn when this connection ends, and who has asked for it. */
  readonly #canceledOnClose = new Map<string, Principal>();

  constructor(
    context: SessionContext,
    connection: Connection,
    number: number,
    handshake: Handshake,
    onClosed: () => void,
  ) {
    const { services, limits, hub } = context;
    this.#context = context;
    this.#connection = connection;
    this.#onClosed = onClosed;
    const { format, isCompressed } = handshake;
    this.number = number;
    this.#outlet = hub.open(
      connection,
      { format, isCompressed },
      {
        slow: (bufferedBytes) =>
          this.#send({ type: 'slow', channels: this.#subscriptions.marketChannels(), bufferedBytes }),
        tooSlow: (why) => this.end(4008, `the client reads too slowly: ${why}`, 1_000),
      },
    );
    this.#subscriptions = new Subscriptions(context, this.#outlet);
    const rate: Rate = { perSecond: limits.messagesPerSecond, burst: limits.messageBurst };
    this.#throttle = new MessageThrottle(rate, services.clock.monotonicMs());
    this.#authenticateTimer = services.clock.after(limits.authenticateWithinMs, () =>
      // Who is still waiting for an answer did nothing wrong.
      this.#isChecked ? this.end(4001, 'not authenticated in time') : this.#endUnchecked(),
    );
    const { perSecond: messagesPerSecond, burst } = rate;
    const shown = { messagesPerSecond, burst, channels: limits.channelsPerConnection };
    this.#send({
      type: 'hello',
      version: 1,
      connection: `c-${number}`,
      heartbeatMs: limits.heartbeatMs,
      limits: shown,
    });
    const token = bearerToken(handshake.authorization);
    if (token !== undefined) this.#holdUp(null, this.#authenticateByHandshake(token));
    else if (handshake.ticket !== undefined)
      this.#holdUp(null, this.#authenticateByHandshake(context.tickets.redeem(handshake.ticket)));
  }

  /** What an operator may see of it. */
  get figures(): ConnectionFigures {
    const { bufferedBytes, roundTripMs, remoteAddress } = this.#connection;
    const { queuedBytes, isSlow } = this.#outlet;
    const { subjectId = null, tenant = null } = this.#principal ?? {};
    return {
      ...{ id: `c-${this.number}`, remoteAddress, subjectId, tenant, channels: this.#subscriptions.size },
      ...{ bufferedBytes, queuedBytes, roundTripMs, isSlow },
    };
  }

  message(text: string): void {
    if (!this.#backlog) return this.#handle(text);
    this.#backlog.push(text);
    if (this.#backlog.length < backlogBeforePause || this.#isPaused) return;
    this.#isPaused = true;
    this.#connection.pause();
  }

  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
  }

  /** Called every `heartbeatMs`: names the last sequences, and finds out whether the client still reads. */
  beat(): void {
    if (this.#principal) {
      const nowMicros = this.#context.services.clock.wallMicros();
      if (nowMicros >= (this.#principal.expiresMicros ?? Infinity)) return this.end(4001, 'the credential has expired');
      this.#send({ type: 'heartbeat', time: formatTime(nowMicros), last: this.#subscriptions.lastSequences() });
      void this.#authenticateAgain();
    }
    this.#connection.ping();
  }

  /** Takes no more messages, and leaves once the commands under way are answered: a client would not know what became of them. */
  drain(): void {
    this.#isDraining = true;
    if (this.#commandsUnderWay === 0) this.end(1012, 'restarting', 1_000);
  }

  /** Says why, then closes. */
  end(code: number, reason: string, retryAfterMs?: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#subscriptions.clear();
    this.#send({ type: 'bye', code, reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    this.#release();
    this.#context.onEnded(code);
    this.#connection.close(code, reason.slice(0, longestCloseReason));
  }

  #release(): void {
    this.#authenticateTimer.cancel();
    this.#subscriptions.clear();
    this.#context.hub.close(this.#outlet);
    this.#quota?.disconnect(this.#counted);
    if (!this.#isDraining) {
      const requestId = `disconnected:${newTraceId()}`;
      for (const [account, principal] of this.#canceledOnClose)
        this.#context.commands.withdrawAll(principal, account, { requestId, reason: 'disconnected' });
    }
    this.#onClosed();
  }

  #handle(text: string): void {
    if (this.#isClosed) return;
    const parsed = parseJson(text);
    const value = parsed.ok ? parsed.value : undefined;
    const nowMs = this.#nowMs();
    const tooMany = this.#throttle.take(nowMs, this.#quota);
    if (tooMany) {
      this.#refuse(idOf(value), tooMany);
      if (this.#throttle.isOver(nowMs)) this.end(4029, 'too many messages', 1_000);
      return;
    }
    if (this.#isDraining) return this.#refuse(idOf(value), { code: 'NOT_READY', retryAfterMs: 1_000 });
    if (!parsed.ok) return this.#protocolError(null, malformed(parsed));
    const decoded = decodeFrame(value);
    if (decoded.ok) this.#perform(decoded.result);
    else this.#protocolError(idOf(value), decoded.problem);
  }

  #perform(frame: ClientFrame): void {
    const id = frame.id ?? null;
    switch (frame.type) {
      case 'authenticate':
        return this.#holdUp(id, this.#authenticate(id, frame.token));
      case 'ping':
        return this.#reply(id, { time: formatTime(this.#context.services.clock.wallMicros()) });
      case 'subscribe': {
        const principal = this.#principal;
        return principal
          ? this.#holdUp(id, this.#subscribe(id, principal, frame))
          : this.#refuse(id, { code: 'UNAUTHENTICATED' });
      }
      case 'unsubscribe':
        this.#subscriptions.unsubscribe(frame.channels);
        this.#countChannels();
        return this.#reply(id, {});
      case 'submit-order':
        return this.#command(id, 'orders:write', (principal, traceId) =>
          this.#context.commands.submit(principal, frame.account, frame.order, traceId),
        );
      case 'cancel-order':
        return this.#command(id, 'orders:cancel', (principal, traceId) => {
          const cancel = { orderId: frame.orderId, requestId: frame.id ?? traceId };
          return this.#context.commands.cancel(principal, frame.account, cancel, traceId);
        });
      case 'amend-order':
        return this.#command(id, 'orders:write', (principal, traceId) => {
          const amend = { orderId: frame.orderId, requestId: frame.id ?? traceId, change: frame.change };
          return this.#context.commands.amend(principal, frame.account, amend, traceId);
        });
      case 'dead-man':
        return this.#command(id, 'orders:cancel', (principal) =>
          setDeadMan(this.#context.services, principal, frame.account, frame.timeoutMs),
        );
      case 'cancel-on-disconnect':
        return this.#command(id, 'orders:cancel', async (principal) => this.#cancelOnClose(principal, frame));
      case 'acknowledge':
        this.#context.onAcknowledge();
        this.#subscriptions.acknowledge(frame.channel, frame.sequence);
        // Sent every second by whoever sends them: only who asks is answered.
        return id === null ? undefined : this.#reply(id, {});
    }
  }

  /** Said of the connection: whatever ends it, but for a restart of ours, takes what works on the account with it. */
  #cancelOnClose(
    principal: Principal,
    { account, enabled }: { readonly account: string; readonly enabled: boolean },
  ): Outcome<object> {
    if (!this.#context.services.findAccount(principal, account))
      return refuse({ code: 'NOT_FOUND', detail: `there is no account ${account}` });
    if (enabled) this.#canceledOnClose.set(account, principal);
    else this.#canceledOnClose.delete(account);
    return { ok: true, result: { account, enabled } };
  }

  /** The order is in its account's mailbox when this returns; the reply follows when it is durable. */
  #command(
    id: string | null,
    action: Action,
    run: (principal: Principal, traceId: string) => Promise<Outcome<object>>,
  ): void {
    const principal = this.#principal;
    if (!principal) return this.#refuse(id, { code: 'UNAUTHENTICATED' });
    if (!this.#context.isAllowed(principal.role, action)) return this.#refuse(id, { code: 'FORBIDDEN' });
    const traceId = newTraceId();
    this.#commandsUnderWay += 1;
    run(principal, traceId).then(
      (outcome) => {
        if (outcome.ok) this.#reply(id, outcome.result);
        else this.#refuse(id, outcome.problem, traceId);
        this.#commandAnswered();
      },
      (error: unknown) => {
        this.#fail(id, error, traceId);
        this.#commandAnswered();
      },
    );
  }

  #commandAnswered(): void {
    this.#commandsUnderWay -= 1;
    if (this.#isDraining) this.drain();
  }

  /** @param token undefined: of a ticket that is not good any more */
  async #authenticateByHandshake(token: string | undefined): Promise<void> {
    const outcome = await (token === undefined ? refuse({ code: 'UNAUTHENTICATED' }) : this.#check(token));
    if (outcome.ok) return void this.#admit(outcome.result, token!);
    const { code, retryAfterMs } = outcome.problem;
    if (code === 'UNAUTHENTICATED') this.end(4001, 'the credential is not valid');
    else this.#endUnchecked(code === 'TOO_MANY_REQUESTS' ? 4029 : 1012, retryAfterMs);
  }

  #endUnchecked(code = 1012, retryAfterMs = 1_000): void {
    this.end(code, 'the credential could not be checked', retryAfterMs);
  }

  async #check(token: string): Promise<Outcome<Principal>> {
    this.#isChecked = false;
    const outcome = await this.#context.authenticate(token, this.#connection.remoteAddress);
    this.#isChecked = true;
    return outcome;
  }

  async #authenticate(id: string | null, token: string): Promise<void> {
    const outcome = await this.#check(token);
    if (!outcome.ok) return this.#refuse(id, outcome.problem);
    const { role, tenant, expiresMicros } = outcome.result;
    if (!this.#admit(outcome.result, token)) return;
    const expires = expiresMicros === undefined ? {} : { expiresAt: formatTime(expiresMicros) };
    this.#reply(id, { role, ...(tenant === undefined ? {} : { tenant }), ...expires });
  }

  /**
   * Another credential on the same connection takes over. What the last one had subscribed to ends, unless both are of one holder,
   * who has renewed it in time. @returns false: the connection has ended
   */
  #admit(principal: Principal, token: string): boolean {
    this.#authenticateTimer.cancel();
    const last = this.#principal;
    if (!last || last.tenantId !== principal.tenantId) {
      const quota = this.#context.quotas.of(principal.tenantId ?? 0);
      if (!quota.connect()) {
        this.end(4029, 'the tenant has as many connections as it may', 5_000);
        return false;
      }
      this.#quota?.disconnect(this.#counted);
      this.#quota = quota;
      this.#counted = 0;
    }
    const isSameHolder = last?.subjectId === principal.subjectId && last.role === principal.role;
    if (last && !(isSameHolder && last.tenantId === principal.tenantId)) {
      this.#subscriptions.clear();
      this.#countChannels();
    }
    this.#principal = principal;
    this.#token = token;
    return true;
  }

  /** A credential may expire, be revoked or get another role while its connection lasts. */
  async #authenticateAgain(): Promise<void> {
    const token = this.#token;
    const outcome = await this.#context.authenticate(token, this.#connection.remoteAddress);
    if (token !== this.#token) return;
    if (outcome.ok) this.#principal = outcome.result;
    else if (outcome.problem.code === 'UNAUTHENTICATED') this.end(4001, 'the credential is not valid any more');
    // Looked up no more means that it was found to be nobody's.
    else if (outcome.problem.code === 'TOO_MANY_REQUESTS') this.#endUnchecked(4029, outcome.problem.retryAfterMs);
  }

  async #subscribe(
    id: string | null,
    principal: Principal,
    { channels: names, resume = {} }: Extract<ClientFrame, { type: 'subscribe' }>,
  ): Promise<void> {
    const limit = this.#context.limits.channelsPerConnection;
    const wanted = this.#subscriptions.size + this.#subscriptions.countNew(names);
    if (wanted > limit) {
      const figures = { limit: String(limit), was: String(wanted) };
      return this.#refuse(id, { code: 'VALIDATION_FAILED', detail: 'too many channels on one connection', figures });
    }
    const held = this.#holdChannels(wanted);
    if (!held.ok) return this.#refuse(id, held.problem);
    const { results, start } = await this.#subscriptions.subscribe(principal, names, resume);
    if (this.#isClosed) return this.#subscriptions.clear();
    this.#countChannels();
    const problems = [...results.values()].flatMap((result) => ('problem' in result ? [result.problem] : []));
    if (problems.length === results.size) return this.#refuse(id, problems[0]!);
    this.#reply(id, Object.fromEntries([...results].map(([name, result]) => [name, shown(result)])));
    start();
  }

  /** Counted before they are looked up, so that many connections at once do not pass the limit together. */
  #holdChannels(count: number): Outcome<void> {
    const held = this.#quota?.hold(count - this.#counted) ?? { ok: true, result: undefined };
    if (held.ok) this.#counted = count;
    return held;
  }

  #countChannels(): void {
    this.#holdChannels(this.#subscriptions.size);
  }

  /** Later messages wait until this one is done. */
  #holdUp(id: string | null, work: Promise<void>): void {
    this.#backlog = [];
    work
      .catch((error: unknown) => this.#fail(id, error, newTraceId()))
      .then(() => this.#goOn())
      .catch((error: unknown) => this.#context.services.log.error({ err: error }, 'a stream failed'));
  }

  #goOn(): void {
    const backlog = this.#backlog ?? [];
    this.#backlog = undefined;
    for (const [at, text] of backlog.entries()) {
      this.#handle(text);
      // What this message holds up goes behind it, in the same order.
      if (this.#backlog) return void (this.#backlog as string[]).push(...backlog.slice(at + 1));
    }
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#connection.resume();
  }

  #protocolError(id: string | null, problem: Problem): void {
    const nowMs = this.#nowMs();
    const { protocolErrors, protocolErrorWindowMs } = this.#context.limits;
    this.#refuse(id, problem);
    this.#protocolErrorsMs = [...this.#protocolErrorsMs.filter((atMs) => nowMs - atMs < protocolErrorWindowMs), nowMs];
    if (this.#protocolErrorsMs.length >= protocolErrors) this.end(4009, 'too many malformed messages');
  }

  #fail(id: string | null, error: unknown, traceId: string): void {
    const problem = problemOf(error);
    if (problem.code === 'INTERNAL')
      this.#context.services.log.error({ err: error, traceId }, 'a message could not be handled');
    this.#refuse(id, problem, traceId);
  }

  #reply(id: string | null, result: object): void {
    this.#outlet.send(reply(id, result));
  }

  #refuse(id: string | null, problem: Problem, traceId = newTraceId()): void {
    this.#outlet.send(refusal(id, problemBody(problem, traceId)));
  }

  #send(content: object): void {
    this.#outlet.send(message(content));
  }

  #nowMs(): number {
    return this.#context.services.clock.monotonicMs();
  }
}

function shown(result: ChannelResult): object {
  return 'problem' in result ? { problem: problemBody(result.problem, newTraceId()) } : result;
}
