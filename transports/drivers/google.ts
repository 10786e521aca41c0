/**
 * Google's generateContent. Its package is used for the words of the protocol and no more: it calls the global `fetch` alone, takes a
 * stream that broke off for an answer, and passes over errors in the midst of one. Its vendor has ended support for it; this file is
 * all that knows of it.
 */
import { FinishReason, FunctionCallingMode } from '@google/generative-ai';
import type { Content, GenerateContentResponse, Part as GooglePart } from '@google/generative-ai';
import type {
  AiProvider,
  Completion,
  CompletionRequest,
  Message,
  TokenUsage,
  ToolCall,
} from '../../actors/ai/provider.ts';
import { ProviderCall, type ProviderLine, type Revealed } from './ai-call.ts';
import { codeOfError, memberOf, ProviderFault, textOf, type Wording } from './ai-failure.ts';
import { argumentsOf } from './tool-arguments.ts';

export interface GoogleOptions {
  readonly apiKey: Revealed;
  /** Without a version; `https://generativelanguage.googleapis.com` by default. */
  readonly baseUrl?: string | undefined;
  readonly line: ProviderLine;
}

export function google(options: GoogleOptions): AiProvider {
  const { apiKey, baseUrl = 'https://generativelanguage.googleapis.com', line } = options;
  return {
    name: 'google',
    complete(request, attempt) {
      const call = new ProviderCall(line, attempt, { wording });
      return call.run(async () => {
        const method = attempt.onPart ? 'streamGenerateContent?alt=sse' : 'generateContent';
        const response = await call.fetch(`${baseUrl}/v1beta/models/${encodeURIComponent(attempt.model)}:${method}`, {
          ...{ method: 'POST', body: JSON.stringify(bodyOf(request)) },
          headers: { 'content-type': 'application/json', 'x-goog-api-key': apiKey.reveal() },
        });
        const heard = new Heard(call);
        if (!attempt.onPart) heard.add((await response.json()) as GenerateContentResponse);
        else for await (const answer of eventsOf(response)) heard.add(answer);
        return heard.found();
      });
    },
    close: () => line.close(),
  };
}

function bodyOf(request: CompletionRequest): object {
  const { messages, output, maxOutputTokens, tools, toolChoice, temperature, topP, stop, seed } = request;
  const system = messages.flatMap(({ role, content }) => (role === 'system' ? [{ text: content }] : []));
  return {
    contents: conversation(messages),
    ...(system.length > 0 && { systemInstruction: { parts: system } }),
    generationConfig: {
      maxOutputTokens,
      ...(temperature !== undefined && { temperature }),
      ...(topP !== undefined && { topP }),
      ...(stop && { stopSequences: stop }),
      ...(seed !== undefined && { seed }),
      ...(output.type !== 'text' && { responseMimeType: 'application/json' }),
      ...(output.type === 'json-schema' && { responseJsonSchema: output.schema }),
    },
    ...(tools && {
      tools: [
        {
          functionDeclarations: tools.map(({ name, description, parameters }) => ({
            ...{ name, parametersJsonSchema: parameters },
            ...(description !== undefined && { description }),
          })),
        },
      ],
    }),
    ...(toolChoice !== undefined && { toolConfig: { functionCallingConfig: callingConfig(toolChoice) } }),
  };
}

function callingConfig(choice: NonNullable<CompletionRequest['toolChoice']>): object {
  if (typeof choice === 'object') return { mode: FunctionCallingMode.ANY, allowedFunctionNames: [choice.name] };
  const modes = { auto: FunctionCallingMode.AUTO, none: FunctionCallingMode.NONE, required: FunctionCallingMode.ANY };
  return { mode: modes[choice] };
}

function conversation(messages: readonly Message[]): Content[] {
  const names = new Map<string, string>();
  const told: Content[] = [];
  for (const message of messages) {
    if (message.role === 'system') continue;
    const role = message.role === 'assistant' ? 'model' : message.role === 'tool' ? 'function' : 'user';
    const parts = partsOf(message, names);
    const last = told.at(-1);
    if (last?.role === 'function' && role === 'function') last.parts.push(...parts);
    else told.push({ role, parts });
  }
  return told;
}

/** @param names of the tools that were called, by the ids that are unknown here */
function partsOf(message: Exclude<Message, { role: 'system' }>, names: Map<string, string>): GooglePart[] {
  if (message.role === 'tool') {
    // A result must be an object: a text stands in it as its one member.
    const response = { name: names.get(message.toolCallId) ?? '', response: { result: message.content } };
    return [{ functionResponse: response }];
  }
  const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
  for (const { id, name } of calls) names.set(id, name);
  const text = message.content === '' && calls.length > 0 ? [] : [{ text: message.content }];
  return [...text, ...calls.map(({ name, arguments: json }) => ({ functionCall: { name, args: argumentsOf(json) } }))];
}

/** Its events are one line of data each. */
async function* eventsOf(response: Response): AsyncGenerator<GenerateContentResponse> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body!) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== '') yield eventOf(line);
  }
  if (rest.trim() !== '') yield eventOf(rest);
}

function eventOf(line: string): GenerateContentResponse {
  if (!line.startsWith('data:')) throw new ProviderFault('malformed', 'the stream has a line that is no event');
  return JSON.parse(line.slice('data:'.length)) as GenerateContentResponse;
}

