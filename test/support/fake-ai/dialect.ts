/** What the servers have in common: an answer without a vendor, and what a vendor makes of it on the wire. */
import type { CompletionRequest, TokenUsage, ToolCall } from '../../../actors/ai/provider.ts';
import type { Headers, HttpRequest } from './http.ts';

export interface Answer {
  readonly id: string;
  readonly text: string;
  /** Their `arguments` are the JSON text of an object, without blanks. */
  readonly toolCalls: readonly ToolCall[];
  /** `refusal`: the model says no. `filter`: the vendor does, before or instead of it. */
  readonly finish: 'stop' | 'length' | 'tool-calls' | 'refusal' | 'filter';
  /** The vendor's own word for the end, instead of the one that `finish` stands for. */
  readonly finishWord?: string;
  /** Undefined: nothing is said about it. */
  readonly usage: TokenUsage | undefined;
  /** Of the text, or of the arguments, when they are streamed: how many pieces of each. */
  readonly pieces: number;
}

/** What the request says, as far as every server has to know it. */
export interface Asked {
  readonly model: string;
  readonly isStreamed: boolean;
  /** Undefined where none was sent. */
  readonly key: string | undefined;
  /** The usage is streamed only on demand. */
  readonly wantsUsage: boolean;
}

/** A stream in its parts, each a list of events in bytes that are complete by themselves. */
export interface Events {
  readonly opening: readonly string[];
  readonly content: readonly string[];
  /** Says how the answer ended. */
  readonly finish: readonly string[];
  /** Comes after the finish, where the vendor puts it there. */
  readonly usage: readonly string[];
  /** Comes last, where the vendor has such a mark. */
  readonly sentinel: readonly string[];
}

export const errorStatus = {
  'rate-limited': 429,
  'out-of-money': 429,
  'bad-key': 401,
  forbidden: 403,
  'payment-required': 402,
  'no-such-model': 404,
  'request-timeout': 408,
  conflict: 409,
  'bad-request': 400,
  'context-too-long': 400,
  'too-large': 413,
  'server-error': 500,
  'bad-gateway': 502,
  unavailable: 503,
  'gateway-timeout': 504,
  overloaded: 529,
} as const;

export type ErrorKind = keyof typeof errorStatus;

export interface Dialect {
  readonly name: 'openai' | 'anthropic' | 'google' | 'ollama';
  /** What follows the host in the base URL that its SDK is given. */
  readonly basePath: '' | '/v1';
  readonly streamType: string;
  /** Which counts its answers can tell apart; the others are left out. */
  readonly counts: readonly (keyof TokenUsage)[];
  /** How it ends an answer that it would not give; empty where it has no word for it. */
  readonly refusals: readonly ('refusal' | 'filter')[];
  /** Undefined: it has no such path. */
  asked(request: HttpRequest): Asked | undefined;
  /** The request in our words, read as strictly as the vendor would. @throws Error the vendor would not take it */
  understand(request: HttpRequest): CompletionRequest;
  /** The JSON of an answer in one piece. */
  whole(answer: Answer, asked: Asked): string;
  stream(answer: Answer, asked: Asked): Events;
  /** The JSON of an error. `detail` becomes part of its message. */
  error(kind: ErrorKind, detail: string): string;
  /** An error that stands in a stream. */
  errorEvent(kind: 'overloaded' | 'server-error', detail: string): string;
  /** What it sends to keep a stream alive; undefined where it sends nothing, and its SDK takes nothing. */
  readonly ping?: string;
  /** Headers that say what is left; undefined where it has none. */
  allowance?(left: { requests: number; tokens: number; resetMs: number }, nowMs: number): Headers;
}

/** As many pieces of about one length; pieces may be empty. Cuts between characters, not within. */
export function inPieces(text: string, pieces: number): string[] {
  const characters = Array.from(text);
  const size = Math.max(1, Math.ceil(characters.length / pieces));
  return Array.from({ length: Math.ceil(characters.length / size) }, (_, index) =>
    characters.slice(index * size, (index + 1) * size).join(''),
  );
}

/** Only what the dialect can tell apart. */
export function countedBy(dialect: Dialect, usage: TokenUsage): TokenUsage {
  const none = Object.fromEntries(Object.keys(usage).map((count) => [count, 0]));
  const told = Object.fromEntries(dialect.counts.map((count) => [count, usage[count]]));
  return { ...none, ...told } as unknown as TokenUsage;
}

/** An object that came as JSON. @throws Error it is none */
export function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${what} must be an object, was ${JSON.stringify(value)}`);
}

/** @throws Error there is a field that the vendor does not know */
export function onlyFields(value: unknown, what: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  const object = objectOf(value, what);
  const unknown = Object.keys(object).filter((field) => !known.includes(field));
  if (unknown.length > 0) throw new Error(`${what} has unknown fields: ${unknown.join(', ')}`);
  return object;
}

/** Leaves out what is undefined, so that two requests can be compared. */
export function present<T extends object>(value: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as never;
}

export interface CallIds {
  /** Of the next call of this tool. */
  called(name: string): string;
  /** Of the next result of this tool. */
  answered(name: string): string;
}

/** For vendors whose calls have no ids: the first call of a tool is `name-1`, and so is its first result. */
export function callIds(): CallIds {
  const numbered = (counts: Map<string, number>) => (name: string) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return `${name}-${count}`;
  };
  return { called: numbered(new Map()), answered: numbered(new Map()) };
}
