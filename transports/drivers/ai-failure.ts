/** What went wrong at an AI provider, in our words. The provider's own texts may hold the key or the question, so none is passed on. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Allowance, CompletionFailureCode } from '../../actors/ai/provider.ts';

/** Thrown on the way to an answer by whoever knows what is wrong. */
export class ProviderFault extends Error {
  readonly code: CompletionFailureCode;

  constructor(code: CompletionFailureCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProviderFault';
    this.code = code;
  }
}

/** How a vendor says no. */
export interface Wording {
  /** Undefined: the status says all. @param body of an answer that is no success, parsed; undefined where it is no JSON */
  refusal(status: number, body: unknown): CompletionFailureCode | undefined;
  /** From the body, where the vendor puts it there. */
  retryAfterMs?(body: unknown): number | undefined;
  allowance?(headers: IncomingHttpHeaders, nowMs: number): Allowance | undefined;
}

const byStatus: Readonly<Record<number, CompletionFailureCode>> = {
  401: 'unauthenticated',
  402: 'payment-required',
  403: 'unauthenticated',
  404: 'model-not-found',
  408: 'conflict',
  409: 'conflict',
  413: 'context-too-long',
  429: 'rate-limited',
  500: 'server-error',
};

export function codeOfStatus(status: number): CompletionFailureCode {
  const known = byStatus[status];
  if (known) return known;
  if (status >= 500) return 'overloaded';
  // Redirects are not followed: the key would go along.
  return status >= 400 ? 'bad-request' : 'malformed';
}

/** Of the error in the midst of a stream that began as a success. */
export function codeOfError(type: unknown): CompletionFailureCode {
  return typeof type === 'string' && /overloaded|unavailable|busy|capacity/i.test(type) ? 'overloaded' : 'server-error';
}

/** RFC 9110, section 10.2.3, and what OpenAI and Anthropic say in milliseconds. @returns undefined where nothing can be read */
export function retryAfterMs(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const exact = numberOf(headers['retry-after-ms']);
  if (exact !== undefined) return exact;
  const told = headers['retry-after'];
  const seconds = numberOf(told);
  if (seconds !== undefined) return seconds * 1_000;
  const at = told === undefined || /^[-+\d.]*$/.test(told) ? Number.NaN : Date.parse(told);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** Zero or more. */
export function numberOf(text: string | readonly string[] | undefined): number | undefined {
  if (typeof text !== 'string' || !/^\d+(\.\d+)?$/.test(text.trim())) return undefined;
  return Number(text);
}

/** A member at the end of a path, whatever stands there; undefined where the path breaks off. */
export function memberOf(value: unknown, ...path: readonly string[]): unknown {
  let found: unknown = value;
  for (const name of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  return found;
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
