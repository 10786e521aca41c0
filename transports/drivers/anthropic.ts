/** Anthropic's messages. */
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import type { IncomingHttpHeaders } from 'node:http';
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
import { argumentsOf } from './tool-arguments.ts';

export interface AnthropicOptions {
  readonly apiKey: Revealed;
  /** Without a version, such as `https://api.anthropic.com`. */
  readonly baseUrl?: string | undefined;
  readonly line: ProviderLine;
}

export function anthropic({ apiKey, baseUrl, line }: AnthropicOptions): AiProvider {
  const client = new Anthropic({
    ...{ apiKey: apiKey.reveal(), authToken: null, maxRetries: 0, timeout: sdkTimeoutMs, logLevel: 'off' },
    ...(baseUrl !== undefined && { baseURL: baseUrl }),
    fetch: fetchOfCall,
  });
  return {
    name: 'anthropic',
    complete(request, attempt) {
      const call = new ProviderCall(line, attempt, { wording, explain });
      const options = optionsOf(call);
      return call.run(async () => {
        const body = bodyOf(request, attempt.model);
        if (!attempt.onPart)
          return wholeAnswer(call, await client.messages.create({ ...body, stream: false }, options));
        return streamedAnswer(call, await client.messages.create({ ...body, stream: true }, options));
      });
    },
    close: () => line.close(),
  };
}

type Body = Omit<Anthropic.MessageCreateParamsNonStreaming, 'stream'>;

