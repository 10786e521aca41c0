/** OpenAI, and any host that speaks its chat completions. */
import type { IncomingHttpHeaders } from 'node:http';
import OpenAI, { APIError } from 'openai';
import type {
  ChatCompletionChunk,
  ChatCompletionCreateParamsBase,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions/completions';
import type { CompletionUsage } from 'openai/resources/completions';
import type {
  AiProvider,
  Allowance,
  Completion,
  CompletionRequest,
  Message,
  TokenUsage,
  ToolCall,
} from '../../actors/ai/provider.ts';
import { fetchOfCall, optionsOf, ProviderCall, sdkTimeoutMs, type ProviderLine, type Revealed } from './ai-call.ts';
import { codeOfError, memberOf, numberOf, ProviderFault, textOf, type Wording } from './ai-failure.ts';

export interface OpenAiOptions {
  /** `openai` by default. */
  readonly name?: string;
  readonly apiKey: Revealed;
  /** With its version, such as `https://api.openai.com/v1`. */
  readonly baseUrl?: string | undefined;
  readonly line: ProviderLine;
  /** Hosts that know nothing of `max_completion_tokens`. */
  readonly tokenLimitField?: 'max_completion_tokens' | 'max_tokens';
}

export function openAi(options: OpenAiOptions): AiProvider {
  const { name = 'openai', apiKey, baseUrl, line, tokenLimitField = 'max_completion_tokens' } = options;
  const client = new OpenAI({
    ...{ apiKey: apiKey.reveal(), organization: null, project: null, adminAPIKey: null, webhookSecret: null },
    ...{ maxRetries: 0, timeout: sdkTimeoutMs, logLevel: 'off', ...(baseUrl !== undefined && { baseURL: baseUrl }) },
    fetch: fetchOfCall,
  });
  return {
    name,
    complete(request, attempt) {
      const call = new ProviderCall(line, attempt, { wording, explain });
      const options = optionsOf(call);
      const body = bodyOf(request, attempt.model, tokenLimitField);
      return call.run(async () => {
        if (!attempt.onPart)
          return wholeAnswer(call, await client.chat.completions.create({ ...body, stream: false }, options));
        const stream = { stream: true, stream_options: { include_usage: true } } as const;
        return streamedAnswer(call, await client.chat.completions.create({ ...body, ...stream }, options));
      });
    },
    close: () => line.close(),
  };
}

type Body = Omit<ChatCompletionCreateParamsBase, 'stream' | 'stream_options'>;

function bodyOf(
  request: CompletionRequest,
  model: string,
  tokenLimitField: 'max_completion_tokens' | 'max_tokens',
): Body {
  const { messages, output, maxOutputTokens, tools, toolChoice, temperature, topP, stop, seed } = request;
  return {
    ...{ model, messages: messages.map(messageOf), [tokenLimitField]: maxOutputTokens },
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(stop && { stop: [...stop] }),
    ...(seed !== undefined && { seed }),
    ...(tools && { tools: tools.map((tool) => ({ type: 'function' as const, function: { ...tool } })) }),
    ...(toolChoice !== undefined && {
      tool_choice: typeof toolChoice === 'string' ? toolChoice : { type: 'function' as const, function: toolChoice },
    }),
    ...(output.type === 'json' && { response_format: { type: 'json_object' as const } }),
    ...(output.type === 'json-schema' && {
      response_format: {
        type: 'json_schema' as const,
        json_schema: { name: output.name, schema: output.schema, strict: true },
      },
    }),
  };
}

function messageOf(message: Message): ChatCompletionMessageParam {
  switch (message.role) {
    case 'system':
    case 'user':
      return { role: message.role, content: message.content };
    case 'tool':
      return { role: 'tool', tool_call_id: message.toolCallId, content: message.content };
    case 'assistant': {
      const calls = message.toolCalls?.map(({ id, name, arguments: text }) => ({
        ...{ id, type: 'function' as const, function: { name, arguments: text } },
      }));
      return { role: 'assistant', content: message.content, ...(calls && { tool_calls: calls }) };
    }
  }
}

type Found = Pick<Completion, 'text' | 'toolCalls' | 'finish' | 'model' | 'responseId'>;

function wholeAnswer(call: ProviderCall, answer: OpenAI.ChatCompletion): Found {
  const error = memberOf(answer, 'error');
  if (error) throw new ProviderFault(codeOfError(memberOf(error, 'type')), 'the provider answered with an error');
  const choice = answer.choices[0];
  if (!choice) throw new ProviderFault('malformed', 'the answer has no choice');
  if (answer.usage) call.usage = usageOf(answer.usage);
  const { content, refusal, tool_calls } = choice.message;
  const toolCalls = (tool_calls ?? []).flatMap((one) =>
    one.type === 'function' ? [{ id: one.id, name: one.function.name, arguments: one.function.arguments }] : [],
  );
  return {
    ...{ text: content ?? refusal ?? '', toolCalls, finish: finishOf(choice.finish_reason, Boolean(refusal)) },
    ...{ model: answer.model, responseId: answer.id },
  };
}

async function streamedAnswer(call: ProviderCall, chunks: AsyncIterable<ChatCompletionChunk>): Promise<Found> {
  let [text, finish, isRefused] = ['', null as string | null, false];
  let named: Pick<Found, 'model' | 'responseId'> = {};
  const toolCalls: ToolCall[] = [];
  for await (const { id, model, usage, choices } of chunks) {
    named = { model, responseId: id };
    // Some hosts send it beside the last choice, others behind it.
    if (usage) call.usage = usageOf(usage);
    const choice = choices[0];
    if (!choice) continue;
    finish = choice.finish_reason ?? finish;
    const { content, refusal, tool_calls } = choice.delta;
    const piece = content || refusal || '';
    if (refusal) isRefused = true;
    if (piece !== '') {
      text += piece;
      call.tell({ type: 'text', text: piece });
    }
    for (const { index, id: callId, function: called } of tool_calls ?? []) {
      const before = toolCalls[index];
      const more = called?.arguments ?? '';
      const first = before ? {} : { id: callId ?? '', name: called?.name ?? '' };
      toolCalls[index] = before
        ? { ...before, arguments: before.arguments + more }
        : { id: callId ?? '', name: called?.name ?? '', arguments: more };
      call.tell({ type: 'tool-call', index, ...first, arguments: more });
    }
  }
  if (finish === null) throw new ProviderFault('stream-broken', 'the stream ended without saying how');
  await call.rest();
  // The SDK keeps it to itself. Without it the stream was cut behind a whole event.
  if (!/data:\s*\[DONE\]\s*$/.test(call.received.subarray(-64).toString('latin1')))
    throw new ProviderFault('stream-broken', 'the stream ended without its mark');
  return { text, toolCalls, finish: finishOf(finish, isRefused), ...named };
}

function finishOf(reason: string, isRefused: boolean): Completion['finish'] {
  if (isRefused) return 'refusal';
  switch (reason) {
    case 'stop':
    case 'length':
      return reason;
    case 'tool_calls':
    case 'function_call':
      return 'tool-calls';
    case 'content_filter':
      return 'refusal';
    default:
      throw new ProviderFault('malformed', 'the answer ended in an unknown way');
  }
}

/** What was read from the cache and written to it is part of the prompt, thinking part of the completion. */
function usageOf({
  prompt_tokens,
  completion_tokens,
  prompt_tokens_details,
  completion_tokens_details,
}: CompletionUsage): TokenUsage {
  const cachedInputTokens = prompt_tokens_details?.cached_tokens ?? 0;
  const cacheWriteTokens = prompt_tokens_details?.cache_write_tokens ?? 0;
  const reasoningTokens = completion_tokens_details?.reasoning_tokens ?? 0;
  return {
    inputTokens: Math.max(0, prompt_tokens - cachedInputTokens - cacheWriteTokens),
    ...{ cachedInputTokens, cacheWriteTokens, cacheWrite1hTokens: 0 },
    ...{ outputTokens: Math.max(0, completion_tokens - reasoningTokens), reasoningTokens },
  };
}

/** An error in the midst of a stream: the SDK gives it no status. */
function explain(error: unknown): ProviderFault | undefined {
  if (!(error instanceof APIError) || error.status !== undefined || error.error === undefined) return undefined;
  return new ProviderFault(
    codeOfError(memberOf(error.error, 'type')),
    'the provider broke the stream off with an error',
  );
}

const moneyCodes: ReadonlySet<unknown> = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'billing_hard_limit_reached',
]);

