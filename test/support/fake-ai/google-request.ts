/** Reads a generateContent request as strictly as Google does. */
import type { CompletionRequest, Message, Output, Tool, ToolCall } from '../../../actors/ai/provider.ts';
import { callIds, objectOf, onlyFields, present, type CallIds } from './dialect.ts';
import type { HttpRequest } from './http.ts';

const configFields = [
  ...['maxOutputTokens', 'temperature', 'topP', 'stopSequences', 'seed', 'candidateCount', 'responseMimeType'],
  ...['responseSchema', 'responseJsonSchema'],
];

/** Ids of calls are as `callIds` gives them. */
export function understandGoogle({ body }: HttpRequest): CompletionRequest {
  const fields = ['contents', 'systemInstruction', 'generationConfig', 'tools', 'toolConfig'];
  const sent = onlyFields(JSON.parse(body.toString()), 'the request', fields);
  const config = onlyFields(sent['generationConfig'] ?? {}, 'generationConfig', configFields);
  const system = partsOf(sent['systemInstruction'] ?? { parts: [] }).map((part) => part['text'] as string);
  const ids = callIds();
  return present({
    messages: [
      ...system.map((content): Message => ({ role: 'system', content })),
      ...(sent['contents'] as unknown[]).flatMap((content) => messagesOf(content, ids)),
    ],
    output: outputOf(config),
    maxOutputTokens: config['maxOutputTokens'] as number,
    tools: (sent['tools'] as unknown[] | undefined)?.flatMap(toolsOf),
    toolChoice: toolChoiceOf(sent['toolConfig']),
    temperature: config['temperature'] as number | undefined,
    topP: config['topP'] as number | undefined,
    stop: config['stopSequences'] as readonly string[] | undefined,
    seed: config['seed'] as number | undefined,
  });
}

type Part = Readonly<Record<string, unknown>>;

function partsOf(content: unknown): Part[] {
  const { parts } = onlyFields(content, 'a content', ['role', 'parts']);
  return (parts as unknown[]).map((part) => onlyFields(part, 'a part', ['text', 'functionCall', 'functionResponse']));
}

function messagesOf(content: unknown, ids: CallIds): Message[] {
  const { role } = objectOf(content, 'a content');
  const parts = partsOf(content);
  if (parts.length === 0) throw new Error('a content has no parts');
  const texts = parts.flatMap((part) => ('text' in part ? [part['text'] as string] : []));
  if (role === 'model') {
    const toolCalls = parts.flatMap((part) => ('functionCall' in part ? [callOf(part['functionCall'], ids)] : []));
    return [{ role: 'assistant', content: texts.join(''), ...(toolCalls.length > 0 && { toolCalls }) }];
  }
  if (role !== 'user' && role !== 'function') throw new Error(`a content is of ${String(role)}`);
  const results = parts.flatMap((part) =>
    'functionResponse' in part ? [resultOf(part['functionResponse'], ids)] : [],
  );
  return [...results, ...texts.map((content): Message => ({ role: 'user', content }))];
}

function callOf(value: unknown, ids: CallIds): ToolCall {
  const { name, args } = onlyFields(value, 'a call', ['id', 'name', 'args']);
  return { id: ids.called(name as string), name: name as string, arguments: JSON.stringify(objectOf(args, 'args')) };
}

// A result must be an object: a text stands in it as its one member.
function resultOf(value: unknown, ids: CallIds): Message {
  const { name, response } = onlyFields(value, 'a result', ['id', 'name', 'response']);
  const members = Object.values(objectOf(response, 'response'));
  const isText = members.length === 1 && typeof members[0] === 'string';
  const content = isText ? (members[0] as string) : JSON.stringify(response);
  return { role: 'tool', toolCallId: ids.answered(name as string), content };
}

// The name of a schema is not said.
function outputOf(config: Part): Output {
  const schema = config['responseJsonSchema'] ?? config['responseSchema'];
  const type = config['responseMimeType'];
  if (schema !== undefined && type !== 'application/json') throw new Error('a schema wants application/json');
  if (schema !== undefined) return { type: 'json-schema', name: '', schema: objectOf(schema, 'schema') };
  return { type: type === 'application/json' ? 'json' : 'text' };
}

function toolsOf(value: unknown): Tool[] {
  const { functionDeclarations } = onlyFields(value, 'a tool', ['functionDeclarations']);
  return (functionDeclarations as unknown[]).map((told) => {
    const sent = onlyFields(told, 'a function', ['name', 'description', 'parameters', 'parametersJsonSchema']);
    const parameters = objectOf(sent['parametersJsonSchema'] ?? sent['parameters'], 'parameters');
    return present({ name: sent['name'] as string, description: sent['description'], parameters }) as Tool;
  });
}

function toolChoiceOf(value: unknown): CompletionRequest['toolChoice'] | undefined {
  if (value === undefined) return undefined;
  const { functionCallingConfig } = onlyFields(value, 'toolConfig', ['functionCallingConfig']);
  const { mode, allowedFunctionNames } = objectOf(functionCallingConfig, 'functionCallingConfig');
  const [name] = (allowedFunctionNames ?? []) as string[];
  if (mode === 'ANY') return name === undefined ? 'required' : { name };
  return mode === 'NONE' ? 'none' : 'auto';
}
