/** What the cells and supervisors of one system share, and how they tell the world what happens to them. */
import type { Log } from './actor.ts';
import { type Clock, systemClock } from './clock.ts';
import type { DeadLetters } from './dead-letters.ts';
import { Deadlines } from './deadlines.ts';
import { EventStream, type LifecycleEvent } from './events.ts';
import { Names } from './names.ts';
import { describeError, unseenTexts } from './redaction.ts';
import { Scheduler, type SchedulingOrder } from './scheduler.ts';
import { toTick } from './ticks.ts';

/**
 * Dormant: known, starts at its first message. Resting: on its way there. Restarting: down for now, messages wait.
 * Suspended: runs, and lets its messages wait. Draining: handles what waits, and takes nothing new. Down: it has ended and may be
 * started again; Stopped: it has ended for good; both refuse messages.
 */
export type Status =
  | 'dormant'
  | 'starting'
  | 'running'
  | 'suspended'
  | 'resting'
  | 'restarting'
  | 'draining'
  | 'stopping'
  | 'down'
  | 'stopped';

/** Whatever a system needs from outside. */
export interface EnvironmentOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 up to 1. */
  readonly random: () => number;
  /** A handler that takes longer is reported. */
  readonly stuckAfterMs: number;
  readonly order: SchedulingOrder | undefined;
}

export class Environment {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly stuckAfterMs: number;
  readonly events: EventStream;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  readonly names = new Names((error) => this.report('a listener to names failed', error));
  /** Set by the system, which knows who stands at a path. */
  deadLetters!: DeadLetters;
  readonly #isVirtual: boolean;

  constructor({ clock, log, random, stuckAfterMs, order }: EnvironmentOptions) {
    this.clock = clock;
    this.log = guarded(log);
    this.random = random;
    this.stuckAfterMs = stuckAfterMs;
    this.events = new EventStream(
      () => clock.wallMicros(),
      (error) => this.report('a subscriber failed', error),
    );
    this.scheduler = new Scheduler({
      order,
      onError: (error) => this.report('the scheduler caught an error', error),
      // A virtual clock stands still while the machine is slow.
      ...(clock === systemClock && { onLate: (sinceMs, byMs) => this.deadlines.postpone(sinceMs, byMs) }),
    });
    this.deadlines = new Deadlines(clock, () => this.scheduler.lookAgain());
    this.#isVirtual = clock !== systemClock;
  }

  /** Monotonic, for stamps; on the machine's clock as coarse as an event-loop turn, and much cheaper than asking it. */
  stampMs(): number {
    return this.#isVirtual ? this.clock.monotonicMs() : this.scheduler.nowMs();
  }

  /** The same in ticks. */
  tick(): number {
    return this.#isVirtual ? toTick(this.clock.monotonicMs()) : this.scheduler.tick();
  }

  announce(type: LifecycleEvent['type'], path: string, incarnation: number, error?: unknown): void {
    this.events.publish(path, incarnation, error === undefined ? { type } : { type, error: describeError(error) });
  }

  /**
   * Something that must not fail did, and nobody is to suffer for it.
   *
   * @param over what it failed over: texts of it are not shown
   */
  report(what: string, error: unknown, path?: string, over?: unknown): void {
    const info = describeError(error, unseenTexts(over, undefined));
    this.log.error({ ...(path !== undefined && { path }), error: info }, what);
  }
}

/** A log that throws loses its line, and nothing else: a crash goes on to the supervisor. */
function guarded(log: Log): Log {
  const write =
    (level: keyof Log): Log[keyof Log] =>
    (fields, text) => {
      try {
        log[level](fields, text);
      } catch {
        // There is nowhere to say so.
      }
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
