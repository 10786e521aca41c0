/** The side of an actor that does its work: hands one message after another to the behavior, and deals with what comes of it. */
import type { Behavior } from './actor.ts';
import type { Ask } from './ask.ts';
import { findCycle } from './ask-cycle.ts';
import type { Clock } from './clock.ts';
import { Envelope, enveloped, nothing } from './envelope.ts';
import type { Environment } from './environment.ts';
import { ActorCrashed, AskUnanswered, HandlerTimeout } from './errors.ts';
import type { FailureDirective } from './events.ts';
import type { MessageInfo } from './message-info.ts';
import { directiveFor, Failures } from './failures.ts';
import { Histogram } from './histogram.ts';
import { Inbox, stashKeeper } from './inbox.ts';
import type { Host, Incarnation, Watch } from './incarnation.ts';
import { copied, describeError, type ErrorInfo, harmless, typeOf, unseenTexts } from './redaction.ts';
import { type ActorRef, type AskOptions, isLocal, type TellOptions, type TellResult } from './ref.ts';
import type { WorkerSpec } from './spec.ts';
import { ageMs } from './ticks.ts';
import { HandlerWatch } from './watches.ts';

/** What is to become of an incarnation when the message in hand has been handled. A `failure` is that of this message, a `breakdown` is not. */
type Request = { readonly type: 'stop' } | { readonly type: 'failure' | 'breakdown'; readonly error: Error };

/** Which of two requests is complied with. */
const weight = { stop: 0, failure: 1, breakdown: 2 } as const;

/** Abstract over the life of the actor: when an incarnation may handle messages, and how it ends. */
export abstract class Handler<State, Message> extends Inbox<State, Message> implements Host<Message> {
  // The first fields are those of the hot path, so that they lie together.
  protected behavior: Behavior<State, Message>;
  protected incarnated: Incarnation<Message> | undefined;
  /** Meaningless until `hasState`. */
  protected state!: State;
  /** The message in hand, alone or in its envelope. */
  #inHand: Message | Envelope<Message> | typeof nothing = nothing;
  handled = 0;
  /** There is, or may be, something to do when the message in hand has been handled. */
  protected attention = false;
  protected hasState = false;
  /** What is to become of the message in hand once it has been handled. */
  #fate: 'done' | 'stashed' | 'spilled' = 'done';
  /** The message in hand is timed. */
  #isTimed = false;
  /** The async start or message in hand; settles after its outcome has been dealt with. */
  protected inFlight: Promise<void> | undefined;
  /** What the behavior asked for while it had something in hand. */
  #request: Request | undefined;
  /** Undefined until the first. */
  failures: Failures<Message> | undefined;
  /** Undefined until a message was timed. */
  times: { readonly wait: Histogram; readonly handle: Histogram } | undefined;
  #watch: HandlerWatch | undefined;

  constructor(env: Environment, spec: WorkerSpec<State, Message>) {
    super(env);
    this.behavior = spec.behavior;
  }

  /** There is no message to hand over: a start, perhaps. @returns whether there is more to do now */
  protected abstract stepAside(): boolean;
  /** Nothing is in hand. @returns false, for `step` */
  protected abstract settled(): boolean;
  /** Whether the incarnation is on its way out. */
  protected abstract get isEnding(): boolean;
  protected abstract get isStarting(): boolean;
  /** The incarnation has failed, and its message has been dealt with. */
  protected abstract end(life: Incarnation<Message>, error: unknown, info: ErrorInfo, directive: Fatal): void;
  /** The incarnation is to end without a failure. */
  protected abstract complete(life: Incarnation<Message>): void;

  get clock(): Clock {
    return this.env.clock;
  }

  get log(): Environment['log'] {
    return this.env.log;
  }

  /** The incarnation that lives now. */
  get life(): Incarnation<Message> | undefined {
    return this.incarnated;
  }

  get turn(): number {
    return this.handled + this.stashes + (this.failures?.messages ?? 0);
  }

  get envelopeInHand(): Envelope<Message> | undefined {
    return this.#inHand instanceof Envelope ? this.#inHand : undefined;
  }

  /** The message in hand, as it may be seen. */
  get inHand(): MessageInfo | undefined {
    const envelope = this.envelope();
    return envelope && this.describe(envelope);
  }