const wording: Wording = {
  refusal(status, body) {
    // Some compatible hosts say it without `error` around it.
    const error = memberOf(body, 'error') ?? body;
    const [code, type] = [memberOf(error, 'code'), memberOf(error, 'type')];
    if (status === 429 && (moneyCodes.has(code) || moneyCodes.has(type))) return 'quota-exhausted';
    const isTooLong =
      code === 'context_length_exceeded' || /maximum context length/i.test(textOf(memberOf(error, 'message')));
    return status === 400 && isTooLong ? 'context-too-long' : undefined;
  },
  allowance,
};

function allowance(headers: IncomingHttpHeaders): Allowance | undefined {
  const requests = numberOf(headers['x-ratelimit-remaining-requests']);
  const tokens = numberOf(headers['x-ratelimit-remaining-tokens']);
  if (requests === undefined && tokens === undefined) return undefined;
  const resets = [headers['x-ratelimit-reset-requests'], headers['x-ratelimit-reset-tokens']].map(spanMs);
  const resetMs = Math.max(...resets.map((reset) => reset ?? -1));
  return {
    ...(requests !== undefined && { requests }),
    ...(tokens !== undefined && { tokens }),
    ...(resetMs >= 0 && { resetMs }),
  };
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Such as `6m0s`, `1.5s`, `20ms`. */
function spanMs(text: string | readonly string[] | undefined): number | undefined {
  if (typeof text !== 'string' || !/^([\d.]+(h|ms|m|s))+$/.test(text)) return undefined;
  return [...text.matchAll(/([\d.]+)(h|ms|m|s)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * unitMs[unit!]!,
    0,
  );
}
