/** A provider, the server it speaks to, and what every result must hold. */
import { inspect } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import type {
  AiProvider,
  Attempt,
  Completion,
  CompletionFailure,
  CompletionRequest,
  CompletionResult,
  Part,
} from '../../../actors/ai/provider.ts';
import { systemClock, type Clock } from '../../../runtime/clock.ts';
import type { Dialect } from '../../support/fake-ai/dialect.ts';
import { startFakeAi, type FakeAi } from '../../support/fake-ai/server.ts';
import type { Place } from '../ai-provider.ts';

export type Start = (place: Place) => AiProvider;

export const modes = ['whole', 'streamed'] as const;
export type Mode = (typeof modes)[number];

export const key = 'sk-proj-4711-do-not-tell-anybody';
/** Stands in every question, and in no message. */
export const confidence = 'account 90210 is long 3 lots';
export const model = 'model-1.5';

export const question: CompletionRequest = {
  messages: [{ role: 'user', content: `What now? My ${confidence}.` }],
  ...{ output: { type: 'text' }, maxOutputTokens: 256 },
};

/** Long enough to be never reached. */
const patient = { firstTokenMs: 60_000, idleMs: 60_000 };

export interface Session {
  readonly fake: FakeAi;
  readonly provider: AiProvider;
  /** Parts that were told, of all calls. */
  readonly parts: Part[];
  /** Asks, and checks what must hold of every result. */
  ask(mode: Mode, change?: Partial<Attempt>, request?: CompletionRequest): Promise<CompletionResult>;
  /** @throws Error there is none */
  answer(mode: Mode, change?: Partial<Attempt>, request?: CompletionRequest): Promise<Completion>;
  /** @throws Error there is none */
  failure(mode: Mode, change?: Partial<Attempt>, request?: CompletionRequest): Promise<CompletionFailure>;
}

/** One that ends with the test. */
export async function openSession(dialect: Dialect, start: Start, clock: Clock = systemClock): Promise<Session> {
  const fake = await startFakeAi(dialect);
  const provider = start({ baseUrl: fake.baseUrl, key, clock });
  onTestFinished(async () => {
    provider.close();
    await fake.close();
  });
  return sessionOf(fake, provider);
}

export function sessionOf(fake: FakeAi, provider: AiProvider): Session {
  const parts: Part[] = [];
  const ask: Session['ask'] = async (mode, change = {}, request = question) => {
    const own: Part[] = [];
    const onPart = (part: Part): void => {
      parts.push(part);
      own.push(part);
      change.onPart?.(part);
    };
    const signal = new AbortController().signal;
    const attempt = { model, signal, ...patient, ...change };
    const result = await provider.complete(request, mode === 'streamed' ? { ...attempt, onPart } : attempt);
    if (!result.ok) expectDiscreet(result.failure);
    else if (mode === 'streamed') expect(assembled(own)).toEqual(contentOf(result.completion));
    return result;
  };
  return {
    ...{ fake, provider, parts, ask },
    async answer(mode, change, request) {
      const result = await ask(mode, change, request);
      if (result.ok) return result.completion;
      throw new Error(`wanted an answer, was ${inspect(result.failure)}`);
    },
    async failure(mode, change, request) {
      const result = await ask(mode, change, request);
      if (!result.ok) return result.failure;
      throw new Error(`wanted a failure, was ${inspect(result.completion)}`);
    },
  };
}

/** Nothing that might be logged has the key; the message has nothing of the question. */
function expectDiscreet(failure: CompletionFailure): void {
  // Bodies are kept for the record: whoever logs a failure leaves them out.
  const { exchange: _, ...logged } = failure;
  const told = [JSON.stringify(logged), inspect(logged, { depth: Infinity, showHidden: true })].join('\n');
  expect(told).not.toContain(key);
  expect(failure.message).not.toContain(confidence);
  expect(failure.message).not.toBe('');
  if (failure.retryAfterMs !== undefined) expect(failure.retryAfterMs).toBeGreaterThanOrEqual(0);
}

interface Content {
  readonly text: string;
  readonly toolCalls: readonly { id: string; name: string; arguments: string }[];
}

function contentOf({ text, toolCalls }: Completion): Content {
  return { text, toolCalls: toolCalls.map((call) => ({ ...call })) };
}

/** What somebody who followed the parts has in the end. */
function assembled(parts: readonly Part[]): Content {
  let text = '';
  const toolCalls: { id: string; name: string; arguments: string }[] = [];
  for (const part of parts) {
    if (part.type === 'text') text += part.text;
    else {
      const call = (toolCalls[part.index] ??= { id: part.id ?? '', name: part.name ?? '', arguments: '' });
      call.arguments += part.arguments;
    }
  }
  return { text, toolCalls };
}