  /** Whether it waits for an async handler. */
  get isBusy(): boolean {
    return this.inFlight !== undefined;
  }

  /** When the async handler or start began, monotonic; undefined when there is none. */
  get busySinceMs(): number | undefined {
    return this.inFlight === undefined ? undefined : this.#watch?.startedMs;
  }

  /** What the behavior shows of its state; undefined when it shows nothing, fails to, or when there is no state now. */
  inspectState(): unknown {
    if (!this.hasState) return undefined;
    try {
      return copied(harmless(this.behavior.inspect?.(this.state)));
    } catch (error) {
      this.env.report('inspect of a behavior failed', error, this.path, this.state);
      return undefined;
    }
  }

  /** Whether its behavior has nothing under way. One that cannot tell is taken to have. */
  get isIdle(): boolean {
    if (!this.hasState) return true;
    try {
      const isIdle: unknown = harmless(this.behavior.isIdle?.(this.state) ?? true);
      return isIdle === true;
    } catch (error) {
      this.env.report('isIdle of a behavior failed', error, this.path, this.state);
      return false;
    }
  }

  override step(timed: boolean): boolean {
    const life = this.incarnated;
    const { mailbox } = this;
    if (!this.runnable || life === undefined || mailbox === undefined) return this.stepAside();
    const value = mailbox.take();
    if (value === nothing) return this.settled();
    const envelope = (mailbox.stamp & enveloped) === 0 ? undefined : (value as Envelope<Message>);
    if (envelope !== undefined && !this.#isWorthHandling(envelope)) return this.hasMail || this.settled();
    this.#inHand = value;
    if (timed) this.#recordWait();
    let next: State | Promise<State>;
    try {
      next = this.behavior.receive(this.state, envelope === undefined ? (value as Message) : envelope.message, life);
    } catch (error) {
      this.#caught(life, error);
      return this.runnable && this.hasMail;
    }
    if (next instanceof Promise) {
      this.await(life, next, (state) => this.#received(life, state));
      return false;
    }
    if (this.attention || envelope !== undefined) {
      this.#received(life, next);
      return this.runnable && this.hasMail;
    }
    this.state = next;
    this.#inHand = nothing;
    this.handled++;
    return mailbox.waiting > 0 && this.runnable;
  }

  override took(tookMs: number): void {
    if (!this.#isTimed) return;
    this.#isTimed = false;
    // An async handler is timed to its end instead.
    if (this.inFlight === undefined) this.#timings().handle.record(tookMs);
  }

  crash(error: Error): void {
    this.#ask({ type: 'failure', error });
  }

  finish(): void {
    this.#ask({ type: 'stop' });
  }

  override breakDown(error: Error): void {
    this.#ask({ type: 'breakdown', error });
  }

  send<M>(to: ActorRef<M>, message: M, options: TellOptions | undefined): TellResult {
    return isLocal(to) ? to.tellFrom(this, message, options) : to.tell(message, options);
  }

  query<M>(to: ActorRef<M>, message: M, options: AskOptions): Promise<unknown> {
    const life = this.incarnated;
    if (!life || !isLocal(to)) return to.ask(message, options);
    const ask = to.askFrom(life, message, options);
    life.asked(ask);
    if (this.inFlight !== undefined) this.#checkCycle(ask);
    return ask.promise;
  }

  watch(ref: ActorRef<never>, watch: Watch): void {
    if (isLocal(ref)) ref.watchedBy(watch);
  }

  unwatch(ref: ActorRef<never>, watch: Watch): void {
    if (isLocal(ref)) ref.unwatchedBy(watch);
  }

  stash(): boolean {
    if (this.#inHand === nothing || this.#fate !== 'done') return false;
    this.attention = true;
    // It is put there when it has been handled: until then it is in hand, whatever else becomes of it.
    this.#fate = this.stashed < this.stashCapacity ? 'stashed' : 'spilled';
    return this.#fate === 'stashed';
  }

  register(name: string): boolean {
    return this.env.names.register(name, this.ref, this);
  }

  answered(): void {
    if (this.isDraining) this.settled();
  }

  trackIdleness(): void {
    const life = this.incarnated;
    if (life && !life.tracksIdleness) life.handledMs = this.env.stampMs();
    this.attention = true;
  }

  announceBreaker(change: { readonly from: string; readonly to: string; readonly why: string }): void {
    const { from, to, why } = change;
    this.env.events.publish(this.path, this.incarnation, { type: 'breaker', from, to, why });
  }

  /** Of its handler watch: the message in hand has been there for a while. @returns when to come again, after the start of the handler */
  handlerDue(runningMs: number): number {
    const { handlerTimeoutMs = Infinity } = this.spec;
    const life = this.incarnated;
    if (!life || this.isEnding) return Infinity;
    const envelope = this.envelope();
    if (runningMs < handlerTimeoutMs) {
      const message = envelope && this.describe(envelope);
      const event = { type: 'stuck', runningMs, ...(message && { message }) } as const;
      this.env.events.publish(this.path, this.incarnation, event);
      this.log.warn({ path: this.path, runningMs, message: message?.type }, 'a handler takes long');
      return handlerTimeoutMs;
    }
    life.abort();
    const handling = envelope ? typeOf(envelope.message) : 'its start';
    this.fail(life, new HandlerTimeout(this.path, handling, handlerTimeoutMs));
    return Infinity;
  }

  get hasMail(): boolean {
    return this.mailbox !== undefined && this.mailbox.waiting > 0;
  }

  /** The message in hand in an envelope; undefined when there is none. */
  protected envelope(): Envelope<Message> | undefined {
    return this.#inHand === nothing ? undefined : Envelope.of(this.#inHand, this.mailbox?.stamp ?? 0);
  }

  /** A new incarnation takes over. */
  protected begin(life: Incarnation<Message>): void {
    this.behavior = this.spec.behavior;
    this.incarnated = life;
    this.#request = undefined;
    this.attention = false;
  }

  /** Nothing of the incarnation is kept alive by a cell that waits. */
  protected forget(): void {
    this.incarnated = undefined;
    this.#release();
    this.hasState = false;
    this.state = undefined as State;
    this.inFlight = undefined;
    this.#watch?.clear();
  }

  /** The start has come to an end. @returns what the behavior asked for meanwhile */
  protected startedWith(state: State): boolean {
    this.state = state;
    this.hasState = true;
    const life = this.incarnated;
    if (!this.#request || !life) return true;
    if (!this.isEnding) this.#comply(life, this.#request);
    return false;
  }

  /** Takes the cell out of the scheduler until the promise settles. What an abandoned incarnation brings later is ignored. */
  protected await(life: Incarnation<Message>, promise: Promise<State>, then: (value: State) => void): void {
    this.runnable = false;
    this.env.scheduler.began();
    const startedMs = this.clock.monotonicMs();
    const { handlerTimeoutMs = Infinity } = this.spec;
    const watch = (this.#watch ??= new HandlerWatch(this, this.env.deadlines));
    watch.begin(startedMs, Math.min(this.env.stuckAfterMs, handlerTimeoutMs));
    const settle = (act: () => void): void => {
      if (this.incarnated !== life) return;
      this.inFlight = undefined;
      watch.clear();
      const tookMs = this.clock.monotonicMs() - startedMs;
      if (this.#inHand !== nothing) this.#timings().handle.record(tookMs);
      // One that has timed out has failed already, whatever it brings.
      if (!life.hasFailed) act();
      this.refresh();
      this.env.scheduler.finished();
    };
    this.inFlight = promise.then(
      (value) => settle(() => then(value)),
      (error: unknown) => settle(() => (this.hasState ? this.#caught(life, error) : this.fail(life, error))),
    );
    for (const ask of life.openAsks) this.#checkCycle(ask);
  }

  /** The incarnation cannot go on. */
  protected fail(life: Incarnation<Message>, error: unknown, directive: Fatal = 'restart'): void {
    life.hasFailed = true;
    const info = this.#recordCrash(error, directive);
    const envelope = this.envelope();
    if (envelope && directive === 'restart' && this.failures!.mayRetry(envelope, this.spec.maxAttempts ?? 1)) {
      this.#release();
      this.putBack([envelope]);
    } else {
      this.#giveUpMessage(error);
    }
    this.end(life, error, info, directive);
  }

  /** Now, or when the message in hand has been handled. A crash overtakes a stop. */
  #ask(request: Request): void {
    const life = this.incarnated;
    if (!life || this.isEnding) return;
    if (this.#inHand === nothing && !this.isStarting) return this.#comply(life, request);
    if (!this.#request || weight[request.type] > weight[this.#request.type]) this.#request = request;
    this.attention = true;
  }

  #comply(life: Incarnation<Message>, request: Request): void {
    if (request.type === 'stop') this.complete(life);
    else this.fail(life, request.error);
  }

  #isWorthHandling(envelope: Envelope<Message>): boolean {
    const { token, ask } = envelope;
    const verdict = token?.verdict(this.env.stampMs()) ?? 'live';
    if (verdict === 'expired') this.expired(envelope);
    else if (verdict === 'outdated') this.deadLetter('outdated', envelope);
    if (verdict !== 'live' || ask?.withdrawn === true) return false;
    if (ask !== undefined) {
      ask.where = 'handler';
      if (ask.keeper === stashKeeper) ask.keeper = undefined;
    }
    return true;
  }

  #recordWait(): void {
    this.#isTimed = true;
    const sentTick = this.envelopeInHand?.sentTick ?? this.mailbox?.stamp ?? 0;
    this.#timings().wait.record(Math.max(0, ageMs(sentTick, this.env.tick())));
  }

  #timings(): NonNullable<typeof this.times> {
    return (this.times ??= { wait: new Histogram(), handle: new Histogram() });
  }

  #received(life: Incarnation<Message>, value: State): void {
    const request = this.#request;
    if (request?.type === 'failure') return this.#caught(life, request.error);
    const { envelopeInHand: envelope } = this;
    const ask = envelope?.ask;
    this.state = value;
    if (this.#fate === 'stashed') {
      this.putAside(this.envelope()!);
    } else {
      if (this.#fate === 'spilled') this.spill(this.envelope()!);
      this.handled++;
      this.failures?.settled(envelope);
    }
    this.#release();
    if (ask !== undefined && !ask.settled && !ask.keeper) {
      ask.abandon(new AskUnanswered(this.path, typeOf(ask.message)));
    }
    if (!this.attention) return;
    if (life.tracksIdleness) life.handledMs = this.env.stampMs();
    this.attention = life.tracksIdleness || this.isDraining;
    if (request && !this.isEnding) this.#comply(life, request);
    else this.settled();
  }

  #release(): void {
    this.#inHand = nothing;
    this.#fate = 'done';
  }

  #checkCycle(ask: Ask): void {
    const cycle = findCycle(this, ask);
    if (cycle) ask.withdraw(cycle);
  }

  /** The behavior threw over a message: its spec may have it go on as if the message had never come. */
  #caught(life: Incarnation<Message>, error: unknown): void {
    const envelope = this.envelope();
    const report = (what: string, fault: unknown): void => this.env.report(what, fault, this.path, envelope?.message);
    const directive = envelope ? directiveFor(this.spec.onError, error, envelope.message, report) : 'restart';
    if (directive !== 'resume') return this.fail(life, error, directive);
    if (this.isEnding) return this.fail(life, error);
    this.#recordCrash(error, 'resume');
    const request = this.#request;
    this.#request = undefined;
    this.#giveUpMessage(error);
    if (request?.type === 'breakdown') this.#comply(life, request);
    else this.settled();
  }

  #recordCrash(error: unknown, directive: FailureDirective): ErrorInfo {
    const envelope = this.envelope();
    const message = envelope && this.describe(envelope);
    // It may quote what the actor knows as well as what it was told.
    const hide = unseenTexts([envelope?.message, this.state], [message?.shown, this.inspectState()]);
    const info = describeError(error, hide);
    const { incarnation } = this;
    const body = { type: 'crashed', error: info, directive, ...(message && { message }) } as const;
    const { atMicros } = this.env.events.publish(this.path, incarnation, body);
    (this.failures ??= new Failures()).add({ ...body, incarnation, atMicros });
    return info;
  }

  /** The message in hand, if there is one, made the behavior throw. */
  #giveUpMessage(error: unknown): void {
    const envelope = this.envelope();
    if (envelope === undefined) return;
    this.#release();
    this.failures!.messages++;
    this.failures!.settled(envelope);
    envelope.ask?.abandon(new ActorCrashed(this.path, error));
    this.deadLetter('poison', envelope);
  }
}

/** What becomes of an actor that cannot go on. */
export type Fatal = Exclude<FailureDirective, 'resume'>;
