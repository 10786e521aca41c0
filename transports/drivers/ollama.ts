/** Ollama: models on a machine of one's own. */
import { Ollama, type ChatRequest, type ChatResponse, type Message as OllamaMessage } from 'ollama';
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

export interface OllamaOptions {
  /** Such as `http://127.0.0.1:11434`. */
  readonly host: string;
  /** Of a host that wants one. */
  readonly apiKey?: Revealed;
  readonly line: ProviderLine;
}

export function ollama({ host, apiKey, line }: OllamaOptions): AiProvider {
  const headers = apiKey ? { authorization: `Bearer ${apiKey.reveal()}` } : {};
  return {
    name: 'ollama',
    complete(request, attempt) {
      const call = new ProviderCall(line, attempt, { wording, checkLine });
      // One for each call: it has no other place for a `fetch` of its own.
      const client = new Ollama({ host, headers, fetch: call.fetch });
      return call.run(async () => {
        const body = bodyOf(request, attempt.model);
        if (!attempt.onPart) return wholeAnswer(call, await client.chat({ ...body, stream: false }));
        return streamedAnswer(call, await client.chat({ ...body, stream: true }));
      });
    },
    close: () => line.close(),
  };
}

type Body = Omit<ChatRequest, 'stream'>;

function bodyOf(request: CompletionRequest, model: string): Body {
  const { messages, output, maxOutputTokens, temperature, topP, stop, seed } = request;
  const tools = offered(request);
  return {
    ...{ model, messages: conversation(messages) },
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, parameters }) => ({
        type: 'function',
        function: { name, parameters: parameters, ...(description !== undefined && { description }) },
      })),
    }),
    ...(output.type === 'json' && { format: 'json' }),
    ...(output.type === 'json-schema' && { format: output.schema }),
    options: {
      num_predict: maxOutputTokens,
      ...(temperature !== undefined && { temperature }),
      ...(topP !== undefined && { top_p: topP }),
      ...(stop && { stop: [...stop] }),
      ...(seed !== undefined && { seed }),
    },
  };
}

/** It cannot be told which tool to choose: it is shown those that it may. */
function offered({ tools = [], toolChoice }: CompletionRequest): NonNullable<CompletionRequest['tools']> {
  if (toolChoice === 'none') return [];
  return typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : tools;
}

function conversation(messages: readonly Message[]): OllamaMessage[] {
  const names = new Map<string, string>();
  return messages.map((message) => {
    const { role, content } = message;
    // Calls have no ids here: their results are known by the tool.
    if (message.role === 'tool') return { role, content, tool_name: names.get(message.toolCallId) ?? '' };
    if (message.role !== 'assistant' || !message.toolCalls) return { role, content };
    for (const { id, name } of message.toolCalls) names.set(id, name);
    const calls = message.toolCalls.map(({ name, arguments: json }) => ({
      function: { name, arguments: argumentsOf(json) },
    }));
    return { role, content, tool_calls: calls };
  });
}

type Found = Pick<Completion, 'text' | 'toolCalls' | 'finish' | 'model'>;

function wholeAnswer(call: ProviderCall, answer: ChatResponse): Found {
  const error = memberOf(answer, 'error');
  if (error !== undefined) throw new ProviderFault(codeOfError(error), 'the provider answered with an error');
  if (!answer.done) throw new ProviderFault('malformed', 'the answer does not say that it is done');
  const heard = new Heard(call);
  heard.add(answer);
  return heard.found(answer);
}

async function streamedAnswer(call: ProviderCall, answers: AsyncIterable<ChatResponse>): Promise<Found> {
  const heard = new Heard(call);
  let last: ChatResponse | undefined;
  for await (const answer of answers) {
    heard.add(answer);
    if (answer.done) last = answer;
  }
  if (!last) throw new ProviderFault('stream-broken', 'the stream ended without saying that it is done');
  await call.rest();
  return heard.found(last);
}

/** An answer as it comes; of a whole one there is one part. */
class Heard {
  readonly #call: ProviderCall;
  readonly #toolCalls: ToolCall[] = [];
  #text = '';

  constructor(call: ProviderCall) {
    this.#call = call;
  }

  add({ message }: ChatResponse): void {
    if (message.content !== '') {
      this.#text += message.content;
      this.#call.tell({ type: 'text', text: message.content });
    } else if (message.thinking) this.#call.heard();
    for (const { function: called } of message.tool_calls ?? []) {
      const index = this.#toolCalls.length;
      const toolCall = { id: `call-${index}`, name: called.name, arguments: JSON.stringify(called.arguments) };
      this.#toolCalls.push(toolCall);
      this.#call.tell({ type: 'tool-call', index, ...toolCall });
    }
  }

  found(last: ChatResponse): Found {
    this.#call.usage = usageOf(last);
    const isCut = last.done_reason === 'length';
    const finish = isCut ? 'length' : this.#toolCalls.length > 0 ? 'tool-calls' : 'stop';
    return { text: this.#text, toolCalls: this.#toolCalls, finish, model: last.model };
  }
}

/** Thinking is counted as output. Counts are left out where nothing new was read. */
function usageOf({ prompt_eval_count, eval_count }: Partial<ChatResponse>): TokenUsage {
  return {
    ...{ inputTokens: prompt_eval_count ?? 0, cachedInputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
    ...{ outputTokens: eval_count ?? 0, reasoningTokens: 0 },
  };
}

/** Before the SDK sees it, which would print and pass over what is no JSON. */
function checkLine(line: string): void {
  const error = memberOf(JSON.parse(line), 'error');
  if (error !== undefined)
    throw new ProviderFault(codeOfError(error), 'the provider broke the stream off with an error');
}

const wording: Wording = {
  refusal(status, body) {
    const message = textOf(memberOf(body, 'error'));
    if (status === 429) return /usage limit/i.test(message) ? 'quota-exhausted' : undefined;
    return status === 400 && /context (length|window)/i.test(message) ? 'context-too-long' : undefined;
  },
};
