/**
 * One request to an AI provider: over a connection that is kept, watched from the first byte to the last, and recorded. It is the
 * `fetch` that a vendor's SDK is given, so no SDK decides how long we wait, what is sent twice, or what counts as a whole answer.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { LookupFunction } from 'node:net';
import type {
  Attempt,
  Completion,
  CompletionFailure,
  CompletionResult,
  Part,
  TokenUsage,
} from '../../actors/ai/provider.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import { codeOfStatus, ProviderFault, retryAfterMs, type Wording } from './ai-failure.ts';

/** A key that shows itself to whoever needs it, and prints as nothing. */
export interface Revealed {
  reveal(): string;
}

/** The connections to one provider with one key. */
export class ProviderLine {
  readonly clock: Clock;
  readonly #http: http.Agent;
  readonly #https: https.Agent;
  /** A longer answer is none. */
  readonly maxBodyBytes: number;

  /** @param lookup finds addresses, where not every address may be connected to */
  constructor(options: { clock: Clock; maxSockets: number; maxBodyBytes: number; lookup?: LookupFunction }) {
    const { clock, maxSockets, maxBodyBytes, lookup } = options;
    const agent = {
      keepAlive: true,
      maxSockets,
      scheduling: 'lifo',
      noDelay: true,
      ...(lookup && { lookup }),
    } as const;
    this.clock = clock;
    this.maxBodyBytes = maxBodyBytes;
    this.#http = new http.Agent(agent);
    this.#https = new https.Agent(agent);
  }

