/**
 * The trader stream: authenticates, keeps its subscriptions over reconnects, and sees to it that no event of an account is missed.
 * Knows nothing of the page.
 */
import { follow } from './sequence.ts';
import type { AccountEvent, Position, ProblemBody, Quote, ServerFrame } from './wire.ts';

export type StreamState = 'connecting' | 'online' | 'waiting' | 'refused';

type ChannelResults = Readonly<Record<string, { readonly problem?: ProblemBody }>>;

export interface StreamListener {
  /** `detail` is for people. */
  onState(state: StreamState, detail: string): void;
  onQuote(quote: Quote): void;
  /** Everything up to here: what was known of the channel before no longer counts. */
  onSnapshot(channel: string, data: unknown): void;
  onEvent(channel: string, event: AccountEvent): void;
  /** The server's clock as it was when it wrote, RFC 3339. */
  onServerTime(time: string): void;
  /** A channel that the server does not give. */
  onProblem(problem: ProblemBody): void;
}

export interface StreamOptions {
  readonly url: string;
  readonly token: string;
  readonly listener: StreamListener;
  /** 0 up to 1; spreads the reconnects of many clients. */
  readonly random?: () => number;
  readonly after?: (delayMs: number, run: () => void) => () => void;
}

/** What to do about a close; whatever is not listed is worth another try. */
const finalCloses: Readonly<Record<number, string>> = {
  4001: 'the key was not accepted',
  4003: 'the key may not use streams',
  4009: 'the platform does not understand this page: reload it',
};

const firstBackoffMs = 500;
const maxBackoffMs = 15_000;
/** A server that misses this many heartbeats is taken for gone, whatever TCP says. */
const missedHeartbeats = 3;
const openWithinMs = 10_000;

