/** Reads a chat completion request as strictly as OpenAI does. */
import type { CompletionRequest, Message, Output, Tool } from '../../../actors/ai/provider.ts';
import { objectOf, onlyFields, present } from './dialect.ts';
import type { HttpRequest } from './http.ts';

const fields = [
  ...['model', 'messages', 'response_format', 'tools', 'tool_choice', 'temperature', 'top_p', 'stop', 'seed'],
  ...['max_tokens', 'max_completion_tokens', 'stream', 'stream_options'],
];

export function understandOpenAi({ body }: HttpRequest): CompletionRequest {
  const sent = onlyFields(JSON.parse(body.toString()), 'the request', fields);
  return present({
    messages: (sent['messages'] as unknown[]).map(messageOf),
    output: outputOf(sent['response_format']),
    maxOutputTokens: (sent['max_completion_tokens'] ?? sent['max_tokens']) as number,
    tools: (sent['tools'] as unknown[] | undefined)?.map(toolOf),
    toolChoice: toolChoiceOf(sent['tool_choice']),
    temperature: sent['temperature'] as number | undefined,
    topP: sent['top_p'] as number | undefined,
    stop: sent['stop'] as readonly string[] | undefined,
    seed: sent['seed'] as number | undefined,
  });
}

function messageOf(value: unknown): Message {
  const sent = onlyFields(value, 'a message', ['role', 'content', 'tool_calls', 'tool_call_id']);
  const content = (sent['content'] ?? '') as string;
  switch (sent['role']) {
    case 'system':
    case 'developer':
      return { role: 'system', content };
    case 'user':
      return { role: 'user', content };
    case 'assistant': {
      const toolCalls = (sent['tool_calls'] as unknown[] | undefined)?.map((call) => {
        const { id, type, function: called } = onlyFields(call, 'a tool call', ['id', 'type', 'function']);
        if (type !== 'function') throw new Error(`a tool call must be a function, was ${String(type)}`);
        const { name, arguments: text } = onlyFields(called, 'a function', ['name', 'arguments']);
        return { id: id as string, name: name as string, arguments: text as string };
      });
      return present({ role: 'assistant', content, toolCalls }) as Message;
    }
    case 'tool':
      return { role: 'tool', toolCallId: sent['tool_call_id'] as string, content };
    default:
      throw new Error(`a message is of ${String(sent['role'])}`);
  }
}

function outputOf(value: unknown): Output {
  if (value === undefined) return { type: 'text' };
  const { type, json_schema } = onlyFields(value, 'response_format', ['type', 'json_schema']);
  if (type === 'text') return { type: 'text' };
  if (type === 'json_object') return { type: 'json' };
  const { name, schema } = onlyFields(json_schema, 'json_schema', ['name', 'schema', 'strict', 'description']);
  return { type: 'json-schema', name: name as string, schema: objectOf(schema, 'schema') };
}

function toolOf(value: unknown): Tool {
  const { function: told } = onlyFields(value, 'a tool', ['type', 'function']);
  const sent = onlyFields(told, 'a function', ['name', 'description', 'parameters', 'strict']);
  const parameters = objectOf(sent['parameters'], 'parameters');
  return present({ name: sent['name'] as string, description: sent['description'], parameters }) as Tool;
}

function toolChoiceOf(value: unknown): CompletionRequest['toolChoice'] | undefined {
  if (value === undefined || typeof value === 'string') return value as 'auto' | undefined;
  return { name: objectOf(objectOf(value, 'tool_choice')['function'], 'function')['name'] as string };
}
