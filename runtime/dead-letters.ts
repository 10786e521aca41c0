/** Messages that nobody handled: counted, shown without their bodies, and told again when somebody asks for it. */
import type { DeadLetter, EventStream } from './events.ts';
import { messageInfo, type Show } from './message-info.ts';
import { Envelope, type Token } from './envelope.ts';
import { isWithin } from './path.ts';
import type { TellResult } from './ref.ts';

/** Where a letter was to go, and what may be shown of it: not the actor itself, which may be forgotten before its letters. */
export interface Addressee {
  readonly path: string;
  readonly incarnation: number;
  readonly show: Show | undefined;
}

interface Kept {
  readonly id: number;
  readonly atMicros: number;
  readonly reason: DeadLetter['reason'];
  readonly to: Addressee;
  readonly lost: Envelope<unknown>;
  /** When it died, in ticks. */
  readonly tick: number;
  readonly replays: number;
}

export type DeadLetterInfo = Omit<DeadLetter, 'type'> & {
  readonly path: string;
  readonly incarnation: number;
  readonly atMicros: number;
};

/** What came of a replay. */
export type Replayed =
  | { readonly type: 'replayed'; readonly result: TellResult }
  | {
      readonly type: 'refused';
      readonly code: 'NOT_FOUND' | 'NOT_REPLAYABLE' | 'REPLAYED_TOO_OFTEN';
      readonly replays: number;
    };

const keptLetters = 1_000;
const mostReplays = 3;

/** Marks a message that has been replayed, so that it does not go round for ever. */
class Replay implements Token {
  readonly count: number;

  constructor(count: number) {
    this.count = count;
  }

  verdict(): 'live' {
    return 'live';
  }
}

export class DeadLetters {
  /** Since the start. */
  count = 0;
  readonly #events: EventStream;
  readonly #wallMicros: () => number;
  readonly #tick: () => number;
  readonly #retell: (
    path: string,
    message: unknown,
    traceId: string | undefined,
    token: Token,
  ) => TellResult | undefined;
  /** In the order in which they came; the oldest give way. */
  readonly #kept = new Map<number, Kept>();
  #telling = false;

  /**
   * @param tick now, as ticks count
   * @param retell tells a message to whoever stands at a path now; undefined when nobody does
   */
  constructor(
    events: EventStream,
    wallMicros: () => number,
    tick: () => number,
    retell: (path: string, message: unknown, traceId: string | undefined, token: Token) => TellResult | undefined,
  ) {
    this.#events = events;
    this.#wallMicros = wallMicros;
    this.#tick = tick;
    this.#retell = retell;
  }

  add(reason: DeadLetter['reason'], to: Addressee, lost: Envelope<unknown>): void {
    const id = ++this.count;
    const replays = lost.token instanceof Replay ? lost.token.count : 0;
    // Not its ask and its token, which lead to the actor.
    const bare = new Envelope(lost.message, lost.traceId, undefined, lost.sentTick, undefined);
    const kept = { id, atMicros: this.#wallMicros(), reason, to, lost: bare, tick: this.#tick(), replays };
    this.#kept.set(id, kept);
    if (this.#kept.size > keptLetters) this.#kept.delete(this.#kept.keys().next().value!);
    // Who hears of dead letters and cannot take one makes another: that one is kept, but told nobody, or there would be no end.
    if (this.#telling || !this.#events.isHeard('dead-letter')) return;
    this.#telling = true;
    try {
      this.#events.publish(to.path, to.incarnation, { type: 'dead-letter', ...this.#describe(kept) });
    } finally {
      this.#telling = false;
    }
  }

  /** The last ones, newest first. @param within only those for actors at or below this path */
  list(options: { readonly limit?: number; readonly within?: string } = {}): readonly DeadLetterInfo[] {
    const { limit = 100, within = '/' } = options;
    const letters: DeadLetterInfo[] = [];
    for (const kept of [...this.#kept.values()].toReversed()) {
      if (letters.length >= limit) break;
      const { path, incarnation } = kept.to;
      const { atMicros } = kept;
      if (isWithin(path, within)) letters.push({ ...this.#describe(kept), path, incarnation, atMicros });
    }
    return letters;
  }

  /** Tells a message once more, as a new one; an ask that it was has long failed, and is not answered. */
  replay(id: number): Replayed {
    const kept = this.#kept.get(id);
    if (!kept) return { type: 'refused', code: 'NOT_FOUND', replays: 0 };
    const { lost, replays, to } = kept;
    if (kept.reason === 'late-reply') return { type: 'refused', code: 'NOT_REPLAYABLE', replays };
    if (replays >= mostReplays) return { type: 'refused', code: 'REPLAYED_TOO_OFTEN', replays };
    const result = this.#retell(to.path, lost.message, lost.traceId, new Replay(replays + 1));
    if (result === undefined) return { type: 'refused', code: 'NOT_FOUND', replays };
    this.#kept.delete(id);
    return { type: 'replayed', result };
  }

  /** @returns whether it was there */
  discard(id: number): boolean {
    return this.#kept.delete(id);
  }

  #describe({ id, reason, to, lost, tick, replays }: Kept): Omit<DeadLetter, 'type'> {
    return { id, reason, message: messageInfo(lost, to.show, tick), replays };
  }
}