  request(url: URL, options: http.RequestOptions): http.ClientRequest {
    return url.protocol === 'https:'
      ? https.request(url, { ...options, agent: this.#https })
      : http.request(url, { ...options, agent: this.#http });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/** Of an answer that is no success so much is read: enough for what it says. */
const maxErrorBytes = 64 * 1024;

export interface CallOptions {
  readonly wording: Wording;
  /** Looks at each line of a streamed answer before the SDK does. @throws SyntaxError ProviderFault */
  checkLine?(line: string): void;
  /** What an error of the SDK means; undefined: that the answer is not whole, or not what was expected. */
  explain?(error: unknown): ProviderFault | undefined;
}

export class ProviderCall {
  /** What has been counted so far. */
  usage: TokenUsage | undefined;
  readonly #line: ProviderLine;
  readonly #attempt: Attempt;
  readonly #options: CallOptions;
  readonly #startedMs: number;
  readonly #broken = Promise.withResolvers<never>();
  #fault: ProviderFault | undefined;
  #timer: Timer | undefined;
  #firstMs: number | undefined;
  #lastMs = 0;
  #request: http.ClientRequest | undefined;
  #answer: http.IncomingMessage | undefined;
  #sent = '';
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(line: ProviderLine, attempt: Attempt, options: CallOptions) {
    this.#line = line;
    this.#attempt = attempt;
    this.#options = options;
    this.#startedMs = line.clock.monotonicMs();
    // Whoever waits for the answer is told; the SDK may still be at it.
    this.#broken.promise.catch(() => {});
  }

  /** @param work asks, by way of `fetch`, and gives the answer once it is whole */
  async run(
    work: () => Promise<Omit<Completion, 'usage' | 'latencyMs' | 'firstTokenMs' | 'exchange' | 'allowance'>>,
  ): Promise<CompletionResult> {
    const { signal, firstTokenMs } = this.#attempt;
    if (signal.aborted) return { ok: false, failure: { code: 'aborted', message: 'the request was withdrawn' } };
    const onAbort = (): void => void this.#break(new ProviderFault('aborted', 'the request was withdrawn'));
    signal.addEventListener('abort', onAbort, { once: true });
    this.#timer = this.#line.clock.after(firstTokenMs, () => {
      this.#break(new ProviderFault('timeout', `nothing of the answer came within ${firstTokenMs} ms`));
    });
    try {
      const working = work();
      working.catch(() => {});
      const found = await Promise.race([working, this.#broken.promise]);
      if (this.#fault) throw this.#fault;
      return { ok: true, completion: this.#completed(found) };
    } catch (error) {
      return { ok: false, failure: this.#failureOf(error) };
    } finally {
      this.#timer.cancel();
      signal.removeEventListener('abort', onAbort);
      if (!this.#answer?.complete) this.#request?.destroy();
    }
  }

  /** A piece of content has come. */
  heard(): void {
    const nowMs = this.#line.clock.monotonicMs();
    this.#lastMs = nowMs;
    if (this.#firstMs !== undefined) return;
    this.#firstMs = nowMs;
    this.#timer?.cancel();
    this.#watch(this.#attempt.idleMs);
  }

  tell(part: Part): void {
    if (this.#fault) throw this.#fault;
    this.heard();
    this.#attempt.onPart?.(part);
  }

  /** All that was received, for whoever looks for the mark of the end. */
  get received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? nothing;
  }

  /** What its SDK has left unread, so that the connection is as good as new. */
  async rest(): Promise<void> {
    for await (const _ of this.#read());
  }

  /** As an SDK calls it. Rejects where no header came. */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    this.#sent = typeof init.body === 'string' ? init.body : '';
    const headers = { ...plainHeaders(init.headers), 'content-length': String(Buffer.byteLength(this.#sent)) };
    this.#answer = await this.#headersOf(url, { method: init.method ?? 'POST', headers });
    const status = this.#answer.statusCode ?? 0;
    if (!isSuccess(status)) {
      // SDKs would print what they cannot read.
      await this.rest();
      throw new ProviderFault(codeOfStatus(status), `the provider answered with status ${status}`);
    }
    if (this.#answer.headers['content-type']?.startsWith('text/html'))
      throw this.#break(new ProviderFault('malformed', 'a page came instead of an answer'));
    // Only what our SDKs look at: a real one costs as much as the rest of the call.
    return new ProviderResponse(this.#answer, () => this.#read()) as unknown as Response;
  };

  #headersOf(url: URL, options: http.RequestOptions): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = this.#line.request(url, options);
      this.#request = request;
      request.once('response', resolve);
      request.on('error', (error: NodeJS.ErrnoException) => {
        const isNoHttp = error.code?.startsWith('HPE_') ?? false;
        const failed = new ProviderFault(isNoHttp ? 'malformed' : 'unreachable', told(error), {
          cause: codeOnly(error),
        });
        reject(this.#answer ? error : this.#break(failed));
      });
      // A string goes out together with its head, in one write.
      request.end(this.#sent);
    });
  }

  async *#read(): AsyncGenerator<Buffer> {
    const answer = this.#answer!;
    const isGood = isSuccess(answer.statusCode ?? 0);
    const limit = isGood ? this.#line.maxBodyBytes : maxErrorBytes;
    const isStreamed = this.#attempt.onPart !== undefined && isGood;
    const lines = isStreamed && this.#options.checkLine ? new LineSplitter(this.#options.checkLine) : undefined;
    try {
      for await (const chunk of answer.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if (this.#fault) throw this.#fault;
        this.#chunks.push(chunk);
        this.#bytes += chunk.length;
        if (this.#bytes > limit) throw new ProviderFault('malformed', `the answer is longer than ${limit} bytes`);
        if (!isStreamed) this.heard();
        const text = decoded(this.#decoder, chunk);
        lines?.add(text);
        yield chunk;
      }
      decoded(this.#decoder);
      lines?.end();
    } catch (error) {
      throw this.#break(error instanceof ProviderFault ? error : brokenBy(error));
    }
    if (!answer.complete)
      throw this.#break(new ProviderFault('stream-broken', 'the connection ended within the answer'));
  }

  #watch(afterMs: number): void {
    const { clock } = this.#line;
    const { idleMs } = this.#attempt;
    this.#timer = clock.after(afterMs, () => {
      const leftMs = this.#lastMs + idleMs - clock.monotonicMs();
      if (leftMs > 0) return this.#watch(leftMs);
      this.#break(new ProviderFault('stalled', `nothing more of the answer came within ${idleMs} ms`));
    });
  }

  /** The first fault counts. */
  #break(fault: ProviderFault): ProviderFault {
    if (!this.#fault) {
      this.#fault = fault;
      this.#broken.reject(fault);
      if (!this.#answer?.complete) this.#request?.destroy();
    }
    return this.#fault;
  }

  #completed(found: Omit<Completion, 'usage' | 'latencyMs' | 'firstTokenMs'>): Completion {
    const nowMs = this.#line.clock.monotonicMs();
    const allowance = this.#allowance;
    return {
      ...found,
      usage: this.usage ?? notCounted,
      ...{ latencyMs: nowMs - this.#startedMs, firstTokenMs: (this.#firstMs ?? nowMs) - this.#startedMs },
      ...(allowance && { allowance }),
      exchange: { requestBody: Buffer.from(this.#sent), responseBody: this.received },
    };
  }

  #failureOf(error: unknown): CompletionFailure {
    const status = this.#answer?.statusCode;
    const { usage } = this;
    const allowance = this.#allowance;
    const known = {
      ...(status !== undefined && { status }),
      ...(usage && { usage }),
      ...(allowance && { allowance }),
      ...(this.#sent.length > 0 && { exchange: { requestBody: Buffer.from(this.#sent), responseBody: this.received } }),
    };
    if (this.#attempt.signal.aborted) return { ...known, code: 'aborted', message: 'the request was withdrawn' };
    if (status !== undefined && !isSuccess(status)) return { ...known, ...this.#refusal(status) };
    const { code, message, cause } = this.#fault ?? (error instanceof ProviderFault ? error : this.#explained(error));
    return { ...known, code, message, ...(cause !== undefined && { cause }) };
  }

  #explained(error: unknown): ProviderFault {
    return this.#options.explain?.(error) ?? brokenBy(error);
  }

  #refusal(status: number): Pick<CompletionFailure, 'code' | 'message' | 'retryAfterMs'> {
    const { wording } = this.#options;
    const body = parsed(this.received);
    const waitMs =
      retryAfterMs(this.#answer!.headers, this.#line.clock.wallMicros() / 1_000) ?? wording.retryAfterMs?.(body);
    return {
      code: wording.refusal(status, body) ?? codeOfStatus(status),
      message: `the provider answered with status ${status}`,
      ...(waitMs !== undefined && { retryAfterMs: waitMs }),
    };
  }

  get #allowance(): CompletionFailure['allowance'] {
    const { headers } = this.#answer ?? {};
    return headers && this.#options.wording.allowance?.(headers, this.#line.clock.wallMicros() / 1_000);
  }
}

const ownCall = Symbol('call');

/** Options of one request, which its SDK hands on to `fetch`: the SDK has one for all requests. */
export function optionsOf(call: ProviderCall): { readonly fetchOptions: object } {
  return { fetchOptions: { [ownCall]: call } };
}

/** Of an SDK: each request goes the way of its own call. */
export const fetchOfCall: typeof fetch = (input, init) =>
  (init as { readonly [ownCall]: ProviderCall })[ownCall].fetch(input, init);

/** Longer than any call: our watches are the ones that count. */
export const sdkTimeoutMs = 2 ** 31 - 1;

const nothing = Buffer.alloc(0);

const notCounted: TokenUsage = {
  ...{ inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
  ...{ outputTokens: 0, reasoningTokens: 0 },
};

/** The part of a Response that the SDKs use. */
class ProviderResponse {
  readonly status: number;
  readonly ok: boolean;
  readonly statusText = '';
  readonly url = '';
  readonly redirected = false;
  /** Node has their names in lower case, as the SDKs ask for them. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: { [Symbol.asyncIterator](): AsyncIterator<Buffer>; getReader(): object };
  readonly #read: () => AsyncGenerator<Buffer>;

  constructor(answer: http.IncomingMessage, read: () => AsyncGenerator<Buffer>) {
    this.status = answer.statusCode ?? 0;
    this.ok = isSuccess(this.status);
    this.headers = new Map(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
    this.#read = read;
    this.body = {
      [Symbol.asyncIterator]: read,
      getReader() {
        const iterator = read();
        return { read: () => iterator.next(), releaseLock() {}, cancel: () => iterator.return(undefined) };
      },
    };
  }

  async text(): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#read()) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }
}

/** Lines that have come whole, whatever pieces they came in. */
class LineSplitter {
  readonly #check: (line: string) => void;
  #rest = '';

  constructor(check: (line: string) => void) {
    this.#check = check;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== '') this.#check(line);
  }

  end(): void {
    if (this.#rest.trim() !== '') this.#check(this.#rest);
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function decoded(decoder: InstanceType<typeof TextDecoder>, chunk?: Buffer): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch (cause) {
    throw new ProviderFault('malformed', 'the answer is not valid UTF-8', { cause });
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}

/** What cannot be read is malformed; all else is an answer that is not whole. */
function brokenBy(error: unknown): ProviderFault {
  if (error instanceof SyntaxError) return new ProviderFault('malformed', 'the answer is not JSON');
  if (error instanceof TypeError)
    return new ProviderFault('malformed', 'the answer is not of the form that was expected');
  return new ProviderFault('stream-broken', 'the answer is not whole', {
    cause: codeOnly(error as NodeJS.ErrnoException),
  });
}

function told({ code }: NodeJS.ErrnoException): string {
  return `the provider cannot be reached (${code ?? 'unknown'})`;
}

/** Errors of the network and of SDKs may hold a request with its key. */
function codeOnly({ code, name }: NodeJS.ErrnoException): Error {
  return new Error(code ?? name);
}

function plainHeaders(headers: RequestInit['headers']): Record<string, string> {
  return Object.fromEntries(headers instanceof Headers ? headers : new Headers(headers));
}
