/**
 * A client of the trader streams. It connects, authenticates, keeps its subscriptions over reconnects, and sees to it that nothing
 * is missing in silence: every frame is checked against the one before, what was missed is asked for, and told of.
 * Needs a WebSocket and nothing else.
 */
import { backoffMs } from './backoff.ts';
import { decodeRecords, type RecordTerms } from './binary.ts';
import { ClientChannel, type GapReason, type Verdict } from './channel.ts';
import { refusalOf } from './close-codes.ts';
import { OPEN, type WebSocketConstructor, type WebSocketLike } from './socket.ts';
import type {
  AccountEvent,
  AlertFrame,
  Answer,
  BookLevels,
  CandleFrame,
  ChannelResult,
  EquityFrame,
  MarketFrame,
  OrderChange,
  OrderRequest,
  OrderResult,
  Position,
  ProblemBody,
  QuoteFrame,
  ServerFrame,
  SignalFrame,
} from './wire.ts';

/** `waiting`: for the next try. `refused`: there will be none. */
export type StreamState = 'connecting' | 'online' | 'waiting' | 'refused' | 'closed';

/** Something of a channel did not come. */
export interface Gap {
  readonly channel: string;
  /** The number that was due. */
  readonly expected: number;
  /** The one that came; null where none did. */
  readonly received: number | null;
  readonly reason: GapReason;
  /** `resume`: the missing events are asked for. `snapshot`: the channel begins anew. `newest`: the frame that came says all there is. */
  readonly repair: 'resume' | 'snapshot' | 'newest';
}

/** Every member may be left out. */
export interface StreamListener {
  /** `detail` is for people. */
  onState?(state: StreamState, detail: string): void;
  onQuote?(quote: QuoteFrame): void;
  onCandle?(frame: CandleFrame): void;
  /** All of the book, checked, after each change. */
  onBook?(symbol: string, book: BookLevels & { readonly sequence: number; readonly time: string }): void;
  onEquity?(frame: EquityFrame): void;
  onSignal?(frame: SignalFrame): void;
  onAlert?(frame: AlertFrame): void;
  /** Everything up to here: what was known of the channel before no longer counts. Quotes and books come by their own members. */
  onSnapshot?(channel: string, data: unknown, sequence: number): void;
  /** Of an account channel: each once, in order. */
  onEvent?(channel: string, event: AccountEvent, sequence: number): void;
  onGap?(gap: Gap): void;
  /** The platform's clock as it was when it wrote, RFC 3339. */
  onServerTime?(time: string): void;
  /** A channel that the platform does not give. */
  onProblem?(problem: ProblemBody, channels: readonly string[]): void;
  onSlow?(channels: readonly string[], bufferedBytes: number): void;
}

export interface StreamClientOptions {
  /** Such as `ws://127.0.0.1:5001/stream`. */
  readonly url: string;
  /** An API key. */
  readonly token?: string;
  /** In place of the key: asked for before each connection. A rejection is tried again like a lost connection. */
  readonly ticket?: () => Promise<string>;
  /** `json` by default. `binary` costs a third of the bytes, `batch` a fifth. */
  readonly format?: 'json' | 'binary' | 'batch';
  /** `globalThis.WebSocket` by default. */
  readonly WebSocket?: WebSocketConstructor;
  readonly listener: StreamListener;
  /** How often the platform is told what has arrived, 1000 by default; 0: never. */
  readonly acknowledgeMs?: number;
  /** 0 up to 1; spreads the reconnects of many clients. */
  readonly random?: () => number;
  readonly after?: (delayMs: number, run: () => void) => () => void;
  /** Monotonic. */
  readonly now?: () => number;
}

/** Totals since the start. */
export interface StreamCounts {
  frames: number;
  quotes: number;
  events: number;
  gaps: number;
  /** Frames that had come before, and went no further. */
  duplicates: number;
  /** Frames that the platform left out because this client did not keep up. */
  skipped: number;
  reconnects: number;
  resyncs: number;
}

const openWithinMs = 10_000;
/** A platform that misses so many heartbeats is taken for gone, whatever TCP says; so is one that leaves a request unanswered as long. */
const missedHeartbeats = 3;

