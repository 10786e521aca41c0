/** Every text of a request that a provider would read, redacted. */
import type { CompletionRequest, JsonSchema, Message, Output, Tool, ToolCall } from './provider.ts';
import { findingKinds, redact, type Finding } from './redaction.ts';

export interface RedactedRequest {
  /** The same value where nothing was found. */
  readonly request: CompletionRequest;
  /** Over all its texts, in the order of `findingKinds`. */
  readonly found: readonly Finding[];
}

/**
 * JSON stays JSON: in arguments and schemas each text and each long number is looked at by itself. Names of tools, ids of calls and stop
 * texts stay, as both sides go by them; names are checked at the door.
 */
export function redactRequest(request: CompletionRequest): RedactedRequest {
  const tally = new Tally();
  const messages = request.messages.map((message) => redactMessage(message, tally));
  const tools = request.tools?.map((tool) => redactTool(tool, tally));
  const output = redactOutput(request.output, tally);
  const found = tally.found();
  if (found.length === 0) return { request, found };
  return { request: { ...request, messages, output, ...(tools === undefined ? {} : { tools }) }, found };
}

class Tally {
  readonly #counts = new Map<string, number>();

  redact(text: string): string {
    const { text: clean, found } = redact(text);
    for (const { kind, count } of found) this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
    return clean;
  }

  found(): Finding[] {
    return findingKinds.flatMap((kind) => {
      const count = this.#counts.get(kind);
      return count === undefined ? [] : [{ kind, count }];
    });
  }
}

function redactMessage(message: Message, tally: Tally): Message {
  const content = tally.redact(message.content);
  if (message.role !== 'assistant' || message.toolCalls === undefined) return { ...message, content };
  return { ...message, content, toolCalls: message.toolCalls.map((call) => redactCall(call, tally)) };
}

function redactCall(call: ToolCall, tally: Tally): ToolCall {
  let value: unknown;
  try {
    value = JSON.parse(call.arguments);
  } catch {
    return { ...call, arguments: tally.redact(call.arguments) };
  }
  const clean = redactJson(value, tally, 1);
  // What a model has nested deeper than anything we know is no JSON that anybody needs back.
  if (clean === tooDeep) return { ...call, arguments: tally.redact(call.arguments) };
  return JSON.stringify(clean) === JSON.stringify(value) ? call : { ...call, arguments: JSON.stringify(clean) };
}

function redactTool(tool: Tool, tally: Tally): Tool {
  const { description, parameters } = tool;
  return {
    ...tool,
    ...(description === undefined ? {} : { description: tally.redact(description) }),
    parameters: redactSchema(parameters, tally),
  };
}

function redactOutput(output: Output, tally: Tally): Output {
  return output.type === 'json-schema' ? { ...output, schema: redactSchema(output.schema, tally) } : output;
}

/** Schemas are at most 32 deep. */
function redactSchema(schema: JsonSchema, tally: Tally): JsonSchema {
  return redactJson(schema, tally, 1) as JsonSchema;
}

const mostDepth = 64;
const tooDeep = Symbol('nested too deep');

function redactJson(value: unknown, tally: Tally, depth: number): unknown {
  if (typeof value === 'string') return tally.redact(value);
  if (typeof value === 'number') {
    const text = String(value);
    const clean = tally.redact(text);
    return clean === text ? value : clean;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth > mostDepth) return tooDeep;
  if (Array.isArray(value)) {
    const items = value.map((item) => redactJson(item, tally, depth + 1));
    return items.includes(tooDeep) ? tooDeep : items;
  }
  const members = Object.entries(value).map(([key, member]) => [
    tally.redact(key),
    redactJson(member, tally, depth + 1),
  ]);
  return members.some(([, member]) => member === tooDeep) ? tooDeep : Object.fromEntries(members);
}
