/**
 * Answers as OpenAI's clients read them: one object, or a stream of server-sent events. Each is text that goes onto the wire as it is.
 */
import type { Completion, Part, TokenUsage, ToolCall } from '../../../actors/ai/provider.ts';
import type { OfferedModel } from '../../services.ts';

/** What all pieces of one answer say of themselves. */
export interface ChatHead {
  /** Of this answer, such as `chatcmpl-…`. */
  readonly id: string;
  /** As it is to be named to the caller. */
  readonly model: string;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
}

/** A `chat.completion`. */
export function chatCompletion(head: ChatHead, { text, toolCalls, finish, usage }: Completion): string {
  const content = text === '' && (toolCalls.length > 0 || finish === 'refusal') ? null : text;
  const calls = toolCalls.length === 0 ? {} : { tool_calls: toolCalls.map(callView) };
  const message = { role: 'assistant', content, refusal: null, ...calls };
  return JSON.stringify({
    ...{ id: head.id, object: 'chat.completion', created: head.createdSeconds, model: head.model },
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasons[finish] }],
    usage: usageView(usage),
  });
}

/** A refusal by the model and one by a filter are told alike: the clients' helpers then take the text for no answer. */
const finishReasons = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  refusal: 'content_filter',
} as const satisfies Record<Completion['finish'], string>;

function callView({ id, name, arguments: given }: ToolCall) {
  return { id, type: 'function', function: { name, arguments: given } };
}

/** What was read from a provider's cache, and written to it, counts as prompt; reasoning as completion. */
function usageView(usage: TokenUsage) {
  const written = usage.cacheWriteTokens + usage.cacheWrite1hTokens;
  const prompt = usage.inputTokens + usage.cachedInputTokens + written;
  const completion = usage.outputTokens + usage.reasoningTokens;
  return {
    ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens, cache_write_tokens: written },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}

/** The events of one streamed answer, in the order `start`, `part`…, `end`; what fails on the way ends with an error event instead. */
export interface ChatEvents {
  readonly start: string;
  part(part: Part): string;
  /** The reason, the usage where it was asked for, and the mark that nothing is missing. */
  end(completion: Pick<Completion, 'finish' | 'usage'>): string;
}

/** What is the same in all chunks is written once. A piece of text costs its escaping and one concatenation. */
export function chatEvents(head: ChatHead, includeUsage: boolean): ChatEvents {
  const shared = JSON.stringify({
    ...{ id: head.id, object: 'chat.completion.chunk', created: head.createdSeconds, model: head.model },
  });
  const opening = `data: ${shared.slice(0, -1)},"choices":[`;
  const closing = includeUsage ? `],"usage":null}\n\n` : `]}\n\n`;
  const before = `${opening}{"index":0,"delta":`;
  const after = `,"logprobs":null,"finish_reason":null}${closing}`;
  return {
    start: `${before}{"role":"assistant","content":"","refusal":null}${after}`,
    part: (part) => `${before}${deltaText(part)}${after}`,
    end({ finish, usage }) {
      const last = `${before}{},"logprobs":null,"finish_reason":"${finishReasons[finish]}"}${closing}`;
      const used = includeUsage ? `${opening}],"usage":${JSON.stringify(usageView(usage))}}\n\n` : '';
      return `${last}${used}data: [DONE]\n\n`;
    },
  };
}

function deltaText(part: Part): string {
  if (part.type === 'text') return `{"content":${JSON.stringify(part.text)}}`;
  const { index, id, name, arguments: given } = part;
  const first = id === undefined ? {} : { id, type: 'function' };
  const called = { ...(name === undefined ? {} : { name }), arguments: given };
  return JSON.stringify({ tool_calls: [{ index, ...first, function: called }] });
}

/** `GET /v1/models`. */
export function modelList(models: readonly OfferedModel[]): string {
  return JSON.stringify({ object: 'list', data: models.map(modelView) });
}

/** `GET /v1/models/{name}`. */
export function modelObject(model: OfferedModel): string {
  return JSON.stringify(modelView(model));
}

function modelView({ name, createdSeconds, provider }: OfferedModel) {
  return { id: name, object: 'model', created: createdSeconds, owned_by: provider };
}
