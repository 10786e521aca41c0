/** One life of an actor, from a start to its end: the context its behavior acts through, and what ends with it. */
import type { ActorContext, Log, PipeResult, ReplyTo, Terminated } from './actor.ts';
import type { Ask, Asker, AskKeeper } from './ask.ts';
import type { Clock, Timer } from './clock.ts';
import type { Envelope, Token } from './envelope.ts';
import type { ActorRef, AskOptions, ReplyOf, TellOptions, TellResult } from './ref.ts';

/** What an incarnation needs of its cell. */
export interface Host<Message> {
  readonly path: string;
  readonly ref: ActorRef<Message>;
  readonly clock: Clock;
  readonly log: Log;
  /** Which message is in hand: another number for each. */
  readonly turn: number;
  /** All that there is to the message in hand; undefined when there is nothing to it, or none in hand. */
  readonly envelopeInHand: Envelope<Message> | undefined;
  /** Sends a message that is worth handling as long as its token says so. */
  deliver(message: Message, control: boolean, traceId: string | undefined, token: Token): void;
  /** Tells another actor; this one may have to wait for room there. */
  send<M>(to: ActorRef<M>, message: M, options: TellOptions | undefined): TellResult;
  /** Asks another actor on behalf of this incarnation. */
  query<M>(to: ActorRef<M>, message: M, options: AskOptions): Promise<unknown>;
  /** Registers a watch with whoever stands behind a ref, or fires it at once. */
  watch(ref: ActorRef<never>, watch: Watch): void;
  unwatch(ref: ActorRef<never>, watch: Watch): void;
  /** Puts the message in hand aside. */
  stash(): boolean;
  unstashAll(): void;
  register(name: string): boolean;
  /** The last ask that was kept has been answered. */
  answered(): void;
  /** From now on `handledMs` is kept. */
  trackIdleness(): void;
  /** Messages wait for it to go on. */
  readonly hasMail: boolean;
  /** It waits for an async handler. */
  readonly isBusy: boolean;
  /** Crashes it over the message in hand, when that has been handled, if there is one. */
  crash(error: Error): void;
  /** Crashes it through no fault of the message in hand, when that has been handled, if there is one. */
  breakDown(error: Error): void;
  /** Ends it, after the message in hand if there is one. */
  finish(): void;
  announceBreaker(change: { readonly from: string; readonly to: string; readonly why: string }): void;
}

const nobody: ReplyTo = { traceId: undefined, reply() {}, fail() {} };
const inertTimer: Timer = { cancel() {} };

export class Incarnation<Message> implements ActorContext<Message>, Asker, AskKeeper, Token {
  readonly incarnation: number;
  /** When the last message was handled, monotonic; below zero where idleness is not tracked. */
  handledMs = -1;
  /** It has crashed: what its async handler still brings is worth nothing. */
  hasFailed = false;
  readonly #host: Host<Message>;
  #ended = false;
  /** Whatever it has set going; most actors have none of it. */
  #going: Going<Message> | undefined;

  constructor(host: Host<Message>, incarnation: number) {
    this.#host = host;
    this.incarnation = incarnation;
  }

  get self(): ActorRef<Message> {
    return this.#host.ref;
  }

  get path(): string {
    return this.#host.path;
  }

  get clock(): Clock {
    return this.#host.clock;
  }

  get log(): Log {
    return this.#host.log;
  }

  get traceId(): string | undefined {
    return this.#current?.traceId;
  }

  get turn(): number {
    return this.#host.turn;
  }

