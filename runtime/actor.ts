/** What an actor is made of: a behavior, and the context through which it acts. */
import type { Clock, Timer } from './clock.ts';
import type { ActorRef, AskOptions, ReplyOf, TellOptions, TellResult } from './ref.ts';

/** Why an actor ended. `resting`: it was idle, and starts again at its next message. */
export type ExitReason =
  | { readonly kind: 'normal' }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'resting' }
  | { readonly kind: 'crash'; readonly error: unknown };

/**
 * State is a value: `receive` returns the next one and never changes the last, so that a message that throws leaves no trace.
 * One message at a time, also when a method returns a promise; messages wait meanwhile.
 */
// `any` stands for "whichever messages": a supervisor holds children of every kind.
export interface Behavior<State, Message> {
  /**
   * The first state of an incarnation. Runs inside the actor, after its ref exists; throwing is a failed start,
   * and `context.stop()` declines to start: nobody is at fault, and the actor is down.
   */
  start(context: ActorContext<Message>): State | Promise<State>;
  receive(state: State, message: Message, context: ActorContext<Message>): State | Promise<State>;
  /** Gives back what `start` took. Runs after the last message, with the last state; also after a crash, before the restart. */
  stop?(state: State, reason: ExitReason): void | Promise<void>;
  /** What inspection may show of the state: it is copied, as JSON would. Absent, or throwing: nothing is shown. Must not hold secrets. */
  inspect?(state: State): unknown;
  /** Whether nothing is under way that a rest, or a stop by an operator, would cut off. Absent: always. */
  isIdle?(state: State): boolean;
}

/** Where the reply to the message in hand goes; may be kept and used later, once. Serves asks and is inert for tells. */
export interface ReplyTo {
  readonly traceId: string | undefined;
  reply(value: unknown): void;
  fail(error: Error): void;
}

/** The end of a watched actor. */
export interface Terminated {
  readonly path: string;
  readonly reason: ExitReason;
}

export type PipeResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** Everything here belongs to one incarnation and ends with it; what an earlier incarnation set going never reaches the next. */
export interface ActorContext<Message> {
  readonly self: ActorRef<Message>;
  readonly path: string;
  readonly clock: Clock;
  /** Counts from 1 and rises at each restart. */
  readonly incarnation: number;
  readonly log: Log;
  /** Of the message in hand. */
  readonly traceId: string | undefined;
  /** Aborted when this incarnation ends, or a handler has taken too long: give it to whatever the actor waits for. */
  readonly signal: AbortSignal;

  /** Reply to the ask in hand. Without an ask it does nothing. An ask whose message was handled without a reply fails. */
  reply(value: unknown): void;
  /** Keep the ask in hand to answer it after `receive` has returned. */
  replyLater(): ReplyTo;

  /** Tells another actor, carrying the trace id of the message in hand. A full mailbox may park this actor. */
  tell<M>(to: ActorRef<M>, message: M, options?: TellOptions): TellResult;
  /**
   * Asks another actor, carrying the trace id of the message in hand. An async handler that awaits the answer lets its own messages
   * wait meanwhile: to go on with them, `pipe` the answer instead.
   * Rejects as `ActorRef.ask` does, and with AskCycle when this actor and that one would wait for each other.
   */
  ask<M, A extends M>(to: ActorRef<M>, message: A, options: AskOptions): Promise<ReplyOf<M, A>>;
  /** Turns the outcome of a promise into a message to this actor, in the control lane. */
  pipe<T>(promise: Promise<T>, toMessage: (result: PipeResult<T>) => Message): void;

  /** Tells this actor `message` after a delay, in the control lane. @param key replaces the timer that has the same key */
  after(delayMs: number, message: Message, key?: string): Timer;
  /** The same every period, in the ordinary lane: a full mailbox misses a beat. */
  every(periodMs: number, message: Message, key?: string): Timer;
  /** Stops the timer of that key; also takes back its message if that waits already. */
  cancel(key: string): void;
  /** Tells this actor `message` each time it has had none for so long, until it is called again; infinite for never. */
  receiveTimeout(idleMs: number, message: Message): void;

  /** Tells this actor once when another has ended for good, at once if it has already. Restarts are no ends. Repeated: no effect. */
  watch(ref: ActorRef<never>, toMessage: (terminated: Terminated) => Message): void;
  /** Takes a watch back, and its message if that waits already. */
  unwatch(ref: ActorRef<never>): void;

  /**
   * Puts the message in hand aside, over restarts too; after a restart it comes back by itself, in front of all that waits.
   * It moves when its handler has ended; until then it is in hand, and the failure of the handler is its failure.
   * @returns false when there is no room: the message becomes a dead letter, and its ask fails
   */
  stash(): boolean;
  /** Puts everything that was put aside earlier in front of all that waits, in its order. */
  unstashAll(): void;

  /** A name under which others find this actor, over its restarts, until it ends. @returns false when another actor has it */
  register(name: string): boolean;
  /** Ends this actor after the message in hand, with the reason `normal`. Its spec says whether it comes back. */
  stop(): void;
  /** Crashes this incarnation after the current message, as if the behavior had thrown. */
  crash(error: Error): void;
  /** Says on the event stream that a breaker has changed its state. */
  announceBreaker(change: { readonly from: string; readonly to: string; readonly why: string }): void;
}

/** The part of a logger the runtime and the actors use; pino's loggers fit. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
