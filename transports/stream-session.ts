/** The protocol of one connection: who it is, what it asked for, and the answer to each of its messages, in order. */
import { formatTime } from '../actors/trading/time.ts';
import type { Timer } from '../runtime/clock.ts';
import type { Authenticate } from './authenticate.ts';
import { decodeFrame, idOf, type ClientFrame } from './codec.ts';
import { setDeadMan } from './dead-man.ts';
import { parseJson } from './json.ts';
import { malformed, problemBody, problemOf, refuse, type Outcome, type Problem } from './problems.ts';
import { TokenBucket } from './rate-limit.ts';
import type { Action, Principal, Services } from './services.ts';
import { frameOf, problemFrame, replyFrame } from './stream-frames.ts';
import type { Outlet, SlowLimits } from './stream-outlet.ts';
import { Subscriptions, type ChannelResult, type SubscriptionServices } from './stream-subscriptions.ts';
import { newTraceId } from './trace.ts';
import type { Connection, ConnectionHandler } from './websocket.ts';

/** The bounds of one connection. */
export interface StreamLimits extends SlowLimits {
  readonly maxPayloadBytes: number;
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  readonly channelsPerConnection: number;
  readonly authenticateWithinMs: number;
  readonly protocolErrors: number;
  readonly protocolErrorWindowMs: number;
  readonly heartbeatMs: number;
}

export interface SessionContext extends SubscriptionServices {
  readonly services: Pick<
    Services,
    'clock' | 'deadMan' | 'findAccount' | 'instruments' | 'quotes' | 'quoteEpoch' | 'log'
  >;
  readonly authenticate: Authenticate;
  readonly limits: StreamLimits;
  /** Counts what a client says it has received. */
  onAcknowledge(): void;
}

/** How long a client may go on sending too much. */
const throttledCloseMs = 10_000;
/** Throttled again within this time is the same episode. */
const throttledGapMs = 1_000;
/** Messages read ahead of one that holds up the rest; then no more are read from the socket. */
const backlogBeforePause = 64;

export class StreamSession implements ConnectionHandler {
  readonly #context: SessionContext;
  readonly #connection: Connection;
  readonly #outlet: Outlet;
  readonly #subscriptions: Subscriptions;
  readonly #onClosed: () => void;
  readonly #bucket: TokenBucket;
  readonly #authenticateTimer: Timer;
  #principal: Principal | undefined;
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
  #throttled = { sinceMs: -Infinity, lastMs: -Infinity };
  #protocolErrorsMs: number[] = [];
  /** Accounts whose orders are withdrawn when this connection ends, and who has asked for it. */
  readonly #canceledOnClose = new Map<string, Principal>();