  get signal(): AbortSignal {
    const going = this.#start();
    if (!going.controller) {
      going.controller = new AbortController();
      if (this.#ended) going.controller.abort();
    }
    return going.controller.signal;
  }

  get timers(): number {
    return this.#going?.timers.size ?? 0;
  }

  get tracksIdleness(): boolean {
    return this.handledMs >= 0;
  }

  /** Asks that are kept to be answered later. */
  get keptAsks(): number {
    return this.#going?.keptAsks.size ?? 0;
  }

  /** Whether nothing that it has set going would be lost with it. */
  get isFree(): boolean {
    const going = this.#going;
    if (!going) return true;
    return going.timers.size + going.keptAsks.size + going.openAsks.size + going.watches.size === 0;
  }

  /** Asks that wait for others. */
  get openAsks(): ReadonlySet<Ask> {
    return this.#going?.openAsks ?? noAsks;
  }

  /** Paths of the actors it watches. */
  get watching(): readonly string[] {
    return [...(this.#going?.watches.keys() ?? [])].map((ref) => ref.path);
  }

  verdict(): 'live' | 'outdated' {
    return this.#ended ? 'outdated' : 'live';
  }

  settled(ask: Ask): void {
    this.#going?.openAsks.delete(ask);
  }

  reply(value: unknown): void {
    this.#current?.ask?.reply(value);
  }

  replyLater(): ReplyTo {
    const ask = this.#current?.ask;
    if (!ask || ask.settled) return { ...nobody, traceId: this.traceId };
    ask.keeper = this;
    this.#start().keptAsks.add(ask);
    return ask;
  }

  released(ask: Ask): void {
    const keptAsks = this.#going?.keptAsks;
    if (keptAsks?.delete(ask) && keptAsks.size === 0) this.#host.answered();
  }

  tell<M>(to: ActorRef<M>, message: M, options?: TellOptions): TellResult {
    // One that was left behind acts for nobody any more.
    if (this.#ended) return to.tell(message, options);
    const { traceId } = this;
    return this.#host.send(to, message, traceId === undefined ? options : { traceId, ...options });
  }

  ask<M, A extends M>(to: ActorRef<M>, message: A, options: AskOptions): Promise<ReplyOf<M, A>> {
    if (this.#ended) return to.ask(message, options);
    const { traceId } = this;
    const traced = traceId === undefined ? options : { traceId, ...options };
    return this.#host.query<M>(to, message, traced) as Promise<ReplyOf<M, A>>;
  }

  /** An ask of this incarnation is on its way. */
  asked(ask: Ask): void {
    if (!ask.settled) this.#start().openAsks.add(ask);
  }

  pipe<T>(promise: Promise<T>, toMessage: (result: PipeResult<T>) => Message): void {
    const { traceId } = this;
    const settle = (result: PipeResult<T>): void => {
      if (this.#ended) return;
      try {
        this.#host.deliver(toMessage(result), true, traceId, this);
      } catch (error) {
        this.#breakDown('a piped result has no message', error);
      }
    };
    promise.then(
      (value) => settle({ ok: true, value }),
      (error: unknown) => settle({ ok: false, error }),
    );
  }

  after(delayMs: number, message: Message, key?: string): Timer {
    const { traceId } = this;
    return this.#time(key, (timer) =>
      this.clock.after(delayMs, () => {
        timer.forget();
        // It rings once: shed by a full mailbox, whatever it was to go on with would stand still for ever.
        this.#host.deliver(message, true, traceId, timer);
      }),
    );
  }

  every(periodMs: number, message: Message, key?: string): Timer {
    return this.#time(key, (timer) =>
      this.clock.every(periodMs, () => this.#host.deliver(message, false, undefined, timer)),
    );
  }

  cancel(key: string): void {
    this.#going?.keyed.get(key)?.cancel();
  }

  receiveTimeout(idleMs: number, message: Message): void {
    const going = this.#start();
    going.receiveTimeout?.cancel();
    going.receiveTimeout = undefined;
    if (idleMs === Infinity || this.#ended) return;
    this.#host.trackIdleness();
    this.handledMs = this.clock.monotonicMs();
    // One for all its rings: canceled, it takes back the one that waits as well.
    const timer = new OwnTimer(this, going, undefined);
    const wait = (leftMs: number): void => timer.run(this.clock.after(leftMs, ring));
    const ring = (): void => {
      const nowMs = this.clock.monotonicMs();
      const idleForMs = nowMs - this.handledMs;
      if (idleForMs < idleMs) return wait(idleMs - idleForMs);
      // With something to do, it is not idle; it begins to be when that is done, so a whole time from now is not too late.
      if (!this.#host.isBusy && !this.#host.hasMail) {
        this.handledMs = nowMs;
        this.#host.deliver(message, true, undefined, timer);
      }
      wait(idleMs);
    };
    going.receiveTimeout = timer;
    wait(idleMs);
  }

  watch(ref: ActorRef<never>, toMessage: (terminated: Terminated) => Message): void {
    const { watches } = this.#start();
    if (this.#ended || watches.get(ref)?.hasFired === false) return;
    const hear = (terminated: Terminated): void => {
      try {
        this.#host.deliver(toMessage(terminated), true, undefined, watch);
      } catch (error) {
        this.#breakDown('an end that was watched has no message', error);
      }
    };
    const watch = new Watch(this, hear, () => {
      if (watches.get(ref) === watch) watches.delete(ref);
    });
    watches.set(ref, watch);
    this.#host.watch(ref, watch);
  }

  unwatch(ref: ActorRef<never>): void {
    const watch = this.#going?.watches.get(ref);
    if (!watch) return;
    this.#going?.watches.delete(ref);
    watch.isOver = true;
    this.#host.unwatch(ref, watch);
  }

  stash(): boolean {
    return !this.#ended && this.#host.stash();
  }

  unstashAll(): void {
    if (!this.#ended) this.#host.unstashAll();
  }

  register(name: string): boolean {
    return !this.#ended && this.#host.register(name);
  }

  stop(): void {
    if (!this.#ended) this.#host.finish();
  }

  crash(error: Error): void {
    if (!this.#ended) this.#host.crash(error);
  }

  #breakDown(why: string, error: unknown): void {
    if (!this.#ended) this.#host.breakDown(error instanceof Error ? error : new Error(why, { cause: error }));
  }

  announceBreaker(change: { readonly from: string; readonly to: string; readonly why: string }): void {
    this.#host.announceBreaker(change);
  }

  /** Tells whatever it waits for to give up. */
  abort(): void {
    this.#going?.controller?.abort();
  }

  /** Lets go of everything that must not outlive it. @param error for the asks that were kept to be answered later */
  end(error: Error): void {
    this.#ended = true;
    const going = this.#going;
    if (!going) return;
    this.#going = undefined;
    for (const timer of going.timers) timer.stop();
    for (const [ref, watch] of going.watches) this.#host.unwatch(ref, watch);
    for (const ask of going.keptAsks) ask.abandon(error);
    // The signal must stay the one that was given away.
    if (going.controller) {
      going.controller.abort();
      this.#start().controller = going.controller;
    }
  }

  /** Of an incarnation that was left behind, the message in hand is another's. */
  get #current(): Envelope<Message> | undefined {
    return this.#ended ? undefined : this.#host.envelopeInHand;
  }

  #start(): Going<Message> {
    return (this.#going ??= new Going());
  }

  #time(key: string | undefined, run: (timer: OwnTimer<Message>) => Timer): Timer {
    if (this.#ended) return inertTimer;
    if (key !== undefined) this.cancel(key);
    const going = this.#start();
    const timer = new OwnTimer(this, going, key);
    timer.run(run(timer));
    if (key !== undefined) going.keyed.set(key, timer);
    return timer;
  }
}

const noAsks: ReadonlySet<Ask> = new Set();

/** What an incarnation has set going. */
class Going<Message> {
  controller: AbortController | undefined;
  readonly timers = new Set<OwnTimer<Message>>();
  readonly keyed = new Map<string, OwnTimer<Message>>();
  readonly keptAsks = new Set<Ask>();
  readonly openAsks = new Set<Ask>();
  readonly watches = new Map<ActorRef<never>, Watch>();
  receiveTimeout: OwnTimer<Message> | undefined;
}

/** A timer, and the token of its messages: one that is canceled takes back what it has sent. */
class OwnTimer<Message> implements Timer, Token {
  readonly #life: Token;
  readonly #going: Going<Message>;
  readonly #key: string | undefined;
  #timer: Timer | undefined;
  #canceled = false;

  constructor(life: Token, going: Going<Message>, key: string | undefined) {
    this.#life = life;
    this.#going = going;
    this.#key = key;
  }

  run(timer: Timer): void {
    this.#timer = timer;
    this.#going.timers.add(this);
  }

  verdict(nowMs: number): ReturnType<Token['verdict']> {
    if (this.#canceled) return 'canceled';
    if (!this.#going.timers.has(this)) this.#releaseKey();
    return this.#life.verdict(nowMs);
  }

  cancel(): void {
    if (this.#canceled) return;
    this.#canceled = true;
    this.stop();
    this.forget();
    this.#releaseKey();
  }

  /** It has rung for the last time; its key stays until its message is taken, so that it can be taken back. */
  forget(): void {
    this.#going.timers.delete(this);
  }

  /** Its incarnation has ended. */
  stop(): void {
    this.#timer?.cancel();
  }

  #releaseKey(): void {
    if (this.#key !== undefined && this.#going.keyed.get(this.#key) === this) this.#going.keyed.delete(this.#key);
  }
}

/** One actor's interest in the end of another, and the token of the message that says so. */
export class Watch implements Token {
  readonly path: string;
  hasFired = false;
  isOver = false;
  readonly #life: Token;
  readonly #hear: (terminated: Terminated) => void;
  readonly #onTaken: () => void;

  /**
   * @param life of the one who watches
   * @param onTaken called when the message that says so is taken: from then on there is nothing to take back
   */
  constructor(life: Token & { readonly path: string }, hear: (terminated: Terminated) => void, onTaken: () => void) {
    this.path = life.path;
    this.#life = life;
    this.#hear = hear;
    this.#onTaken = onTaken;
  }

  verdict(nowMs: number): ReturnType<Token['verdict']> {
    this.#onTaken();
    return this.isOver ? 'canceled' : this.#life.verdict(nowMs);
  }

  fire(terminated: Terminated): void {
    if (this.isOver || this.hasFired) return;
    this.hasFired = true;
    this.#hear(terminated);
  }
}
