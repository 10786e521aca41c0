/** Tools and formats of an answer on the wire → ours. */
import { z } from 'zod';
import type { CompletionRequest, JsonSchema, Output, Tool } from '../../../actors/ai/provider.ts';
import { maxDepth } from '../../json.ts';
import { listOf, nameText, refuseBranch } from './shape.ts';

const mostTools = 128;

/** Passed on as it is, whatever it says: only that it is JSON of an ordinary depth is seen to. */
const jsonSchema = z
  .custom<JsonSchema>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    error: 'must be a JSON Schema: an object',
  })
  .superRefine((schema, context) => {
    const message = faultOfJson(schema, 1);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

function faultOfJson(value: unknown, depth: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > maxDepth) return `must be nested at most ${maxDepth} deep`;
  for (const [key, member] of Object.entries(value)) {
    if (key === '__proto__') return 'must have no key __proto__';
    const fault = faultOfJson(member, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Helpers of clients ask for `strict` always. That arguments follow their schema is for whoever calls the tool to see. */
const strict = z.boolean().nullish();
const description = z.string().nullish();

const tool = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('function'),
      function: z.strictObject({ name: nameText, description, parameters: jsonSchema.nullish(), strict }),
    }),
    z.object({ type: z.literal('custom') }).superRefine(refuseBranch('type', 'custom tools are not supported')),
  ],
  'must be function',
);

export const tools = listOf(tool, 1, mostTools, 'tools').superRefine((list, context) => {
  const seen = new Set<string>();
  for (const [at, { name }] of list.flatMap(toolOf).entries()) {
    if (seen.has(name))
      context.addIssue({ code: 'custom', path: [at, 'function', 'name'], message: 'must be of one tool alone' });
    seen.add(name);
  }
});

export function toolOf(given: z.output<typeof tool>): Tool[] {
  if (given.type !== 'function') return [];
  const { name, description, parameters } = given.function;
  return [
    {
      name,
      ...(typeof description === 'string' ? { description } : {}),
      parameters: parameters ?? { type: 'object', properties: {} },
    },
  ];
}

export const toolChoice = z.preprocess(
  (value) => (typeof value === 'string' ? { type: value } : value),
  z.discriminatedUnion(
    'type',
    [
      z.strictObject({ type: z.enum(['auto', 'none', 'required']) }),
      z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: nameText }) }),
      z
        .object({ type: z.enum(['allowed_tools', 'custom']) })
        .superRefine(refuseBranch('type', 'is not supported; name a function, or choose auto, none or required')),
    ],
    'must be auto, none, required, or a function',
  ),
);

export function toolChoiceOf(given: z.output<typeof toolChoice>): NonNullable<CompletionRequest['toolChoice']> {
  if ('function' in given) return { name: given.function.name };
  return given.type as 'auto' | 'none' | 'required';
}

export const responseFormat = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.enum(['text', 'json_object']) }),
    z.strictObject({
      type: z.literal('json_schema'),
      json_schema: z.strictObject({ name: nameText, description, schema: jsonSchema, strict }),
    }),
  ],
  'must be text, json_object or json_schema',
);

export function outputOf(given: z.output<typeof responseFormat> | undefined): Output {
  if (given?.type === 'json_object') return { type: 'json' };
  if (given?.type !== 'json_schema') return { type: 'text' };
  const { name, description, schema } = given.json_schema;
  // JSON Schema has a place of its own for it, which every provider reads.
  const described = typeof description === 'string' && !Object.hasOwn(schema, 'description');
  return { type: 'json-schema', name, schema: described ? { ...schema, description } : schema };
}
