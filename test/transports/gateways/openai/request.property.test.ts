import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chatDecoder } from '../../../../transports/gateways/openai/request.ts';

const decode = chatDecoder({ usual: 1_024, most: 8_192 });
const user = { role: 'user', content: 'EURUSD?' };
const body = (change: object) => ({ model: 'gpt-4o-mini', messages: [user], ...change });
const called = (id: string) => ({ id, type: 'function', function: { name: 'clock', arguments: '{}' } });
const emptySchema = { type: 'object', properties: {} };

const names = [
  ...['model', 'messages', 'stream', 'stream_options', 'tools', 'tool_choice', 'response_format', 'max_tokens', 'stop'],
  ...['temperature', 'top_p', 'seed', 'n', 'logit_bias', 'modalities', 'type', 'function', 'name', 'arguments', 'role'],
  ...['content', 'tool_call_id', 'tool_calls', 'id', 'json_schema', 'schema', 'parameters', 'text', '__proto__'],
];
const word = fc.constantFrom('user', 'assistant', 'tool', 'system', 'function', 'text', 'json_schema', 'auto', 'a', '');
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    word,
    fc.constantFrom(null, true, 0, 1, -1, 1e308, 0.5),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 5 }),
  ),
})).value;

test('whatever JSON comes, it is a request or it has faults; nothing throws', () => {
  const kinds = new Set<boolean>();
  fc.assert(
    fc.property(
      json,
      fc.dictionary(fc.constantFrom(...names), json, { maxKeys: 3 }),
      fc.boolean(),
      (any, change, whole) => {
        const value: unknown = JSON.parse(JSON.stringify(whole ? any : body(change)));
        const outcome = decode(value);
        kinds.add(outcome.ok);
        expect(outcome.ok || outcome.faults.length > 0).toBe(true);
        if (!outcome.ok) return;
        const { maxOutputTokens, messages } = outcome.request.completion;
        expect(maxOutputTokens >= 1 && maxOutputTokens <= 8_192 && messages.length > 0).toBe(true);
        expect(decode(value)).toEqual(outcome);
      },
    ),
    { numRuns: 3_000 },
  );
  expect(kinds.size).toBe(2);
});

const full = body({
  ...{ stream: true, stream_options: { include_usage: true }, temperature: 1, stop: ['x'], seed: 1, user: 'u' },
  messages: [
    { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
    user,
    { role: 'assistant', content: null, tool_calls: [called('a'), called('b')] },
    { role: 'tool', tool_call_id: 'b', content: 'x' },
    { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'y' }] },
  ],
  tools: [{ type: 'function', function: { name: 'clock', parameters: emptySchema, strict: true } }],
  tool_choice: { type: 'function', function: { name: 'clock' } },
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema: emptySchema } },
});

/** Changes one place of a value: the `at`th of all, counted from outside. */
function changeOne(value: unknown, at: number, change: (found: unknown) => unknown): unknown {
  let seen = 0;
  const walk = (one: unknown): unknown => {
    if (seen++ === at) return change(one);
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, member]) => [key, walk(member)]));
  };
  return walk(value);
}

test('a whole request with a few places changed is a request or has faults, and nothing throws', () => {
  expect(decode(full)).toMatchObject({ ok: true });
  const places = [...JSON.stringify(full).matchAll(/[[{,]/g)].length;
  const added = fc.tuple(fc.constantFrom(...names, 'extra'), json);
  const change = fc.oneof(
    json.map((instead) => () => instead),
    added.map(
      ([key, member]) =>
        (found: unknown) =>
          typeof found === 'object' ? { ...found, [key]: member } : found,
    ),
    added.map(
      ([key]) =>
        (found: unknown) =>
          typeof found === 'object' && found !== null && !Array.isArray(found)
            ? Object.fromEntries(Object.entries(found).filter(([name]) => name !== key))
            : found,
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(places), change), { minLength: 1, maxLength: 3 }), (changes) => {
      const value = changes.reduce<unknown>((one, [at, how]) => changeOne(one, at, how), full);
      const outcome = decode(JSON.parse(JSON.stringify(value ?? null)));
      expect(outcome.ok || outcome.faults.every(({ message }) => message.length > 0)).toBe(true);
      expect(outcome.ok || outcome.faults.length > 0).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});