export class Stream {
  readonly #options: StreamOptions;
  readonly #after: (delayMs: number, run: () => void) => () => void;
  readonly #channels = new Set<string>();
  readonly #positions = new Map<string, Position>();
  /** Requests by id: the channels that a subscribe asked for; none for an authenticate. */
  readonly #asked = new Map<string, readonly string[]>();
  #socket: WebSocket | undefined;
  #authenticateId = '';
  #lastId = 0;
  #attempts = 0;
  #silenceMs = openWithinMs;
  #retryAfterMs: number | undefined;
  #refusal: string | undefined;
  #cancelWatch = (): void => {};
  #cancelRetry = (): void => {};

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#after = options.after ?? timeout;
    this.#open();
  }

  subscribe(channels: readonly string[]): void {
    for (const channel of channels) this.#channels.add(channel);
    this.#sendSubscribe(channels);
  }

  unsubscribe(channels: readonly string[]): void {
    for (const channel of channels) {
      this.#channels.delete(channel);
      this.#positions.delete(channel);
    }
    this.#send({ type: 'unsubscribe', id: this.#nextId(), channels });
  }

  /** For good. */
  close(): void {
    this.#cancelWatch();
    this.#cancelRetry();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
  }

  #open(): void {
    this.#options.listener.onState('connecting', 'connecting');
    this.#asked.clear();
    this.#retryAfterMs = undefined;
    this.#silenceMs = openWithinMs;
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    this.#watch();
    socket.addEventListener('open', () => this.#authenticate(socket));
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#receive(JSON.parse(String(data)) as ServerFrame);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      if (socket === this.#socket) this.#closed(code, reason);
    });
  }

  // Messages are handled in order, so the subscriptions need not wait for the answer.
  #authenticate(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#authenticateId = this.#nextId();
    this.#send({ type: 'authenticate', id: this.#authenticateId, token: this.#options.token });
    this.#sendSubscribe([...this.#channels]);
  }

  #sendSubscribe(channels: readonly string[]): void {
    if (channels.length === 0) return;
    const id = this.#nextId();
    const known = channels.flatMap((channel) => {
      const position = this.#positions.get(channel);
      return position === undefined ? [] : [[channel, position] as const];
    });
    const resume = known.length === 0 ? {} : { resume: Object.fromEntries(known) };
    if (this.#send({ type: 'subscribe', id, channels, ...resume })) this.#asked.set(id, channels);
  }

  #receive(frame: ServerFrame): void {
    this.#watch();
    const { listener } = this.#options;
    switch (frame.type) {
      case 'hello':
        this.#silenceMs = frame.heartbeatMs * missedHeartbeats;
        return this.#watch();
      case 'reply':
        return this.#replied(frame);
      case 'snapshot':
        return this.#snapshot(frame);
      case 'event':
        return this.#event(frame);
      case 'quote':
        listener.onServerTime(frame.time);
        return listener.onQuote(frame);
      case 'resync':
        // The snapshot that makes up for it is on its way.
        this.#positions.delete(frame.channel);
        return;
      case 'heartbeat':
        listener.onServerTime(frame.time);
        return this.#compare(frame.last ?? {});
      case 'bye':
        this.#retryAfterMs = frame.retryAfterMs;
        return;
      case 'slow':
        return;
    }
  }

  #replied(frame: ServerFrame & { type: 'reply' }): void {
    const { listener } = this.#options;
    if (frame.id === this.#authenticateId) {
      if (frame.ok) {
        this.#attempts = 0;
        return listener.onState('online', 'live');
      }
      this.#refusal = frame.problem.code === 'UNAUTHENTICATED' ? finalCloses[4001] : undefined;
      // Otherwise the platform cannot tell yet, and is asked again.
      this.#socket?.close(1000);
      return;
    }
    const channels = this.#asked.get(frame.id ?? '');
    if (channels === undefined) return;
    this.#asked.delete(frame.id ?? '');
    if (!frame.ok) return this.#refused(channels, frame.problem);
    for (const [channel, { problem }] of Object.entries(frame.result as ChannelResults)) {
      if (problem !== undefined) this.#refused([channel], problem);
    }
  }

  // An account that is still being loaded has its channels in a moment; what is refused for good is told once.
  #refused(channels: readonly string[], problem: ProblemBody): void {
    if (problem.retryAfterMs === undefined) {
      for (const channel of channels) this.#channels.delete(channel);
      return this.#options.listener.onProblem(problem);
    }
    const socket = this.#socket;
    this.#after(problem.retryAfterMs, () => {
      if (socket === this.#socket) this.#sendSubscribe(channels.filter((channel) => this.#channels.has(channel)));
    });
  }

  #snapshot({ channel, epoch, sequence, data }: ServerFrame & { type: 'snapshot' }): void {
    const { listener } = this.#options;
    if (channel.startsWith('quotes:')) {
      if (data !== null) listener.onQuote(data as Quote);
      return;
    }
    this.#positions.set(channel, { epoch, sequence });
    listener.onSnapshot(channel, data);
  }

  #event(frame: ServerFrame & { type: 'event' }): void {
    const { channel, epoch, sequence } = frame;
    const step = follow(this.#positions.get(channel), { epoch, sequence });
    if (step === 'gap') return this.#resubscribe(channel);
    if (step === 'seen') return;
    this.#positions.set(channel, { epoch, sequence });
    this.#options.listener.onEvent(channel, frame.data);
  }

  // The heartbeat comes after the events it counts, so a number ahead of ours is an event that got lost.
  #compare(last: Readonly<Record<string, number>>): void {
    for (const [channel, sequence] of Object.entries(last)) {
      const position = this.#positions.get(channel);
      if (position !== undefined && sequence > position.sequence) this.#resubscribe(channel);
    }
  }

  // Until the replay is here, later events of the channel are gaps again: one request is enough for all of them.
  #resubscribe(channel: string): void {
    const isUnderWay = [...this.#asked.values()].some((channels) => channels.includes(channel));
    if (isUnderWay || !this.#channels.has(channel)) return;
    this.#send({ type: 'unsubscribe', id: this.#nextId(), channels: [channel] });
    this.#sendSubscribe([channel]);
  }

  #closed(code: number, reason: string): void {
    this.#cancelWatch();
    this.#socket = undefined;
    const refusal = this.#refusal ?? finalCloses[code];
    if (refusal !== undefined) return this.#options.listener.onState('refused', refusal);
    const delayMs = this.#backoffMs();
    const why = reason === '' ? 'connection lost' : reason;
    this.#options.listener.onState('waiting', `${why}; next try in ${(delayMs / 1000).toFixed(1)} s`);
    this.#cancelRetry = this.#after(delayMs, () => this.#open());
  }

  #backoffMs(): number {
    const random = this.#options.random ?? Math.random;
    const ceiling = Math.min(maxBackoffMs, firstBackoffMs * 2 ** this.#attempts);
    this.#attempts += 1;
    return Math.max(this.#retryAfterMs ?? 0, ceiling * (0.5 + random() / 2));
  }

  // A connection that is dead without a word may take minutes to close, so it is given up at once.
  #watch(): void {
    this.#cancelWatch();
    this.#cancelWatch = this.#after(this.#silenceMs, () => {
      const socket = this.#socket;
      this.#socket = undefined;
      socket?.close();
      this.#closed(1006, 'the platform went silent');
    });
  }

  #send(message: object): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #nextId(): string {
    this.#lastId += 1;
    return String(this.#lastId);
  }
}

function timeout(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}