type Found = Pick<Completion, 'text' | 'toolCalls' | 'finish' | 'model' | 'responseId'>;

/** What the package's types do not know yet. */
interface Newer {
  readonly modelVersion?: string;
  readonly responseId?: string;
}

/** An answer as it comes; of a whole one there is one part. */
class Heard {
  readonly #call: ProviderCall;
  readonly #toolCalls: ToolCall[] = [];
  #text = '';
  #finish: FinishReason | undefined;
  #named: Newer = {};

  constructor(call: ProviderCall) {
    this.#call = call;
  }

  add(answer: GenerateContentResponse & Newer): void {
    const error = memberOf(answer, 'error');
    if (error) throw new ProviderFault(codeOfError(memberOf(error, 'status')), 'the provider broke off with an error');
    const { candidates, promptFeedback, usageMetadata } = answer;
    this.#named = answer;
    if (usageMetadata) this.#call.usage = usageOf(usageMetadata);
    const [candidate] = candidates ?? [];
    if (promptFeedback?.blockReason) this.#finish = FinishReason.SAFETY;
    else if (!candidate) throw new ProviderFault('malformed', 'the answer has no candidate');
    for (const part of candidate?.content?.parts ?? []) this.#addPart(part);
    this.#finish = candidate?.finishReason ?? this.#finish;
  }

  found(): Found {
    if (this.#finish === undefined) throw new ProviderFault('stream-broken', 'the answer does not say how it ended');
    const { modelVersion, responseId } = this.#named;
    return {
      ...{ text: this.#text, toolCalls: this.#toolCalls, finish: finishOf(this.#finish, this.#toolCalls.length > 0) },
      ...(modelVersion !== undefined && { model: modelVersion }),
      ...(responseId !== undefined && { responseId }),
    };
  }

  #addPart(part: GooglePart): void {
    if (part.functionCall) {
      const { name, args } = part.functionCall;
      const index = this.#toolCalls.length;
      const toolCall = { id: `call-${index}`, name, arguments: JSON.stringify(args) };
      this.#toolCalls.push(toolCall);
      this.#call.tell({ type: 'tool-call', index, ...toolCall });
    } else if (memberOf(part, 'thought') === true) this.#call.heard();
    else if (part.text) {
      this.#text += part.text;
      this.#call.tell({ type: 'text', text: part.text });
    }
  }
}

/** @throws ProviderFault there is no answer in it */
function finishOf(reason: FinishReason, hasCalls: boolean): Completion['finish'] {
  switch (reason) {
    case FinishReason.STOP:
      return hasCalls ? 'tool-calls' : 'stop';
    case FinishReason.MAX_TOKENS:
      return 'length';
    case FinishReason.MALFORMED_FUNCTION_CALL:
    case FinishReason.OTHER:
    case FinishReason.FINISH_REASON_UNSPECIFIED:
      throw new ProviderFault('malformed', 'the model’s answer cannot be read');
    case FinishReason.SAFETY:
    case FinishReason.RECITATION:
    case FinishReason.LANGUAGE:
    case FinishReason.BLOCKLIST:
    case FinishReason.PROHIBITED_CONTENT:
    case FinishReason.SPII:
    // What its package does not know yet is taken for a filter too: it is no answer.
    default:
      return 'refusal';
  }
}

/** What was read from the cache is part of the prompt; thinking is not part of the candidates. */
function usageOf(counted: NonNullable<GenerateContentResponse['usageMetadata']>): TokenUsage {
  const cachedInputTokens = counted.cachedContentTokenCount ?? 0;
  const thoughts = memberOf(counted, 'thoughtsTokenCount');
  return {
    inputTokens: Math.max(0, (counted.promptTokenCount ?? 0) - cachedInputTokens),
    ...{ cachedInputTokens, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
    ...{
      outputTokens: counted.candidatesTokenCount ?? 0,
      reasoningTokens: typeof thoughts === 'number' ? thoughts : 0,
    },
  };
}

/** Some errors come in a list of one. */
function errorOf(body: unknown): unknown {
  return memberOf(Array.isArray(body) ? body[0] : body, 'error');
}

function detailsOf(body: unknown): readonly unknown[] {
  const details = memberOf(errorOf(body), 'details');
  return Array.isArray(details) ? details : [];
}

const wording: Wording = {
  refusal(status, body) {
    const details = detailsOf(body);
    if (details.some((detail) => memberOf(detail, 'reason') === 'API_KEY_INVALID')) return 'unauthenticated';
    if (status === 429) {
      const violations = details.flatMap((detail) => memberOf(detail, 'violations') ?? []);
      const isOfDay = violations.some((violation) => /PerDay/.test(textOf(memberOf(violation, 'quotaId'))));
      return isOfDay ? 'quota-exhausted' : undefined;
    }
    const message = textOf(memberOf(errorOf(body), 'message'));
    return status === 400 && /token count.*exceeds/i.test(message) ? 'context-too-long' : undefined;
  },
  retryAfterMs(body) {
    for (const detail of detailsOf(body)) {
      const delay = /^([\d.]+)s$/.exec(textOf(memberOf(detail, 'retryDelay')));
      if (delay) return Math.round(Number(delay[1]) * 1_000);
    }
    return undefined;
  },
};
