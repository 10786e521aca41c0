/** What happens to actors, as one numbered stream: for logs, health, consoles and tests. */
import type { MessageInfo } from './message-info.ts';
import { isWithin } from './path.ts';
import type { ErrorInfo } from './redaction.ts';

/** What becomes of an actor that failed. */
export type FailureDirective = 'resume' | 'restart' | 'stop' | 'escalate';

export interface LifecycleEvent {
  /**
   * `down`: it has ended and its spec is kept. `gave-up`: its restart budget is spent.
   * `abandoned`: it did not stop in time and was left behind. `resting`: it was idle and starts again at its next message.
   */
  readonly type:
    | 'started'
    | 'restarted'
    | 'stopped'
    | 'down'
    | 'resting'
    | 'gave-up'
    | 'abandoned'
    | 'suspended'
    | 'resumed'
    | 'draining';
  readonly error?: ErrorInfo;
}

export interface CrashEvent {
  readonly type: 'crashed';
  readonly error: ErrorInfo;
  readonly directive: FailureDirective;
  /** What it had in hand. */
  readonly message?: MessageInfo;
}

export interface RestartingEvent {
  /** Of a supervisor: which children it will start again, and when. */
  readonly type: 'restarting';
  readonly child: string;
  readonly afterMs: number;
  /** Paths of all that restart together, in start order. */
  readonly group: readonly string[];
}

export interface StuckEvent {
  /** A handler has been under way for long; said once a message. */
  readonly type: 'stuck';
  readonly runningMs: number;
  readonly message?: MessageInfo;
}

export interface MailboxHighEvent {
  readonly type: 'mailbox-high';
  readonly depth: number;
  readonly capacity: number;
}

export interface DeadLetter {
  readonly type: 'dead-letter';
  readonly id: number;
  /**
   * `full` refused, `let-go` given up for a newer one, `expired` too old, `stopped` nobody is there (any more),
   * `outdated` a timer or promise of an earlier incarnation, `poison` it crashed its actor, `stash-full` there was no room to put it aside,
   * `late-reply` an answer to an ask that was settled already.
   */
  readonly reason: 'full' | 'let-go' | 'expired' | 'stopped' | 'outdated' | 'poison' | 'stash-full' | 'late-reply';
  readonly message: MessageInfo;
  /** How often it has been replayed. */
  readonly replays: number;
}

export interface BreakerEvent {
  readonly type: 'breaker';
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

export interface OperatorEvent {
  readonly type: 'operator-action';
  readonly action: string;
  readonly by: string;
  readonly reason: string;
}

type EventBody =
  | LifecycleEvent
  | CrashEvent
  | RestartingEvent
  | StuckEvent
  | MailboxHighEvent
  | DeadLetter
  | BreakerEvent
  | OperatorEvent;

interface EventHead {
  /** Rises by one with every event of the system. */
  readonly seq: number;
  /** Wall time, microseconds since 1970. */
  readonly atMicros: number;
  readonly path: string;
  readonly incarnation: number;
}

export type RuntimeEvent = EventHead & EventBody;
export type RuntimeEventType = EventBody['type'];
export type EventOf<Type extends RuntimeEventType> = Extract<RuntimeEvent, { type: Type }>;

export interface EventFilter {
  /** Default: every type. */
  readonly types?: readonly RuntimeEventType[];
  /** Only what happens at or below this path: a tenant's admin sees the tenant's subtree. Default: everything. */
  readonly within?: string;
}

interface Subscription {
  readonly filter: EventFilter;
  readonly hear: (event: RuntimeEvent) => void;
  isOver: boolean;
}

/** Events that can be asked for later. Dead letters are kept apart: a flood of them must not wash away the crash behind it. */
const keptEvents = 4_096;

export class EventStream {
  readonly #wallMicros: () => number;
  readonly #onError: (error: unknown) => void;
  readonly #kept: RuntimeEvent[] = [];
  #subscriptions: readonly Subscription[] = [];
  #seq = 0;
  /** Where the next event goes once the ring is full, and the number of the last one that made room. */
  #next = 0;
  #forgottenSeq = 0;

  /** @param onError is told what a subscriber threw */
  constructor(wallMicros: () => number, onError: (error: unknown) => void) {
    this.#wallMicros = wallMicros;
    this.#onError = onError;
  }

  /** The number of the last event. */
  get seq(): number {
    return this.#seq;
  }

  /** Subscribers are called at once and in order; one that throws is reported and the others go on. @returns how to end it */
  subscribe(filter: EventFilter, hear: (event: RuntimeEvent) => void): () => void {
    const subscription: Subscription = { filter, hear, isOver: false };
    this.#subscriptions = [...this.#subscriptions, subscription];
    return () => {
      subscription.isOver = true;
      this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription);
    };
  }

  /**
   * Events with a number above `seq`, oldest first, without dead letters.
   * @returns `complete` is false when older ones than these may have been forgotten
   */
  since(
    seq: number,
    filter: EventFilter = {},
  ): { readonly events: readonly RuntimeEvent[]; readonly complete: boolean } {
    // A ring: the oldest stands behind the newest once it is full.
    const oldest = this.#kept.length < keptEvents ? 0 : this.#next;
    const inOrder = [...this.#kept.slice(oldest), ...this.#kept.slice(0, oldest)];
    const events = inOrder.filter((event) => event.seq > seq && matches(filter, event));
    return { events, complete: this.#forgottenSeq <= seq };
  }

  publish(path: string, incarnation: number, body: EventBody): RuntimeEvent {
    const event: RuntimeEvent = { seq: ++this.#seq, atMicros: this.#wallMicros(), path, incarnation, ...body };
    if (event.type !== 'dead-letter') this.#keep(event);
    for (const { filter, hear, isOver } of this.#subscriptions) {
      if (isOver || !matches(filter, event)) continue;
      try {
        hear(event);
      } catch (error) {
        this.#onError(error);
      }
    }
    return event;
  }

  /** Whether anybody listens to events of this type: they need not be made for nobody. */
  isHeard(type: RuntimeEventType): boolean {
    return this.#subscriptions.some(({ filter }) => filter.types?.includes(type) ?? true);
  }

  #keep(event: RuntimeEvent): void {
    if (this.#kept.length < keptEvents) {
      this.#kept.push(event);
      return;
    }
    this.#forgottenSeq = this.#kept[this.#next]!.seq;
    this.#kept[this.#next] = event;
    this.#next = (this.#next + 1) % keptEvents;
  }
}

function matches(filter: EventFilter, event: { readonly type: RuntimeEventType; readonly path: string }): boolean {
  if (filter.types && !filter.types.includes(event.type)) return false;
  return filter.within === undefined || isWithin(event.path, filter.within);
}
