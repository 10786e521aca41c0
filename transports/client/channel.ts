/** What a client knows of one channel, and what each frame of it means to that. Plain state: sends nothing. */
import { applied, checksumOf } from './book.ts';
import { follow, followMarket } from './sequence.ts';
import type { BookLevels, BookSnapshot, CandleItem, CandleSnapshot, MarketFrame, Position } from './wire.ts';

const accountKinds: ReadonlySet<string> = new Set(['orders', 'positions', 'account']);

/** Whether every event of it counts, rather than the newest. */
export function isAccountChannel(name: string): boolean {
  return accountKinds.has(name.slice(0, name.indexOf(':')));
}

export type GapReason = 'sequence' | 'heartbeat' | 'checksum' | 'server';

/** `take`: the frame is good. `drop`: it came before. `wait`: what it stands on is still to come. */
export type Verdict =
  | { readonly type: 'take' | 'drop' | 'wait' }
  /** Something is missing. `isRepaired`: the frame itself makes up for it, since it is the newest. */
  | { readonly type: 'gap'; readonly reason: GapReason; readonly expected: number; readonly isRepaired: boolean };

const take: Verdict = { type: 'take' };
const drop: Verdict = { type: 'drop' };
const wait: Verdict = { type: 'wait' };

export class ClientChannel {
  readonly name: string;
  readonly isAccount: boolean;
  /** Of the request whose reply is due; undefined once the platform has answered. */
  askedId: string | undefined;
  #position: Position | undefined;
  #isAwaitingSnapshot = true;
  #book: BookLevels | undefined;
  /** Opening time of the newest candle. */
  #candleTime = '';

  constructor(name: string) {
    this.name = name;
    this.isAccount = isAccountChannel(name);
  }

  get position(): Position | undefined {
    return this.#position;
  }

  get book(): BookLevels | undefined {
    return this.#book;
  }

  /** A subscription is under way: of an account channel everything goes on where it stands, of a market channel it begins anew. */
  asked(id: string): void {
    this.askedId = id;
    this.#isAwaitingSnapshot = true;
    if (!this.isAccount) this.#position = undefined;
  }

  /** @param from undefined: a snapshot follows */
  answered(from: number | undefined): void {
    this.askedId = undefined;
    if (from !== undefined) this.#isAwaitingSnapshot = false;
  }

  snapshot(position: Position, data: unknown): Verdict {
    const last = this.#position;
    // One that nobody waits for, and that tells nothing new, came before. A price that came in front of it knew no epoch.
    const isSameCount = last !== undefined && (last.epoch === position.epoch || last.epoch === '');
    if (!this.#isAwaitingSnapshot && isSameCount && position.sequence <= last.sequence) return drop;
    this.askedId = undefined;
    this.#isAwaitingSnapshot = false;
    this.#position = position;
    if (this.name.startsWith('book:')) this.#book = (data as BookSnapshot | null) ?? { bids: [], asks: [] };
    if (this.name.startsWith('candles:')) this.#candleTime = (data as CandleSnapshot).items.at(-1)?.time ?? '';
    return take;
  }

  /** What was known no longer counts; a snapshot is on its way. */
  resync(): void {
    this.#position = undefined;
    this.#isAwaitingSnapshot = true;
  }

  event(position: Position): Verdict {
    if (this.#isAwaitingSnapshot) return wait;
    const step = follow(this.#position, position);
    if (step === 'gap') return { type: 'gap', reason: 'sequence', expected: this.#expected, isRepaired: false };
    if (step === 'next') this.#position = position;
    return step === 'next' ? take : drop;
  }

  /** @param last the platform's number, as of a heartbeat; undefined where it names none */
  heartbeat(last: number | undefined): Verdict {
    // A snapshot is sent right behind the answer, that of an account channel in front of the first heartbeat that names the channel.
    const isLost = this.#isAwaitingSnapshot
      ? this.askedId === undefined && (last !== undefined || !this.isAccount)
      : last !== undefined && this.#position !== undefined && last > this.#position.sequence;
    return isLost ? { type: 'gap', reason: 'heartbeat', expected: this.#expected, isRepaired: false } : take;
  }

  market(frame: MarketFrame): Verdict {
    if (this.#isAwaitingSnapshot && this.askedId !== undefined) return wait;
    const last = this.#position?.sequence;
    const step = followMarket(last, frame);
    if (step === 'seen') return drop;
    const stands = this.#stands(frame);
    const isGap = step === 'gap' || stands === 'broken';
    if (isGap && stands !== 'alone') return this.#lose('sequence');
    const expected = this.#expected;
    this.#isAwaitingSnapshot = false;
    this.#position = { epoch: this.#position?.epoch ?? '', sequence: frame.sequence };
    if (!this.#keep(frame)) return this.#lose('checksum');
    return isGap ? { type: 'gap', reason: 'sequence', expected, isRepaired: true } : take;
  }

  /** What is known of a market channel is worth nothing without what is missing: it begins anew. */
  #lose(reason: GapReason): Verdict {
    const verdict: Verdict = { type: 'gap', reason, expected: this.#expected, isRepaired: false };
    this.resync();
    return verdict;
  }

  /** `alone`: the frame says all there is. `broken`: it does not reach back to what is known, although nothing was lost. */
  #stands(frame: MarketFrame): 'alone' | 'on-the-last' | 'broken' {
    switch (frame.type) {
      case 'book':
        return frame.isWhole ? 'alone' : 'on-the-last';
      case 'candle': {
        const first = frame.completed?.[0] ?? frame.candle;
        const reaches = !first || first.time <= this.#candleTime || !frame.skipped || this.#candleTime === '';
        return reaches ? 'on-the-last' : 'broken';
      }
      case 'quote':
      case 'equity':
      case 'signal':
      case 'alert':
        return 'alone';
    }
  }

  /** @returns false where the book is not the platform's */
  #keep(frame: MarketFrame): boolean {
    if (frame.type === 'candle') {
      const newest: CandleItem | undefined = frame.candle ?? frame.completed?.at(-1);
      this.#candleTime = newest?.time ?? this.#candleTime;
    }
    if (frame.type !== 'book') return true;
    const { bids, asks } = frame;
    this.#book = frame.isWhole || !this.#book ? { bids, asks } : applied(this.#book, frame);
    return frame.checksum === undefined || frame.checksum === checksumOf(this.#book);
  }

  get #expected(): number {
    return (this.#position?.sequence ?? 0) + 1;
  }
}