/** Not one of the platform's codes: no answer came, so it is not known what became of the request. */
export const NO_ANSWER = 'NO_ANSWER';

interface Request {
  readonly sinceMs: number;
  /** Absent: of a subscription or of the client itself. */
  readonly resolve?: (answer: Answer<unknown>) => void;
  readonly channels?: readonly string[];
}

export class StreamClient {
  readonly counts: StreamCounts = {
    ...{ frames: 0, quotes: 0, events: 0, gaps: 0, duplicates: 0, skipped: 0, reconnects: 0, resyncs: 0 },
  };
  readonly #options: StreamClientOptions;
  readonly #listener: StreamListener;
  readonly #after: (delayMs: number, run: () => void) => () => void;
  readonly #now: () => number;
  readonly #channels = new Map<string, ClientChannel>();
  readonly #requests = new Map<string, Request>();
  readonly #records = new Map<number, RecordTerms>();
  #state: StreamState = 'connecting';
  #socket: WebSocketLike | undefined;
  #greetingId = '';
  #lastId = 0;
  #failures = 0;
  #heardMs = 0;
  #heartbeatMs = openWithinMs / missedHeartbeats;
  #retryAfterMs: number | undefined;
  #refusal: string | undefined;
  #newest: { readonly channel: string; readonly sequence: number } | undefined;
  #cancelWatch = (): void => {};
  #cancelRetry = (): void => {};
  #cancelAcknowledge = (): void => {};

  /** Connects at once. */
  constructor(options: StreamClientOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#after = options.after ?? timeout;
    this.#now = options.now ?? (() => performance.now());
    void this.#open();
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Where this client stands on a channel. */
  position(channel: string): Position | undefined {
    return this.#channels.get(channel)?.position;
  }

  subscribe(channels: readonly string[]): void {
    for (const name of channels) if (!this.#channels.has(name)) this.#channels.set(name, new ClientChannel(name));
    this.#sendSubscribe(channels);
  }

  unsubscribe(channels: readonly string[]): void {
    for (const name of channels) this.#channels.delete(name);
    this.#request({ type: 'unsubscribe', channels });
  }

  submitOrder(account: string, order: OrderRequest): Promise<Answer<OrderResult>> {
    return this.#ask({ type: 'submit-order', account, order });
  }

  amendOrder(account: string, orderId: string, change: OrderChange): Promise<Answer<OrderResult>> {
    return this.#ask({ type: 'amend-order', account, orderId, change });
  }

  cancelOrder(account: string, orderId: string): Promise<Answer<OrderResult>> {
    return this.#ask({ type: 'cancel-order', account, orderId });
  }

  /** Withdraws what works on the account when nothing is heard of it for `timeoutMs`; 0 switches it off. */
  deadMan(account: string, timeoutMs: number): Promise<Answer<unknown>> {
    return this.#ask({ type: 'dead-man', account, timeoutMs });
  }

  /** Said of this connection alone: to be said again after a reconnect. */
  cancelOnDisconnect(account: string, enabled: boolean): Promise<Answer<unknown>> {
    return this.#ask({ type: 'cancel-on-disconnect', account, enabled });
  }

  /** Resolves to the round trip in milliseconds; NaN where no answer came. */
  async ping(): Promise<number> {
    const startMs = this.#now();
    const answer = await this.#ask({ type: 'ping' });
    return answer.ok ? this.#now() - startMs : Number.NaN;
  }

  /** For good. */
  close(): void {
    const socket = this.#leave();
    socket?.close(1000);
    this.#become('closed', 'closed');
  }

  async #open(): Promise<void> {
    this.#become('connecting', 'connecting');
    const { ticket, format = 'json', url } = this.#options;
    const protocols = [`aitrading.v1.${format}`];
    if (ticket) {
      let refusal: string | undefined;
      try {
        protocols.push(`ticket.${await ticket()}`);
      } catch (error) {
        refusal = `no ticket: ${error instanceof Error ? error.message : String(error)}`;
      }
      // Closed meanwhile.
      if (this.#state !== 'connecting') return;
      if (refusal !== undefined) return this.#retry(refusal);
    }
    this.#retryAfterMs = undefined;
    this.#heartbeatMs = openWithinMs / missedHeartbeats;
    const Socket: WebSocketConstructor = this.#options.WebSocket ?? globalThis.WebSocket;
    const socket = new Socket(url, protocols);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#heardMs = this.#now();
    this.#watch(this.#silenceMs);
    socket.addEventListener('open', () => {
      if (socket === this.#socket) this.#greet();
    });
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#read(data);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      if (socket === this.#socket) this.#lost(code, reason);
    });
    // A close follows.
    socket.addEventListener('error', () => {});
  }

  // Messages are handled in order, so the subscriptions need not wait for the answer. With a ticket there is nothing to say first:
  // an answer to anything shows that it was accepted.
  #greet(): void {
    const { token } = this.#options;
    this.#greetingId = this.#request(token === undefined ? { type: 'ping' } : { type: 'authenticate', token }) ?? '';
    this.#sendSubscribe([...this.#channels.keys()]);
  }

