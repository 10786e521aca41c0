/** A connection to Redis that nobody waits for: what it does not answer in time is done by other means, and a breaker spares it the next. */
import { Redis } from 'ioredis';
import type { Log } from '../../runtime/actor.ts';
import { Breaker, BreakerOpen } from '../../runtime/breaker-node.ts';
import type { Clock } from '../../runtime/clock.ts';
import { describeError } from '../../runtime/redaction.ts';
import { backoffMs } from '../../runtime/supervision.ts';

export interface RedisLimits {
  /** How long an answer is waited for. */
  readonly answerMs: number;
  /** Commands that may be without an answer; what comes beyond is done without Redis. */
  readonly inFlight: number;
  /** How often it is asked whether it can be written to: what finds out that it is back, or away while nobody needs it. */
  readonly probeMs: number;
  /** For a connection to be made. */
  readonly connectMs: number;
  /** A connection that owes an answer and is silent for longer is given up. */
  readonly silentMs: number;
  /** Pause before the next try to reach it; it doubles with every failure, up to the second figure. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
}

export interface RedisLinkOptions extends RedisAddress {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: RedisLimits;
  /** Called when it comes, when it goes, and when there is another reason why it is away. `why` holds no secret. */
  onState(isUp: boolean, why: string): void;
  onMessage(channel: string, text: string): void;
  /** Lua, by the name under which the client has it as a command. */
  readonly scripts: Readonly<Record<string, { readonly lua: string; readonly numberOfKeys: number }>>;
}

export interface RedisCounts {
  readonly isUp: boolean;
  /** Since the start: commands sent, those that failed or came too late, and what was done without Redis. */
  readonly commands: number;
  readonly failures: number;
  readonly fallbacks: number;
  readonly breakerOpenings: number;
}

export class RedisLink {
  readonly breaker: Breaker;
  readonly #client: Redis;
  readonly #options: RedisLinkOptions;
  readonly #noAnswer: string;
  readonly #stopProbes: () => void;
  #isUp = false;
  #isClosed = false;
  #why = 'it is being connected to';
  #waiting = 0;
  #commands = 0;
  #failures = 0;
  #fallbacks = 0;

  /** Connects in the background, for ever, until it is closed. */
  constructor(options: RedisLinkOptions) {
    this.#options = options;
    const { clock, limits, host, port, password } = options;
    this.#noAnswer = `it did not answer within ${limits.answerMs} ms`;
    const retry = { firstMs: limits.retryFirstMs, maxMs: limits.retryMaxMs, jitter: 0.5 };
    this.breaker = new Breaker({
      ...{ name: 'redis', clock, log: options.log },
      policy: {
        // The third of ten calls that fails opens it: under load within one wait for an answer, idle within three probes.
        ...{ windowCalls: 10, windowMs: limits.probeMs * 10, minimumCalls: 3, failureRate: 0.3 },
        ...{ slowCallMs: Infinity, slowRate: 1, callTimeoutMs: limits.answerMs, reopen: retry, halfOpenProbes: 1 },
      },
    });
    this.breaker.onTransition(() => this.#review());
    this.#client = new Redis({
      ...{ host, port, ...(password === undefined ? {} : { password }) },
      connectTimeout: limits.connectMs,
      socketTimeout: limits.silentMs,
      retryStrategy: (attempt) => backoffMs(retry, attempt, Math.random()),
      // What cannot be sent now, or has lost its connection, fails at once: nothing waits for a Redis that may come back.
      ...{ enableOfflineQueue: false, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
      // Subscriptions are made anew whenever it comes, for one may also have been refused.
      autoResubscribe: false,
      disableClientInfo: true,
      scripts: options.scripts,
    });
    this.#client.on('error', (error) => this.#failed(error));
    this.#client.on('close', () => {
      if (this.#isUp) this.breaker.trip('the connection is lost');
    });
    this.#client.on('ready', () => {
      this.#why = this.#noAnswer;
      this.breaker.reset('it is connected');
      this.#review();
    });
    this.#client.on('message', (channel, text) => options.onMessage(channel, text));
    const probes = clock.every(limits.probeMs, () => this.tell((client) => client.set(...probeCommand(limits))));
    this.#stopProbes = () => probes.cancel();
  }

  /** Asks Redis; answers with `instead` when it is away, has too much to answer already, or does not answer in time. */
  async ask<T>(command: (client: Redis) => Promise<T>, instead: () => T | Promise<T>): Promise<T> {
    if (this.#isUp && this.#waiting < this.#options.limits.inFlight) {
      const answer = await this.#try(command);
      if (answer) return answer.value;
    }
    this.#fallbacks += 1;
    return instead();
  }

  /** Sends a command to which the answer does not matter, if it is connected. Of an open breaker it is the probe. */
  tell(command: (client: Redis) => Promise<unknown>): void {
    if (this.#client.status === 'ready') void this.#try(command);
  }

  counts(): RedisCounts {
    return {
      ...{ isUp: this.#isUp, commands: this.#commands, failures: this.#failures, fallbacks: this.#fallbacks },
      breakerOpenings: this.breaker.status().openings,
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#stopProbes();
    this.#client.disconnect();
    this.#review();
  }

  async #try<T>(command: (client: Redis) => Promise<T>): Promise<{ readonly value: T } | undefined> {
    try {
      return { value: await this.breaker.call(() => this.#send(command)) };
    } catch (error) {
      if (!(error instanceof BreakerOpen)) this.#failures += 1;
      return undefined;
    }
  }

  async #send<T>(command: (client: Redis) => Promise<T>): Promise<T> {
    this.#waiting += 1;
    this.#commands += 1;
    try {
      const answer = await command(this.#client);
      this.#why = this.#noAnswer;
      return answer;
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      this.#waiting -= 1;
    }
  }

  #failed(error: unknown): void {
    const before = this.#why;
    this.#why = this.#textOf(error);
    if (!this.#isUp && !this.#isClosed && this.#why !== before) this.#options.onState(false, this.#why);
  }

  #review(): void {
    const isUp = !this.#isClosed && this.#client.status === 'ready' && this.breaker.status().state === 'closed';
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    if (!this.#isClosed) this.#options.onState(isUp, isUp ? 'it answers' : this.#why);
  }

  // Errors of the client carry the command, which may be the login. Of one only the text goes further, without the password.
  #textOf(error: unknown): string {
    const { password } = this.#options;
    const { name, message } = describeError(error, new Set(password ? [password] : []));
    // One that gathers what became of several addresses has no text.
    return message === '' ? ((error as NodeJS.ErrnoException).code ?? name) : message;
  }
}

/** A write: a Redis that only reads, or is full, is of no use. */
function probeCommand({ probeMs }: RedisLimits): [string, string, 'PX', number] {
  return ['aitrading:probe', '', 'PX', probeMs];
}
