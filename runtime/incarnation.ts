/** One life of an actor, from a start to its end: the context its behavior acts through, and what ends with it. */
import type { ActorContext, Log, ReplyTo } from './actor.ts';
import type { Ask } from './ask.ts';
import type { Clock, Timer } from './clock.ts';
import type { Envelope } from './mailbox.ts';
import type { ActorRef, TellOptions } from './ref.ts';

/** What an incarnation needs of its cell. */
export interface Host<Message> {
  readonly path: string;
  readonly ref: ActorRef<Message>;
  readonly clock: Clock;
  readonly log: Log;
  /** Sends a message that only this incarnation may handle. */
  deliver(message: Message, control: boolean, traceId: string | undefined, incarnation: number): void;
  /** Crashes it, after the message in hand if there is one. */
  crash(error: Error): void;
}

const nobody: ReplyTo = { traceId: undefined, reply() {}, fail() {} };
const inertTimer: Timer = { cancel() {} };

export class Incarnation<State, Message> implements ActorContext<Message> {
  readonly incarnation: number;
  /** Meaningless until `hasState`. */
  state!: State;
  hasState = false;
  /** The message in hand. */
  current: Envelope<Message> | undefined;
  /** What the behavior asked to be crashed with. */
  crashRequest: Error | undefined;
  readonly #host: Host<Message>;
  #ended = false;
  #controller: AbortController | undefined;
  #timers: Set<Timer> | undefined;
  #keptAsks: Set<Ask> | undefined;

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
    return this.current?.traceId;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#ended) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  reply(value: unknown): void {
    this.current?.ask?.reply(value);
  }

  replyLater(): ReplyTo {
    const ask = this.current?.ask;
    if (!ask) return { ...nobody, traceId: this.traceId };
    const kept = (this.#keptAsks ??= new Set());
    kept.add(ask);
    return new KeptAsk(ask, kept);
  }

  after(delayMs: number, message: Message): Timer {
    if (this.#ended) return inertTimer;
    const { traceId } = this;
    const timers = (this.#timers ??= new Set());
    const timer = this.clock.after(delayMs, () => {
      timers.delete(timer);
      // It rings once: shed by a full mailbox, whatever it was to go on with would stand still for ever.
      this.#host.deliver(message, true, traceId, this.incarnation);
    });
    return this.#own(timer, timers);
  }

  every(periodMs: number, message: Message): Timer {
    if (this.#ended) return inertTimer;
    const timers = (this.#timers ??= new Set());
    const timer = this.clock.every(periodMs, () => {
      this.#host.deliver(message, false, undefined, this.incarnation);
    });
    return this.#own(timer, timers);
  }

  pipe<T>(
    promise: Promise<T>,
    toMessage: (result: { ok: true; value: T } | { ok: false; error: unknown }) => Message,
  ): void {
    const { traceId } = this;
    const settle = (result: { ok: true; value: T } | { ok: false; error: unknown }): void => {
      if (this.#ended) return;
      try {
        this.#host.deliver(toMessage(result), true, traceId, this.incarnation);
      } catch (error) {
        this.crash(error instanceof Error ? error : new Error('a piped result has no message', { cause: error }));
      }
    };
    promise.then(
      (value) => settle({ ok: true, value }),
      (error: unknown) => settle({ ok: false, error }),
    );
  }

  crash(error: Error): void {
    if (!this.#ended) this.#host.crash(error);
  }

  tell<M>(to: ActorRef<M>, message: M, options?: TellOptions): void {
    const { traceId } = this;
    to.tell(message, traceId === undefined ? options : { traceId, ...options });
  }

  /** Lets go of everything that must not outlive it. @param error for the asks that were kept to be answered later */
  end(error: Error): void {
    this.#ended = true;
    for (const timer of this.#timers ?? []) timer.cancel();
    for (const ask of this.#keptAsks ?? []) ask.abandon(error);
    this.#timers = undefined;
    this.#keptAsks = undefined;
    this.#controller?.abort();
  }

  #own(timer: Timer, timers: Set<Timer>): Timer {
    timers.add(timer);
    return {
      cancel: () => {
        timers.delete(timer);
        timer.cancel();
      },
    };
  }
}

/** An ask that is answered after its message was handled. */
class KeptAsk implements ReplyTo {
  readonly #ask: Ask;
  readonly #kept: Set<Ask>;

  constructor(ask: Ask, kept: Set<Ask>) {
    this.#ask = ask;
    this.#kept = kept;
  }

  get traceId(): string | undefined {
    return this.#ask.traceId;
  }

  reply(value: unknown): void {
    this.#kept.delete(this.#ask);
    this.#ask.reply(value);
  }

  fail(error: Error): void {
    this.#kept.delete(this.#ask);
    this.#ask.fail(error);
  }
}