/** JSON without a schema is not known here: it has to be asked for in words. */
function bodyOf(request: CompletionRequest, model: string): Body {
  const { messages, output, maxOutputTokens, tools, toolChoice, temperature, topP, stop } = request;
  const system = messages.flatMap(({ role, content }) =>
    role === 'system' ? [{ type: 'text' as const, text: content }] : [],
  );
  return {
    ...{ model, max_tokens: maxOutputTokens, messages: conversation(messages) },
    ...(system.length > 0 && { system }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(stop && { stop_sequences: [...stop] }),
    ...(tools && {
      tools: tools.map(({ name, description, parameters }) => ({
        ...{ name, input_schema: parameters as Anthropic.Tool.InputSchema },
        ...(description !== undefined && { description }),
      })),
    }),
    ...(toolChoice !== undefined && { tool_choice: toolChoiceOf(toolChoice) }),
    ...(output.type === 'json-schema' && {
      output_config: { format: { type: 'json_schema' as const, schema: output.schema } },
    }),
  };
}

function toolChoiceOf(choice: NonNullable<CompletionRequest['toolChoice']>): Anthropic.ToolChoice {
  if (typeof choice === 'object') return { type: 'tool', name: choice.name };
  return choice === 'required' ? { type: 'any' } : { type: choice };
}

/** Results of tools stand in the message of the user that follows, before its text; an empty text is refused. */
function conversation(messages: readonly Message[]): Anthropic.MessageParam[] {
  const told: { role: 'user' | 'assistant'; content: Anthropic.ContentBlockParam[] }[] = [];
  for (const message of messages) {
    if (message.role === 'system') continue;
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const blocks = blocksOf(message);
    const last = told.at(-1);
    if (last?.role === 'user' && role === 'user') last.content.push(...blocks);
    else told.push({ role, content: blocks });
  }
  return told;
}

function blocksOf(message: Message): Anthropic.ContentBlockParam[] {
  if (message.role === 'tool')
    return [{ type: 'tool_result', tool_use_id: message.toolCallId, content: message.content }];
  const text: Anthropic.ContentBlockParam[] = message.content === '' ? [] : [{ type: 'text', text: message.content }];
  const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
  return [
    ...text,
    ...calls.map(({ id, name, arguments: json }) => ({
      type: 'tool_use' as const,
      id,
      name,
      input: argumentsOf(json),
    })),
  ];
}

type Found = Pick<Completion, 'text' | 'toolCalls' | 'finish' | 'model' | 'responseId'>;

function wholeAnswer(call: ProviderCall, answer: Anthropic.Message): Found {
  if (memberOf(answer, 'type') === 'error')
    throw new ProviderFault(codeOfError(memberOf(answer, 'error', 'type')), 'the provider answered with an error');
  call.usage = usageOf(answer.usage, call.usage);
  let text = '';
  const toolCalls: ToolCall[] = [];
  for (const block of answer.content) {
    if (block.type === 'text') text += block.text;
    else if (block.type === 'tool_use')
      toolCalls.push({ id: block.id, name: block.name, arguments: JSON.stringify(block.input) });
  }
  return { text, toolCalls, finish: finishOf(answer.stop_reason), model: answer.model, responseId: answer.id };
}

async function streamedAnswer(
  call: ProviderCall,
  events: AsyncIterable<Anthropic.RawMessageStreamEvent>,
): Promise<Found> {
  let [text, finish, isEnded] = ['', null as string | null, false];
  let named: Pick<Found, 'model' | 'responseId'> = {};
  const toolCalls: ToolCall[] = [];
  for await (const event of events) {
    switch (event.type) {
      case 'message_start':
        named = { model: event.message.model, responseId: event.message.id };
        call.usage = usageOf(event.message.usage, call.usage);
        break;
      case 'content_block_start':
        if (event.content_block.type !== 'tool_use') break;
        {
          const { id, name } = event.content_block;
          call.tell({ type: 'tool-call', index: toolCalls.length, id, name, arguments: '' });
          toolCalls.push({ id, name, arguments: '' });
        }
        break;
      case 'content_block_delta':
        if (event.delta.type === 'text_delta') {
          text += event.delta.text;
          call.tell({ type: 'text', text: event.delta.text });
        } else if (event.delta.type === 'input_json_delta') {
          const index = toolCalls.length - 1;
          const before = toolCalls[index]!;
          toolCalls[index] = { ...before, arguments: before.arguments + event.delta.partial_json };
          call.tell({ type: 'tool-call', index, arguments: event.delta.partial_json });
        } else call.heard();
        break;
      case 'message_delta':
        finish = event.delta.stop_reason;
        // Counts of all so far, not of what is new.
        call.usage = usageOf(event.usage, call.usage);
        break;
      case 'message_stop':
        isEnded = true;
        break;
      case 'content_block_stop':
        break;
    }
  }
  if (!isEnded) throw new ProviderFault('stream-broken', 'the stream ended without its mark');
  return { text, toolCalls, finish: finishOf(finish), ...named };
}

function finishOf(reason: string | null): Completion['finish'] {
  switch (reason) {
    case 'end_turn':
    case 'stop_sequence':
      return 'stop';
    case 'max_tokens':
      return 'length';
    case 'tool_use':
      return 'tool-calls';
    case 'refusal':
      return 'refusal';
    case 'model_context_window_exceeded':
      throw new ProviderFault('context-too-long', 'the answer reached the end of the model’s context');
    case null:
    default:
      throw new ProviderFault('malformed', 'the answer ended in an unknown way');
  }
}

type Counted = Pick<
  Anthropic.Usage,
  'input_tokens' | 'output_tokens' | 'cache_read_input_tokens' | 'cache_creation_input_tokens'
>;

/** What was read from the cache or written to it is not part of `input_tokens`; thinking is part of `output_tokens`. @param before where the vendor says it once */
function usageOf(
  counted: { readonly [Name in keyof Counted]?: number | null } | undefined,
  before: TokenUsage | undefined,
): TokenUsage | undefined {
  // A host that speaks the same may not count.
  if (!counted) return before;
  const split = memberOf(counted, 'cache_creation');
  const hour = memberOf(split, 'ephemeral_1h_input_tokens');
  const minutes = memberOf(split, 'ephemeral_5m_input_tokens');
  const cacheWrite1hTokens = typeof hour === 'number' ? hour : (before?.cacheWrite1hTokens ?? 0);
  const written = counted.cache_creation_input_tokens;
  const thinking = memberOf(counted, 'output_tokens_details', 'thinking_tokens');
  const reasoningTokens = typeof thinking === 'number' ? thinking : (before?.reasoningTokens ?? 0);
  return {
    inputTokens: counted.input_tokens ?? before?.inputTokens ?? 0,
    cachedInputTokens: counted.cache_read_input_tokens ?? before?.cachedInputTokens ?? 0,
    cacheWriteTokens:
      typeof minutes === 'number'
        ? minutes
        : typeof written === 'number'
          ? Math.max(0, written - cacheWrite1hTokens)
          : (before?.cacheWriteTokens ?? 0),
    cacheWrite1hTokens,
    outputTokens: Math.max(0, (counted.output_tokens ?? 0) - reasoningTokens),
    reasoningTokens,
  };
}

/** An error in the midst of a stream: the SDK gives it no status. */
function explain(error: unknown): ProviderFault | undefined {
  if (!(error instanceof APIError) || error.status !== undefined || error.error === undefined) return undefined;
  const type = memberOf(error.error, 'error', 'type') ?? memberOf(error.error, 'type');
  return new ProviderFault(codeOfError(type), 'the provider broke the stream off with an error');
}

const wording: Wording = {
  refusal(status, body) {
    const message = textOf(memberOf(body, 'error', 'message'));
    const code = textOf(memberOf(body, 'error', 'details', 'error_code'));
    if (status === 429) return /spend_limit/.test(code) ? 'quota-exhausted' : undefined;
    if (status !== 400) return undefined;
    if (/credit balance is too low/i.test(message)) return 'payment-required';
    return /prompt is too long|exceed context limit/i.test(message) ? 'context-too-long' : undefined;
  },
  allowance(headers, nowMs) {
    const requests = numberOf(headers['anthropic-ratelimit-requests-remaining']);
    const tokens = numberOf(headers['anthropic-ratelimit-tokens-remaining']);
    if (requests === undefined && tokens === undefined) return undefined;
    const resetMs = resetOf(headers, nowMs);
    return {
      ...(requests !== undefined && { requests }),
      ...(tokens !== undefined && { tokens }),
      ...(resetMs !== undefined && { resetMs }),
    } satisfies Allowance;
  },
};

function resetOf(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const times = ['requests', 'tokens'].map((kind) => Date.parse(String(headers[`anthropic-ratelimit-${kind}-reset`])));
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length === 0 ? undefined : Math.max(0, Math.max(...known) - nowMs);
}