  #read(data: unknown): void {
    this.#heardMs = this.#now();
    let frames: readonly ServerFrame[];
    try {
      if (typeof data === 'string') {
        const parsed = JSON.parse(data) as ServerFrame | readonly ServerFrame[];
        frames = Array.isArray(parsed) ? (parsed as readonly ServerFrame[]) : [parsed as ServerFrame];
      } else frames = decodeRecords(data as ArrayBuffer, this.#records);
    } catch (error) {
      // What else is lost with it cannot be known: everything is asked for anew.
      return this.#giveUp(`the platform sent what cannot be read: ${error instanceof Error ? error.message : ''}`);
    }
    for (const frame of frames) this.#receive(frame);
  }

  #receive(frame: ServerFrame): void {
    this.counts.frames += 1;
    switch (frame.type) {
      case 'hello':
        this.#heartbeatMs = frame.heartbeatMs;
        return this.#watch(this.#silenceMs);
      case 'reply':
        return this.#replied(frame);
      case 'snapshot':
        return this.#snapshot(frame);
      case 'event':
        return this.#event(frame);
      case 'quote':
      case 'candle':
      case 'book':
      case 'equity':
      case 'signal':
      case 'alert':
        return this.#market(frame);
      case 'resync':
        return this.#resync(frame.channel);
      case 'heartbeat':
        this.#listener.onServerTime?.(frame.time);
        return this.#heartbeat(frame.last ?? {});
      case 'bye':
        this.#retryAfterMs = frame.retryAfterMs;
        return;
      case 'slow':
        return this.#listener.onSlow?.(frame.channels, frame.bufferedBytes);
    }
  }

  #replied(frame: ServerFrame & { type: 'reply' }): void {
    const id = frame.id ?? '';
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    if (id === this.#greetingId) return this.#greeted(frame.ok ? undefined : frame.problem);
    if (request.channels) {
      if (frame.ok) this.#subscribed(id, frame.result as Readonly<Record<string, ChannelResult>>);
      else this.#refused(request.channels, frame.problem);
      return;
    }
    request.resolve?.(frame.ok ? { ok: true, value: frame.result } : { ok: false, problem: frame.problem });
  }

  #greeted(problem: ProblemBody | undefined): void {
    if (!problem) {
      this.#failures = 0;
      this.#startAcknowledging();
      return this.#become('online', 'live');
    }
    if (problem.code === 'UNAUTHENTICATED') this.#refusal = refusalOf(4001);
    // Otherwise the platform cannot tell yet, and is asked again.
    this.#retryAfterMs = problem.retryAfterMs;
    // What was asked behind it is refused as well, which says nothing of the channels: nobody listens any more.
    const socket = this.#socket;
    this.#lost(1000, problem.title);
    socket?.close(1000);
  }

  #subscribed(id: string, results: Readonly<Record<string, ChannelResult>>): void {
    for (const [name, result] of Object.entries(results)) {
      const channel = this.#channels.get(name);
      if ('problem' in result) this.#refused([name], result.problem);
      else if (channel?.askedId === id) {
        channel.answered(result.mode === 'replay' ? result.from : undefined);
        if (result.mode === 'snapshot' && result.topic !== undefined)
          this.#records.set(result.topic, { channel: name, digits: result.digits ?? 0 });
      }
    }
  }

  // An account that is still being loaded has its channels in a moment; what is refused for good is told once.
  #refused(names: readonly string[], problem: ProblemBody): void {
    if (problem.retryAfterMs === undefined) {
      for (const name of names) this.#channels.delete(name);
      return this.#listener.onProblem?.(problem, names);
    }
    const socket = this.#socket;
    this.#after(problem.retryAfterMs, () => {
      if (socket === this.#socket) this.#sendSubscribe(names.filter((name) => this.#channels.has(name)));
    });
  }

  #snapshot({ channel: name, epoch, sequence, data }: ServerFrame & { type: 'snapshot' }): void {
    const channel = this.#channels.get(name);
    if (!channel || !this.#isNext(channel, channel.snapshot({ epoch, sequence }, data), sequence)) return;
    if (name.startsWith('quotes:')) {
      if (data !== null)
        this.#listener.onQuote?.({
          type: 'quote',
          channel: name,
          sequence,
          ...(data as Omit<QuoteFrame, 'type' | 'channel' | 'sequence'>),
        });
    } else if (name.startsWith('book:'))
      this.#tellBook(channel, name.slice('book:'.length), (data as { time: string } | null)?.time ?? '');
    else this.#listener.onSnapshot?.(name, data, sequence);
  }

  #event({ channel: name, epoch, sequence, data }: ServerFrame & { type: 'event' }): void {
    const channel = this.#channels.get(name);
    if (!channel || !this.#isNext(channel, channel.event({ epoch, sequence }), sequence)) return;
    this.counts.events += 1;
    this.#listener.onEvent?.(name, data, sequence);
  }

  #market(frame: MarketFrame): void {
    const channel = this.#channels.get(frame.channel);
    if (!channel || !this.#isNext(channel, channel.market(frame), frame.sequence)) return;
    this.counts.skipped += frame.skipped ?? 0;
    this.#newest = frame;
    switch (frame.type) {
      case 'quote':
        this.counts.quotes += 1;
        this.#listener.onServerTime?.(frame.time);
        return this.#listener.onQuote?.(frame);
      case 'candle':
        return this.#listener.onCandle?.(frame);
      case 'book':
        return this.#tellBook(channel, frame.symbol, frame.time);
      case 'equity':
        return this.#listener.onEquity?.(frame);
      case 'signal':
        return this.#listener.onSignal?.(frame);
      case 'alert':
        return this.#listener.onAlert?.(frame);
    }
  }

  #tellBook(channel: ClientChannel, symbol: string, time: string): void {
    const { book, position } = channel;
    if (book && position)
      this.#listener.onBook?.(symbol, { bids: book.bids, asks: book.asks, sequence: position.sequence, time });
  }

  /** Whether a frame is to be told; sees to it that what is missing before it comes. */
  #isNext(channel: ClientChannel, verdict: Verdict, received: number | null): boolean {
    switch (verdict.type) {
      case 'take':
        return true;
      case 'drop':
        this.counts.duplicates += 1;
        return false;
      case 'wait':
        return false;
      case 'gap': {
        const { reason, expected, isRepaired } = verdict;
        const repair = isRepaired ? 'newest' : channel.isAccount && channel.position ? 'resume' : 'snapshot';
        this.counts.gaps += 1;
        this.#listener.onGap?.({ channel: channel.name, expected, received, reason, repair });
        if (!isRepaired) this.#sendSubscribe([channel.name]);
        return isRepaired;
      }
    }
  }

  #resync(name: string): void {
    const channel = this.#channels.get(name);
    if (!channel) return;
    this.counts.resyncs += 1;
    this.counts.gaps += 1;
    const expected = (channel.position?.sequence ?? 0) + 1;
    channel.resync();
    this.#listener.onGap?.({ channel: name, expected, received: null, reason: 'server', repair: 'snapshot' });
  }

  // The heartbeat comes after the events it counts, so a number ahead of ours is an event that got lost.
  #heartbeat(last: Readonly<Record<string, number>>): void {
    for (const [name, channel] of this.#channels)
      this.#isNext(channel, channel.heartbeat(last[name]), last[name] ?? null);
    const oldestMs = this.#now() - missedHeartbeats * this.#heartbeatMs;
    if ([...this.#requests.values()].some(({ sinceMs }) => sinceMs < oldestMs))
      this.#giveUp('a request was not answered');
  }

  #sendSubscribe(names: readonly string[]): void {
    const channels = names.flatMap((name) => this.#channels.get(name) ?? []);
    if (channels.length === 0) return;
    const known = channels.flatMap(({ name, isAccount, position }) =>
      isAccount && position ? [[name, position] as const] : [],
    );
    const resume = known.length === 0 ? {} : { resume: Object.fromEntries(known) };
    const id = this.#request({ type: 'subscribe', channels: names, ...resume }, { channels: names });
    if (id !== undefined) for (const channel of channels) channel.asked(id);
  }

  #ask<Value>(content: object): Promise<Answer<Value>> {
    return new Promise((resolve) => {
      const id = this.#request(content, { resolve: resolve as (answer: Answer<unknown>) => void });
      if (id === undefined) resolve(noAnswer());
    });
  }

  /** @returns the id it goes under; undefined: there is no connection */
  #request(content: object, request: Omit<Request, 'sinceMs'> = {}): string | undefined {
    if (this.#socket?.readyState !== OPEN) return undefined;
    this.#lastId += 1;
    const id = String(this.#lastId);
    this.#requests.set(id, { ...request, sinceMs: this.#now() });
    this.#socket.send(JSON.stringify({ ...content, id }));
    return id;
  }

  #startAcknowledging(): void {
    const periodMs = this.#options.acknowledgeMs ?? 1_000;
    if (periodMs === 0) return;
    this.#cancelAcknowledge();
    this.#cancelAcknowledge = this.#after(periodMs, () => {
      const newest = this.#newest;
      this.#newest = undefined;
      if (newest && this.#socket?.readyState === OPEN) {
        const { channel, sequence } = newest;
        this.#socket.send(JSON.stringify({ type: 'acknowledge', channel, sequence }));
      }
      this.#startAcknowledging();
    });
  }

  #lost(code: number, reason: string): void {
    this.#leave();
    const refusal = this.#refusal ?? refusalOf(code);
    if (refusal !== undefined) return this.#become('refused', refusal);
    this.#retry(reason === '' ? 'connection lost' : reason);
  }

  #retry(why: string): void {
    const random = this.#options.random ?? Math.random;
    const delayMs = backoffMs(this.#failures, random(), this.#retryAfterMs);
    this.#failures += 1;
    this.#become('waiting', `${why}; next try in ${(delayMs / 1000).toFixed(1)} s`);
    this.#cancelRetry = this.#after(delayMs, () => {
      this.counts.reconnects += 1;
      void this.#open();
    });
  }

  /** A connection that is dead without a word may take minutes to close, so it is not waited for. */
  #giveUp(why: string): void {
    const socket = this.#leave();
    socket?.close();
    this.#retry(why);
  }

  /** Ends all that hangs on the connection. */
  #leave(): WebSocketLike | undefined {
    this.#cancelWatch();
    this.#cancelRetry();
    this.#cancelAcknowledge();
    const socket = this.#socket;
    this.#socket = undefined;
    this.#records.clear();
    this.#newest = undefined;
    const unanswered = [...this.#requests.values()];
    this.#requests.clear();
    for (const { resolve } of unanswered) resolve?.(noAnswer());
    return socket;
  }

  get #silenceMs(): number {
    return this.#heartbeatMs * missedHeartbeats;
  }

  /** One timer, however many frames come. */
  #watch(delayMs: number): void {
    this.#cancelWatch();
    this.#cancelWatch = this.#after(delayMs, () => {
      const leftMs = this.#heardMs + this.#silenceMs - this.#now();
      if (leftMs > 0) this.#watch(leftMs);
      else this.#giveUp('the platform went silent');
    });
  }

  #become(state: StreamState, detail: string): void {
    if (this.#state === 'closed') return;
    this.#state = state;
    this.#listener.onState?.(state, detail);
  }
}

function noAnswer(): Answer<never> {
  return { ok: false, problem: { code: NO_ANSWER, title: 'The connection ended before an answer came' } };
}

function timeout(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}
