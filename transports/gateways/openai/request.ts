/** The body of `POST /v1/chat/completions` as OpenAI's clients send it → what we ask of a provider, or every fault in it at once. */
import { z } from 'zod';
import type { CompletionRequest } from '../../../actors/ai/provider.ts';
import { messageOf, messages } from './messages.ts';
import { mostFaults, neutral, unsupported } from './shape.ts';
import { outputOf, responseFormat, toolChoice, toolChoiceOf, toolOf, tools } from './tools.ts';

export interface ChatRequest {
  /** As the caller names it. */
  readonly model: string;
  readonly stream: boolean;
  readonly streamOptions: { readonly includeUsage: boolean };
  /** Whom the caller asks for; a text of their own. */
  readonly user?: string;
  readonly completion: CompletionRequest;
}

export type ChatOutcome =
  | { readonly ok: true; readonly request: ChatRequest }
  | { readonly ok: false; readonly faults: readonly ChatFault[] };

export interface ChatFault {
  /** `CALLER_UNSUPPORTED`: a known field asks for what is not done here. */
  readonly code: 'CALLER_INVALID_REQUEST' | 'CALLER_UNSUPPORTED';
  /** Where, such as `messages.0.content`; empty for the body as a whole. */
  readonly param: string;
  readonly message: string;
}

export interface OutputTokenLimits {
  /** Where the caller says nothing. */
  readonly usual: number;
  readonly most: number;
}

const longestParam = 256;

/**
 * A decoder for values as `JSON.parse` makes them; it never throws. Absent and null are the same. Hints that no answer depends on
 * (`metadata`, `prompt_cache_key` and the like) are taken and dropped; what would change the answer and is not done here is refused.
 */
export function chatDecoder(limits: OutputTokenLimits): (body: unknown) => ChatOutcome {
  const shape = bodyShape(limits.most).superRefine(checkTogether);
  return (body) => {
    const result = shape.safeParse(withoutNulls(body));
    if (result.success) return { ok: true, request: requestOf(result.data, limits.usual) };
    return { ok: false, faults: result.error.issues.flatMap(faultsOf).slice(0, mostFaults) };
  };
}

/** Clients write null for what they do not set. */
function withoutNulls(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const members = Object.entries(body);
  return members.some(([, value]) => value === null)
    ? Object.fromEntries(members.filter(([, value]) => value !== null))
    : body;
}

const callerText = z.string().max(512, 'must have at most 512 characters').optional();
const hint = z.unknown().optional();

function bodyShape(mostTokens: number) {
  const tokens = z.int().min(1).max(mostTokens).optional();
  return z.strictObject({
    model: z.string().regex(/^[\x21-\x7e]{1,256}$/, 'must be 1 to 256 printable characters of ASCII without spaces'),
    messages,
    ...{ stream: z.boolean().optional(), user: callerText, safety_identifier: callerText },
    stream_options: z
      .strictObject({
        include_usage: z.boolean().nullish(),
        include_obfuscation: neutral('', (value) => value === false),
      })
      .optional(),
    ...{ tools: tools.optional(), tool_choice: toolChoice.optional(), response_format: responseFormat.optional() },
    ...{ max_tokens: tokens, max_completion_tokens: tokens },
    temperature: z.number().min(0).max(2).optional(),
    top_p: z.number().gt(0).max(1).optional(),
    stop: z
      .preprocess(
        (value) => (typeof value === 'string' ? [value] : value),
        z.array(z.string().min(1).max(256), 'must be text or a list of texts').max(4),
      )
      .optional(),
    seed: z.int().optional(),
    ...notDone,
    ...hints,
  });
}

const notDone = {
  n: neutral('; ask as many times as you want answers', (value) => value === 1),
  audio: neutral(''),
  modalities: neutral('; answers are text', (value) => Array.isArray(value) && value.every((one) => one === 'text')),
  logprobs: neutral('', (value) => value === false),
  top_logprobs: neutral(''),
  logit_bias: neutral('', (value) => typeof value === 'object' && Object.keys(value!).length === 0),
  frequency_penalty: neutral('', (value) => value === 0),
  presence_penalty: neutral('', (value) => value === 0),
  functions: neutral('; use tools'),
  function_call: neutral('; use tool_choice'),
  parallel_tool_calls: neutral('', (value) => value === true),
  prediction: neutral(''),
  moderation: neutral(''),
  reasoning_effort: neutral('; choose a model instead'),
  verbosity: neutral('', (value) => value === 'medium'),
  service_tier: neutral('', (value) => value === 'auto' || value === 'default'),
  store: neutral('', (value) => value === false),
  web_search_options: neutral(''),
};

const hints = { metadata: hint, prompt_cache_key: hint, prompt_cache_options: hint, prompt_cache_retention: hint };

type Body = z.output<ReturnType<typeof bodyShape>>;

function checkTogether(body: Body, context: z.RefinementCtx): void {
  const fault = (path: string[], message: string) => {
    context.addIssue({ code: 'custom', path, message });
  };
  const { tools: given, tool_choice: choice } = body;
  if (body.max_tokens !== undefined && body.max_completion_tokens !== undefined)
    fault(['max_tokens'], 'must be absent with max_completion_tokens');
  if (body.stream_options !== undefined && body.stream !== true)
    fault(['stream_options'], 'must be absent without stream');
  if (choice === undefined) return;
  if (given === undefined) return fault(['tool_choice'], 'must be absent without tools');
  if (!('function' in choice)) return;
  const { name } = choice.function;
  if (!given.flatMap(toolOf).some((tool) => tool.name === name))
    fault(['tool_choice', 'function', 'name'], 'must be one of the tools');
}

function requestOf(body: Body, usualTokens: number): ChatRequest {
  const { temperature, top_p: topP, stop, seed, tool_choice: choice } = body;
  const user = body.user ?? body.safety_identifier;
  return {
    ...{ model: body.model, stream: body.stream === true },
    streamOptions: { includeUsage: body.stream_options?.include_usage === true },
    ...(user === undefined ? {} : { user }),
    completion: {
      messages: body.messages.map(messageOf),
      output: outputOf(body.response_format),
      maxOutputTokens: body.max_completion_tokens ?? body.max_tokens ?? usualTokens,
      ...(body.tools === undefined ? {} : { tools: body.tools.flatMap(toolOf) }),
      ...(choice === undefined ? {} : { toolChoice: toolChoiceOf(choice) }),
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
      ...(stop === undefined || stop.length === 0 ? {} : { stop }),
      ...(seed === undefined ? {} : { seed }),
    },
  };
}

function faultsOf(issue: z.core.$ZodIssue): ChatFault[] {
  if (issue.code === 'unrecognized_keys') {
    const known = issue.keys.slice(0, mostFaults);
    return known.map((key) => invalid([...issue.path, key], 'is not a known field'));
  }
  const isUnsupported = issue.code === 'custom' && issue.params?.[unsupported] === true;
  const fault = invalid(issue.path, issue.message);
  return [isUnsupported ? { ...fault, code: 'CALLER_UNSUPPORTED' } : fault];
}

function invalid(path: readonly PropertyKey[], message: string): ChatFault {
  return { code: 'CALLER_INVALID_REQUEST', param: path.map(String).join('.').slice(0, longestParam), message };
}