  /** @param token of the handshake's Authorization header */
  constructor(
    context: SessionContext,
    connection: Connection,
    id: string,
    token: string | undefined,
    onClosed: () => void,
  ) {
    const { services, limits, hub } = context;
    this.#context = context;
    this.#connection = connection;
    this.#onClosed = onClosed;
    this.#outlet = hub.open(connection, {
      slow: (bufferedBytes) =>
        this.#send({ type: 'slow', channels: this.#subscriptions.quoteChannels(), bufferedBytes }),
      tooSlow: () => this.end(4008, 'the client reads too slowly', 1_000),
    });
    this.#subscriptions = new Subscriptions(context, this.#outlet);
    this.#bucket = new TokenBucket(
      { perSecond: limits.messagesPerSecond, burst: limits.messageBurst },
      services.clock.monotonicMs(),
    );
    this.#authenticateTimer = services.clock.after(limits.authenticateWithinMs, () =>
      // Who is still waiting for an answer did nothing wrong.
      this.#isChecked ? this.end(4001, 'not authenticated in time') : this.#endUnchecked(),
    );
    const shown = {
      messagesPerSecond: limits.messagesPerSecond,
      burst: limits.messageBurst,
      channels: limits.channelsPerConnection,
    };
    this.#send({ type: 'hello', version: 1, connection: id, heartbeatMs: limits.heartbeatMs, limits: shown });
    if (token !== undefined) this.#holdUp(null, this.#authenticateByHeader(token));
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
    if (this.#connection.roundTripMs > this.#context.limits.slowCloseAfterMs)
      return this.end(4008, 'the client reads too slowly', 1_000);
    if (this.#principal) {
      const time = formatTime(this.#context.services.clock.wallMicros());
      this.#send({ type: 'heartbeat', time, last: this.#subscriptions.lastSequences() });
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
    this.#connection.close(code, reason);
  }

  #release(): void {
    this.#authenticateTimer.cancel();
    this.#subscriptions.clear();
    this.#context.hub.close(this.#outlet);
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
    if (!this.#bucket.take(this.#nowMs())) return this.#throttle(idOf(value));
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
          ? this.#holdUp(id, this.#subscribe(id, principal, frame.channels))
          : this.#refuse(id, { code: 'UNAUTHENTICATED' });
      }
      case 'unsubscribe':
        for (const name of frame.channels) this.#subscriptions.unsubscribe(name);
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
        return this.#reply(id, {});
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

  async #authenticateByHeader(token: string): Promise<void> {
    const outcome = await this.#check(token);
    if (outcome.ok) return this.#admit(outcome.result, token);
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
    this.#admit(outcome.result, token);
    const { role, tenant } = outcome.result;
    this.#reply(id, { role, ...(tenant === undefined ? {} : { tenant }) });
  }

  /** Another credential on the same connection takes over; what the last one had subscribed to ends. */
  #admit(principal: Principal, token: string): void {
    this.#authenticateTimer.cancel();
    if (this.#principal) this.#subscriptions.clear();
    this.#principal = principal;
    this.#token = token;
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

  async #subscribe(id: string | null, principal: Principal, names: readonly string[]): Promise<void> {
    const limit = this.#context.limits.channelsPerConnection;
    const wanted = this.#subscriptions.size + this.#subscriptions.countNew(names);
    if (wanted > limit) {
      const figures = { limit: String(limit), was: String(wanted) };
      return this.#refuse(id, { code: 'VALIDATION_FAILED', detail: 'too many channels on one connection', figures });
    }
    const { results, start } = await this.#subscriptions.subscribe(principal, names);
    if (this.#isClosed) return this.#subscriptions.clear();
    const problems = [...results.values()].flatMap((result) => ('problem' in result ? [result.problem] : []));
    if (problems.length === results.size) return this.#refuse(id, problems[0]!);
    this.#reply(id, Object.fromEntries([...results].map(([name, result]) => [name, shown(result)])));
    start();
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

  #throttle(id: string | null): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#throttled.lastMs > throttledGapMs) this.#throttled.sinceMs = nowMs;
    this.#throttled.lastMs = nowMs;
    const { messagesPerSecond, messageBurst } = this.#context.limits;
    const { retryAfterMs } = this.#bucket.look(nowMs, false);
    const figures = { messagesPerSecond: String(messagesPerSecond), burst: String(messageBurst) };
    this.#refuse(id, { code: 'TOO_MANY_REQUESTS', figures, retryAfterMs });
    if (nowMs - this.#throttled.sinceMs >= throttledCloseMs) this.end(4029, 'too many messages', 1_000);
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
    this.#outlet.send(replyFrame(id, result));
  }

  #refuse(id: string | null, problem: Problem, traceId = newTraceId()): void {
    this.#outlet.send(problemFrame(id, problemBody(problem, traceId)));
  }

  #send(message: object): void {
    this.#outlet.send(frameOf(message));
  }

  #nowMs(): number {
    return this.#context.services.clock.monotonicMs();
  }
}

function shown(result: ChannelResult): object {
  return 'problem' in result ? { problem: problemBody(result.problem, newTraceId()) } : result;
}
