/** What the cells and supervisors of one system share, and how they tell the world what happens to them. */
import type { Log } from './actor.ts';
import { Deadlines } from './ask.ts';
import { type Clock, systemClock } from './clock.ts';
import { EventBus } from './event-bus.ts';
import { Scheduler } from './scheduler.ts';

/** Dormant: known, starts at its first message. Restarting: down for now, messages wait. Stopped: messages are refused. */
export type Status = 'dormant' | 'starting' | 'running' | 'restarting' | 'stopping' | 'stopped';

export interface LifecycleEvent {
  /** `gave-up`: its restart budget is spent. `abandoned`: it did not stop in time and was left behind. */
  readonly type: 'started' | 'restarted' | 'crashed' | 'stopped' | 'gave-up' | 'abandoned';
  readonly path: string;
  readonly incarnation: number;
  /** Wall time, microseconds since 1970. */
  readonly atMicros: number;
  readonly error?: ErrorInfo;
}

/** A message that nobody handled. It goes without its body, which may hold secrets. */
export interface DeadLetter {
  readonly path: string;
  readonly incarnation: number;
  readonly atMicros: number;
  /**
   * `full` refused, `let-go` given up for a newer one, `stopped` nobody is there (any more), `outdated` a timer or promise of an
   * earlier incarnation, `late-reply` an answer to an ask that was settled already.
   */
  readonly reason: 'full' | 'let-go' | 'stopped' | 'outdated' | 'late-reply';
  /** The `type` of the message; empty for a reply. */
  readonly messageType: string;
  readonly traceId: string | undefined;
}

export interface RuntimeEvents {
  readonly lifecycle: LifecycleEvent;
  readonly 'dead-letter': DeadLetter;
}

export interface ErrorInfo {
  readonly name: string;
  readonly message: string;
}

export class Environment {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 up to 1. */
  readonly random: () => number;
  readonly events: EventBus<RuntimeEvents>;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  /** Monotonic, for stamps; on the machine's clock as coarse as an event-loop turn, and much cheaper than asking it. */
  readonly stampMs: () => number;
  deadLetters = 0;
  #tellingOfDeadLetter = false;

  constructor(clock: Clock, log: Log, random: () => number) {
    this.clock = clock;
    this.log = log;
    this.random = random;
    this.events = new EventBus((error, topic) => log.error({ error, topic }, 'a subscriber failed'));
    this.scheduler = new Scheduler((error) => log.error({ error }, 'the scheduler caught an error'));
    this.deadlines = new Deadlines(clock);
    this.stampMs = clock === systemClock ? () => this.scheduler.nowMs() : () => clock.monotonicMs();
  }

  announce(type: LifecycleEvent['type'], path: string, incarnation: number, error?: unknown): void {
    const event: LifecycleEvent = { type, path, incarnation, atMicros: this.clock.wallMicros() };
    this.events.publish('lifecycle', error === undefined ? event : { ...event, error: describeError(error) });
  }

  deadLetter(
    reason: DeadLetter['reason'],
    path: string,
    incarnation: number,
    messageType: string,
    traceId: string | undefined,
  ): void {
    this.deadLetters++;
    // Who hears of dead letters and cannot take one makes another: that one is counted, or there would be no end.
    if (this.#tellingOfDeadLetter) return;
    this.#tellingOfDeadLetter = true;
    const atMicros = this.clock.wallMicros();
    this.events.publish('dead-letter', { path, incarnation, atMicros, reason, messageType, traceId });
    this.#tellingOfDeadLetter = false;
  }
}

/** Never throws, although anything may have been thrown. */
export function describeError(error: unknown): ErrorInfo {
  try {
    return error instanceof Error
      ? { name: error.name, message: error.message }
      : { name: typeof error, message: String(error) };
  } catch {
    return { name: typeof error, message: 'has no text' };
  }
}

/** The `type` of a message, as far as it has one. */
export function typeOf(message: unknown): string {
  if (typeof message === 'object' && message !== null && 'type' in message && typeof message.type === 'string') {
    return message.type;
  }
  return typeof message === 'string' ? message : typeof message;
}
