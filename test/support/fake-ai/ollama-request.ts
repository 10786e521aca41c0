/** Reads a chat request as strictly as it would be understood by Ollama, which overlooks what it does not know. */
import type { CompletionRequest, Message, Output, Tool, ToolCall } from '../../../actors/ai/provider.ts';
import { callIds, objectOf, onlyFields, present, type CallIds } from './dialect.ts';
import type { HttpRequest } from './http.ts';

const optionFields = ['num_predict', 'temperature', 'top_p', 'stop', 'seed', 'num_ctx'];

/** Ids of calls are as `callIds` gives them. */
export function understandOllama({ body }: HttpRequest): CompletionRequest {
  const fields = ['model', 'messages', 'stream', 'format', 'tools', 'options', 'keep_alive', 'think'];
  const sent = onlyFields(JSON.parse(body.toString()), 'the request', fields);
  const options = onlyFields(sent['options'] ?? {}, 'options', optionFields);
  const ids = callIds();
  return present({
    messages: (sent['messages'] as unknown[]).map((message) => messageOf(message, ids)),
    output: outputOf(sent['format']),
    maxOutputTokens: options['num_predict'] as number,
    tools: (sent['tools'] as unknown[] | undefined)?.map(toolOf),
    temperature: options['temperature'] as number | undefined,
    topP: options['top_p'] as number | undefined,
    stop: options['stop'] as readonly string[] | undefined,
    seed: options['seed'] as number | undefined,
  });
}

function messageOf(value: unknown, ids: CallIds): Message {
  const sent = onlyFields(value, 'a message', ['role', 'content', 'tool_calls', 'tool_name', 'tool_call_id']);
  const content = sent['content'] as string;
  if (typeof content !== 'string') throw new Error(`content must be a text, was ${JSON.stringify(content)}`);
  switch (sent['role']) {
    case 'system':
    case 'user':
      return { role: sent['role'], content };
    case 'assistant': {
      const toolCalls = (sent['tool_calls'] as unknown[] | undefined)?.map((call) => callOf(call, ids));
      return present({ role: 'assistant', content, toolCalls }) as Message;
    }
    case 'tool':
      return { role: 'tool', toolCallId: ids.answered(sent['tool_name'] as string), content };
    default:
      throw new Error(`a message is of ${String(sent['role'])}`);
  }
}

function callOf(value: unknown, ids: CallIds): ToolCall {
  const { function: told } = onlyFields(value, 'a tool call', ['id', 'type', 'function']);
  const { name, arguments: input } = onlyFields(told, 'a function', ['index', 'name', 'arguments']);
  const text = JSON.stringify(objectOf(input, 'arguments'));
  return { id: ids.called(name as string), name: name as string, arguments: text };
}

// The name of a schema is not said.
function outputOf(value: unknown): Output {
  if (value === undefined) return { type: 'text' };
  return value === 'json' ? { type: 'json' } : { type: 'json-schema', name: '', schema: objectOf(value, 'format') };
}

function toolOf(value: unknown): Tool {
  const { function: told } = onlyFields(value, 'a tool', ['type', 'function']);
  const sent = onlyFields(told, 'a function', ['name', 'description', 'parameters']);
  const parameters = objectOf(sent['parameters'], 'parameters');
  return present({ name: sent['name'] as string, description: sent['description'], parameters }) as Tool;
}
