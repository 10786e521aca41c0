/** What an actor is made of: a behavior, and the context through which it acts. */
import type { Clock, Timer } from './clock.ts';
import type { ActorRef, TellOptions } from './ref.ts';

/** Why an actor ended. */
export type ExitReason =
  | { readonly kind: 'normal' }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'crash'; readonly error: unknown };

/**
 * State is a value: `receive` returns the next one and never changes the last, so that a message that throws leaves no trace.
 * One message at a time, also when a method returns a promise; messages wait meanwhile.
 */
// `any` stands for "whichever messages": a supervisor holds children of every kind.
export interface Behavior<State, Message> {
  /** The first state of an incarnation. Runs inside the actor, after its ref exists; throwing is a failed start. */
  start(context: ActorContext<Message>): State | Promise<State>;
  receive(state: State, message: Message, context: ActorContext<Message>): State | Promise<State>;
  /** Gives back what `start` took. Runs after the last message, with the last state; also after a crash, before the restart. */
  stop?(state: State, reason: ExitReason): void | Promise<void>;
  /** What inspection may show of the state. Absent: nothing is shown. Must not hold secrets. */
  inspect?(state: State): unknown;
}

/** Where the reply to the message in hand goes; may be kept and used later, once. Serves asks and is inert for tells. */
export interface ReplyTo {
  readonly traceId: string | undefined;
  reply(value: unknown): void;
  fail(error: Error): void;
}

export interface ActorContext<Message> {
  readonly self: ActorRef<Message>;
  readonly path: string;
  readonly clock: Clock;
  /** Counts from 1 and rises at each restart. */
  readonly incarnation: number;
  readonly log: Log;
  /** Of the message in hand. */
  readonly traceId: string | undefined;
  /** Aborted when this incarnation ends: give it to whatever the actor waits for. */
  readonly signal: AbortSignal;
  /** Reply to the ask in hand. Without an ask it does nothing. */
  reply(value: unknown): void;
  /** Keep the ask in hand to answer it after `receive` has returned. */
  replyLater(): ReplyTo;
  /** Tells this actor `message` after a delay (in the control lane), unless the incarnation has ended by then. */
  after(delayMs: number, message: Message): Timer;
  /** The same every period, in the ordinary lane: a full mailbox misses a beat. */
  every(periodMs: number, message: Message): Timer;
  /** Turns the outcome of a promise into a message to this actor (in the control lane), unless the incarnation has ended. */
  pipe<T>(
    promise: Promise<T>,
    toMessage: (result: { ok: true; value: T } | { ok: false; error: unknown }) => Message,
  ): void;
  /** Crashes this incarnation after the current message, as if the behavior had thrown. */
  crash(error: Error): void;
  /** Tells another actor, carrying the trace id of the message in hand. */
  tell<M>(to: ActorRef<M>, message: M, options?: TellOptions): void;
}

/** The part of a logger the runtime and the actors use; pino's loggers fit. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
