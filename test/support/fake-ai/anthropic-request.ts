/** Reads a request for a message as strictly as Anthropic does. */
import type { CompletionRequest, Message, Output, Tool } from '../../../actors/ai/provider.ts';
import { objectOf, onlyFields, present } from './dialect.ts';
import type { HttpRequest } from './http.ts';

const fields = [
  ...['model', 'messages', 'system', 'max_tokens', 'output_config', 'tools', 'tool_choice', 'temperature', 'top_p'],
  ...['stop_sequences', 'stream'],
];

export function understandAnthropic({ headers, body }: HttpRequest): CompletionRequest {
  if (!headers['anthropic-version']) throw new Error('anthropic-version is missing');
  const sent = onlyFields(JSON.parse(body.toString()), 'the request', fields);
  const messages = sent['messages'] as { role: string }[];
  if (messages[0]?.role !== 'user') throw new Error('the first message must be the user’s');
  return present({
    messages: [...systemOf(sent['system']), ...messages.flatMap(messagesOf)],
    output: outputOf(sent['output_config']),
    maxOutputTokens: sent['max_tokens'] as number,
    tools: (sent['tools'] as unknown[] | undefined)?.map(toolOf),
    toolChoice: toolChoiceOf(sent['tool_choice']),
    temperature: sent['temperature'] as number | undefined,
    topP: sent['top_p'] as number | undefined,
    stop: sent['stop_sequences'] as readonly string[] | undefined,
  });
}

function systemOf(value: unknown): Message[] {
  if (value === undefined) return [];
  const texts = typeof value === 'string' ? [value] : (value as unknown[]).map(textOf);
  return texts.map((content) => ({ role: 'system', content }));
}

function textOf(value: unknown): string {
  return onlyFields(value, 'a text', ['type', 'text', 'cache_control'])['text'] as string;
}

/** One message of theirs is one of ours, or as many as it holds results of tools. */
function messagesOf(value: unknown): Message[] {
  const { role, content } = onlyFields(value, 'a message', ['role', 'content']);
  const blocks = (typeof content === 'string' ? [{ type: 'text', text: content }] : (content as unknown[])).map(
    (block) => objectOf(block, 'a block'),
  );
  // An empty text is refused by the vendor.
  if (blocks.some((block) => block['type'] === 'text' && block['text'] === '')) throw new Error('a text is empty');
  const text = blocks.filter((block) => block['type'] === 'text').map(textOf);
  if (role === 'assistant') {
    const toolCalls = blocks.filter((block) => block['type'] === 'tool_use').map(toolCallOf);
    return [{ role, content: text.join(''), ...(toolCalls.length > 0 && { toolCalls }) }];
  }
  if (role !== 'user') throw new Error(`a message is of ${String(role)}`);
  const results = blocks.filter((block) => block['type'] === 'tool_result').map(toolResultOf);
  // Results stand before the text that follows them.
  const firstText = blocks.findIndex((block) => block['type'] === 'text');
  if (firstText >= 0 && firstText < results.length) throw new Error('a text stands before a result of a tool');
  return [...results, ...text.map((content): Message => ({ role: 'user', content }))];
}

function toolCallOf(block: unknown): { id: string; name: string; arguments: string } {
  const { id, name, input } = onlyFields(block, 'a tool use', ['type', 'id', 'name', 'input']);
  return { id: id as string, name: name as string, arguments: JSON.stringify(objectOf(input, 'input')) };
}

function toolResultOf(block: unknown): Message {
  const { tool_use_id, content } = onlyFields(block, 'a result', ['type', 'tool_use_id', 'content', 'is_error']);
  const text = typeof content === 'string' ? content : (content as unknown[]).map(textOf).join('');
  return { role: 'tool', toolCallId: tool_use_id as string, content: text };
}

// The name of a schema is not said.
function outputOf(value: unknown): Output {
  if (value === undefined) return { type: 'text' };
  const { format } = onlyFields(value, 'output_config', ['format', 'effort']);
  const { schema, type } = onlyFields(format, 'format', ['type', 'schema']);
  if (type !== 'json_schema') throw new Error(`format must be json_schema, was ${String(type)}`);
  return { type: 'json-schema', name: '', schema: objectOf(schema, 'schema') };
}

function toolOf(value: unknown): Tool {
  const sent = onlyFields(value, 'a tool', ['type', 'name', 'description', 'input_schema', 'cache_control', 'strict']);
  const parameters = objectOf(sent['input_schema'], 'input_schema');
  return present({ name: sent['name'] as string, description: sent['description'], parameters }) as Tool;
}

function toolChoiceOf(value: unknown): CompletionRequest['toolChoice'] | undefined {
  if (value === undefined) return undefined;
  const { type, name } = onlyFields(value, 'tool_choice', ['type', 'name', 'disable_parallel_tool_use']);
  if (type === 'tool') return { name: name as string };
  if (type === 'any') return 'required';
  return type as 'auto' | 'none';
}
