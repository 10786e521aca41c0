/** One question on its way to its answer. */
import type { ReplyTo } from './actor.ts';
import { Deadline } from './deadlines.ts';
import { AskCycle, AskTimeout } from './errors.ts';
import { harmless, typeOf } from './redaction.ts';

/** Who is asked. */
export interface Askable {
  readonly path: string;
  /** A reply came after the ask was settled. */
  lateReply(ask: Ask): void;
}

/** Who keeps an ask to be answered after its message was handled. */
export interface AskKeeper {
  /** It has been answered, or has failed. */
  released(ask: Ask): void;
}

/** Who asks, when it is an actor. */
export interface Asker {
  /** Which of its messages it has in hand: another number for each. */
  readonly turn: number;
  settled(ask: Ask): void;
}

// One function for all promises: a closure an ask would be a fifth of what an ask costs.
const captured: { resolve(value: unknown): void; reject(error: Error): void } = { resolve() {}, reject() {} };
function capture(resolve: (value: unknown) => void, reject: (error: Error) => void): void {
  captured.resolve = resolve;
  captured.reject = reject;
}

/** Settles once; whatever comes later is late. */
export class Ask extends Deadline implements ReplyTo {
  readonly target: Askable;
  readonly message: unknown;
  readonly timeoutMs: number;
  readonly traceId: string | undefined;
  readonly promise: Promise<unknown>;
  readonly asker: Asker | undefined;
  /** What the asker had in hand: an actor waits for an answer only while that is still so. */
  readonly during: number | undefined;
  /** Where it stands, for AskTimeout. */
  where: 'queue' | 'handler' = 'queue';
  settled = false;
  /** It will be answered after its message has been handled. */
  keeper: AskKeeper | undefined;
  /** Nobody waits for it and its message is not to be handled. */
  withdrawn = false;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: Error) => void;

  constructor(
    target: Askable,
    message: unknown,
    timeoutMs: number,
    traceId: string | undefined,
    asker: Asker | undefined,
  ) {
    super();
    if (!(timeoutMs >= 0)) throw new RangeError(`timeoutMs must be 0 or more, was ${timeoutMs}`);
    this.target = target;
    this.message = message;
    this.timeoutMs = timeoutMs;
    this.traceId = traceId;
    this.asker = asker;
    this.during = asker?.turn;
    this.promise = new Promise(capture);
    this.#resolve = captured.resolve;
    this.#reject = captured.reject;
  }

  /** @param value a promise is none: who waits for it would wait without a timeout, so the ask fails */
  reply(value: unknown): void {
    if (harmless(value) instanceof Promise) {
      this.fail(
        new TypeError(`${this.target.path} must answer ${typeOf(this.message)} with a value, not with a promise`),
      );
      return;
    }
    if (this.#settle()) this.#resolve(value);
    else this.target.lateReply(this);
  }

  fail(error: Error): void {
    if (this.#settle()) this.#reject(error);
    else this.target.lateReply(this);
  }

  /** Fails it unless it has been answered. */
  abandon(error: Error): void {
    if (this.#settle()) this.#reject(error);
  }

  /** It would wait for itself: its message need not be handled any more. */
  withdraw(cycle: readonly string[]): void {
    this.withdrawn = true;
    this.abandon(new AskCycle(cycle));
  }

  override expire(): void {
    this.abandon(new AskTimeout(this.target.path, typeOf(this.message), this.timeoutMs, this.where));
  }

  #settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    this.clear();
    this.asker?.settled(this);
    this.keeper?.released(this);
    return true;
  }
}
