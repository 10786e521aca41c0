/** Messages of a chat on the wire → ours. */
import { z } from 'zod';
import type { Message, ToolCall } from '../../../actors/ai/provider.ts';
import { listOf, nameText, neutral, refuseBranch } from './shape.ts';

const mostMessages = 2_048;
const mostParts = 2_048;
const mostToolCalls = 128;

const part = z.discriminatedUnion(
  'type',
  [
    // The last is a hint that no answer depends on.
    z.strictObject({ type: z.literal('text'), text: z.string(), prompt_cache_breakpoint: z.unknown().optional() }),
    z
      .object({ type: z.enum(['image_url', 'input_audio', 'file']) })
      .superRefine(refuseBranch('type', 'images, audio and files are not supported')),
  ],
  'must be text',
);

const content = z.preprocess(
  (value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value),
  listOf(part, 1, mostParts, 'parts, or text').transform((parts) =>
    parts.map((one) => (one.type === 'text' ? one.text : '')).join(''),
  ),
);

const toolCall = z.discriminatedUnion(
  'type',
  [
    // A model's own words come back with whatever its server put beside them.
    z.object({
      ...{ id: z.string().min(1).max(256), type: z.literal('function') },
      function: z.object({ name: nameText, arguments: z.string() }),
    }),
    z.object({ type: z.literal('custom') }).superRefine(refuseBranch('type', 'custom tools are not supported')),
  ],
  'must be function',
);

const name = neutral('; say who speaks in the content');

const message = z.discriminatedUnion(
  'role',
  [
    z.strictObject({ role: z.enum(['system', 'developer', 'user']), content, name }),
    z
      .object({
        ...{ role: z.literal('assistant'), content: content.nullish(), refusal: z.string().nullish() },
        tool_calls: listOf(toolCall, 0, mostToolCalls, 'calls').nullish(),
        ...{ audio: neutral(''), function_call: neutral('; use tool_calls') },
      })
      .superRefine((given, context) => {
        if (typeof given.content === 'string' || typeof given.refusal === 'string' || given.tool_calls?.length) return;
        context.addIssue({ code: 'custom', path: ['content'], message: 'must be there where there are no tool_calls' });
      }),
    z.strictObject({
      ...{ role: z.literal('tool'), tool_call_id: z.string().min(1).max(256), content },
      name: z.string().nullish(),
    }),
    z.object({ role: z.literal('function') }).superRefine(refuseBranch('role', 'is not supported; use tool')),
  ],
  'must be system, developer, user, assistant or tool',
);
type WireMessage = z.output<typeof message>;

export const messages = listOf(message, 1, mostMessages, 'messages').superRefine(checkAnswers);

/** Providers refuse a call without its result, and a result without its call, each in words of its own. */
function checkAnswers(list: readonly WireMessage[], context: z.RefinementCtx): void {
  let open = new Set<string>();
  const fault = (at: number, field: string, message: string) => {
    context.addIssue({ code: 'custom', path: [at, field], message });
  };
  for (const [at, one] of list.entries()) {
    if (one.role === 'tool') {
      if (!open.delete(one.tool_call_id))
        fault(at, 'tool_call_id', 'must be of a call before it that has no result yet');
      continue;
    }
    if (open.size > 0) fault(at, 'role', 'must be tool until every call before it has its result');
    const calls = one.role === 'assistant' ? callsOf(one) : [];
    open = new Set(calls.map(({ id }) => id));
    if (open.size < calls.length) fault(at, 'tool_calls', 'must have ids of their own');
  }
  if (open.size > 0) fault(list.length - 1, 'tool_calls', 'must be followed by their results');
}

export function messageOf(given: WireMessage): Message {
  switch (given.role) {
    case 'system':
    case 'developer':
      return { role: 'system', content: given.content };
    case 'user':
      return { role: 'user', content: given.content };
    case 'assistant': {
      const toolCalls = callsOf(given);
      return {
        role: 'assistant',
        content: given.content ?? given.refusal ?? '',
        ...(toolCalls.length === 0 ? {} : { toolCalls }),
      };
    }
    case 'tool':
      return { role: 'tool', toolCallId: given.tool_call_id, content: given.content };
    case 'function':
      throw new TypeError('a message of this role has been refused');
  }
}

function callsOf({ tool_calls }: Extract<WireMessage, { role: 'assistant' }>): ToolCall[] {
  return (tool_calls ?? []).flatMap((call) =>
    call.type === 'function' ? [{ id: call.id, name: call.function.name, arguments: call.function.arguments }] : [],
  );
}
