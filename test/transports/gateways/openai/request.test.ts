import { expect, test } from 'vitest';
import { chatDecoder, type ChatFault } from '../../../../transports/gateways/openai/request.ts';
import { parseJson } from '../../../../transports/json.ts';

/** Empty for a request. */
function faultsOf(value: unknown): readonly ChatFault[] {
  const outcome = decode(value);
  return outcome.ok ? [] : outcome.faults;
}
const decode = chatDecoder({ usual: 1_024, most: 8_192 });
const user = { role: 'user', content: 'EURUSD?' };
const body = (change: object) => ({ model: 'gpt-4o-mini', messages: [user], ...change });
const called = (id: string) => ({ id, type: 'function', function: { name: 'clock', arguments: '{}' } });
const clock = { type: 'function', function: { name: 'clock' } };
const emptySchema = { type: 'object', properties: {} };
const format = (json_schema: object) => ({ response_format: { type: 'json_schema', json_schema } });

test.each([
  ['nothing but a question', {}, {}],
  ['nulls for what is not set', { temperature: null, tools: null, stop: null, seed: null, n: null, user: null }, {}],
  ['the newer limit', { max_completion_tokens: 8_192 }, { maxOutputTokens: 8_192 }],
  ['the older limit', { max_tokens: 1 }, { maxOutputTokens: 1 }],
  ['the lowest of each number', { temperature: 0, top_p: 0.001, seed: -5 }, { temperature: 0, topP: 0.001, seed: -5 }],
  ['the highest of each number', { temperature: 2, top_p: 1 }, { temperature: 2, topP: 1 }],
  ['one stop', { stop: '\n' }, { stop: ['\n'] }],
  ['four stops', { stop: ['a', 'b', 'c', 'd'] }, { stop: ['a', 'b', 'c', 'd'] }],
  ['no stop in a list', { stop: [] }, {}],
  ['text as the format', { response_format: { type: 'text' } }, {}],
  ['JSON as the format', { response_format: { type: 'json_object' } }, { output: { type: 'json' } }],
  [
    'a schema as the format',
    format({ name: 'a', schema: emptySchema, strict: true }),
    { output: { type: 'json-schema', name: 'a', schema: emptySchema } },
  ],
  [
    'a schema described beside it',
    format({ name: 'a', description: 'Advice.', schema: emptySchema }),
    { output: { type: 'json-schema', name: 'a', schema: { ...emptySchema, description: 'Advice.' } } },
  ],
  [
    'a schema described twice',
    format({ name: 'a', description: 'Beside.', schema: { description: 'Within.' } }),
    { output: { type: 'json-schema', name: 'a', schema: { description: 'Within.' } } },
  ],
  [
    'a tool without arguments, to be called',
    { tools: [clock], tool_choice: clock },
    { tools: [{ name: 'clock', parameters: emptySchema }], toolChoice: { name: 'clock' } },
  ],
  [
    'parts of text, and a developer',
    {
      messages: [
        {
          role: 'developer',
          content: [
            { type: 'text', text: 'Be ' },
            { type: 'text', text: 'brief.' },
          ],
        },
      ],
    },
    { messages: [{ role: 'system', content: 'Be brief.' }] },
  ],
  [
    'a refusal of the model before',
    { messages: [user, { role: 'assistant', content: null, refusal: 'No.', annotations: [] }, user] },
    { messages: [user, { role: 'assistant', content: 'No.' }, user] },
  ],
  [
    'what says no more than its default',
    {
      ...{ n: 1, logprobs: false, logit_bias: {}, frequency_penalty: 0, presence_penalty: 0, store: false },
      ...{ modalities: ['text'], parallel_tool_calls: true, service_tier: 'auto', verbosity: 'medium' },
    },
    {},
  ],
  ['hints that change no answer', { metadata: { a: 'b' }, prompt_cache_key: 'k', safety_identifier: 'u' }, {}],
])('%s is a request', (_, change, expected) => {
  const plain = { messages: [user], output: { type: 'text' }, maxOutputTokens: 1_024 };
  expect(decode(body(change))).toMatchObject({ ok: true, request: { model: 'gpt-4o-mini' } });
  expect(decode(body(change))).toHaveProperty('request.completion', { ...plain, ...expected });
});

test('who asks, and how the answer is to come, is beside the request', () => {
  const asked = decode(body({ user: 'u-1', stream: true, stream_options: { include_usage: true } }));
  expect(asked).toMatchObject({
    request: { user: 'u-1', stream: true, streamOptions: { includeUsage: true } },
  });
  expect(decode(body({ safety_identifier: 'u-2', stream: null }))).toMatchObject({
    request: { user: 'u-2', stream: false, streamOptions: { includeUsage: false } },
  });
});

const [invalid, unsupported] = ['CALLER_INVALID_REQUEST', 'CALLER_UNSUPPORTED'];
const says = (content: unknown) => ({ messages: [{ role: 'user', content }] });

test.each<[unknown, string, string]>([
  [null, invalid, ''],
  [[], invalid, ''],
  ['{}', invalid, ''],
  [{ messages: [user] }, invalid, 'model'],
  [{ model: 'gpt-4o-mini' }, invalid, 'messages'],
  [body({ model: '' }), invalid, 'model'],
  [body({ model: 'gpt\n4' }), invalid, 'model'],
  [body({ messages: [] }), invalid, 'messages'],
  [body({ messages: Array.from({ length: 2_049 }, () => user) }), invalid, 'messages'],
  [body({ messages: [{ role: 'critic', content: 'x' }] }), invalid, 'messages.0.role'],
  [body({ messages: [{ role: 'function', name: 'f', content: 'x' }] }), unsupported, 'messages.0.role'],
  [body({ messages: [{ ...user, name: 'Ann' }] }), unsupported, 'messages.0.name'],
  [body({ messages: [{ ...user, tone: 'calm' }] }), invalid, 'messages.0.tone'],
  [body(says(5)), invalid, 'messages.0.content'],
  [body(says([])), invalid, 'messages.0.content'],
  [body(says([{ type: 'text' }])), invalid, 'messages.0.content.0.text'],
  [body(says([{ type: 'image_url', image_url: { url: 'x' } }])), unsupported, 'messages.0.content.0.type'],
  [body(says([{ type: 'input_audio', input_audio: {} }])), unsupported, 'messages.0.content.0.type'],
  [body({ messages: [{ role: 'assistant', content: null }] }), invalid, 'messages.0.content'],
  [
    body({ messages: [{ role: 'assistant', content: 'x', function_call: { name: 'f' } }] }),
    unsupported,
    'messages.0.function_call',
  ],
  [body({ messages: [{ role: 'tool', tool_call_id: 'a', content: 'x' }] }), invalid, 'messages.0.tool_call_id'],
  [body({ messages: [{ role: 'assistant', tool_calls: [called('a')] }] }), invalid, 'messages.0.tool_calls'],
  [body({ messages: [{ role: 'assistant', tool_calls: [called('a')] }, user] }), invalid, 'messages.1.role'],
  [
    body({
      messages: [
        { role: 'assistant', tool_calls: [called('a'), called('a')] },
        { role: 'tool', tool_call_id: 'a', content: 'x' },
      ],
    }),
    invalid,
    'messages.0.tool_calls',
  ],
  [body({ n: 2 }), unsupported, 'n'],
  [body({ n: '1' }), unsupported, 'n'],
  [body({ logprobs: true }), unsupported, 'logprobs'],
  [body({ top_logprobs: 3 }), unsupported, 'top_logprobs'],
  [body({ modalities: ['text', 'audio'] }), unsupported, 'modalities'],
  [body({ audio: { voice: 'x', format: 'wav' } }), unsupported, 'audio'],
  [body({ functions: [] }), unsupported, 'functions'],
  [body({ reasoning_effort: 'high' }), unsupported, 'reasoning_effort'],
  [body({ web_search_options: {} }), unsupported, 'web_search_options'],
  [body({ frequency_penalty: 0.1 }), unsupported, 'frequency_penalty'],
  [body({ mood: 'good' }), invalid, 'mood'],
  [body({ stream: 'yes' }), invalid, 'stream'],
  [body({ stream_options: { include_usage: true } }), invalid, 'stream_options'],
  [
    body({ stream: true, stream_options: { include_obfuscation: true } }),
    unsupported,
    'stream_options.include_obfuscation',
  ],
  [body({ temperature: 2.1 }), invalid, 'temperature'],
  [body({ temperature: -0.1 }), invalid, 'temperature'],
  [body({ temperature: '1' }), invalid, 'temperature'],
  [body({ top_p: 0 }), invalid, 'top_p'],
  [body({ top_p: 1.1 }), invalid, 'top_p'],
  [body({ max_tokens: 0 }), invalid, 'max_tokens'],
  [body({ max_tokens: 8_193 }), invalid, 'max_tokens'],
  [body({ max_completion_tokens: 1.5 }), invalid, 'max_completion_tokens'],
  [body({ max_tokens: 5, max_completion_tokens: 5 }), invalid, 'max_tokens'],
  [body({ seed: 0.5 }), invalid, 'seed'],
  [body({ stop: '' }), invalid, 'stop.0'],
  [body({ stop: ['a', 'b', 'c', 'd', 'e'] }), invalid, 'stop'],
  [body({ user: 'x'.repeat(513) }), invalid, 'user'],
  [body({ tools: [] }), invalid, 'tools'],
  [body({ tools: [{ type: 'custom' }] }), unsupported, 'tools.0.type'],
  [body({ tools: [{ type: 'function', function: { name: 'a b' } }] }), invalid, 'tools.0.function.name'],
  [body({ tools: [clock, clock] }), invalid, 'tools.1.function.name'],
  [
    body({ tools: [{ type: 'function', function: { name: 'a', parameters: [] } }] }),
    invalid,
    'tools.0.function.parameters',
  ],
  [body({ tool_choice: 'auto' }), invalid, 'tool_choice'],
  [body({ tools: [clock], tool_choice: 'any' }), invalid, 'tool_choice.type'],
  [body({ tools: [clock], tool_choice: { type: 'allowed_tools' } }), unsupported, 'tool_choice.type'],
  [
    body({ tools: [clock], tool_choice: { type: 'function', function: { name: 'watch' } } }),
    invalid,
    'tool_choice.function.name',
  ],
  [body({ response_format: { type: 'xml' } }), invalid, 'response_format.type'],
  [body({ response_format: { type: 'json_schema' } }), invalid, 'response_format.json_schema'],
  [body(format({ name: 'a' })), invalid, 'response_format.json_schema.schema'],
  [body(format({ name: '', schema: {} })), invalid, 'response_format.json_schema.name'],
])('case %#: one thing is wrong, and the fault says what and where', (value, code, param) => {
  expect(decode(value)).toMatchObject({ ok: false, faults: [{ code, param }] });
  expect(faultsOf(value)).toHaveLength(1);
});

test('all faults of a request are told at once', () => {
  const params = faultsOf({ model: 5, messages: [{ role: 'user' }, { role: 'x' }], n: 3, temperature: 9, mood: 1 }).map(
    ({ param }) => param,
  );
  expect(params.toSorted()).toEqual(['messages.0.content', 'messages.1.role', 'model', 'mood', 'n', 'temperature']);
});

test('keys that reach into prototypes change nothing, wherever they stand', () => {
  const poison = '"__proto__":{"stream":true,"polluted":1}';
  const text = `{${poison},"model":"m","messages":[{${poison},"role":"user","content":[{${poison},"type":"text","text":"x"}]}],
    "metadata":{${poison}},"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"properties":{${poison}}}}}}`;
  const params = faultsOf(JSON.parse(text)).map(({ param }) => param);
  expect(params).toEqual([
    'messages.0.content.0.__proto__',
    'messages.0.__proto__',
    'response_format.json_schema.schema',
    '__proto__',
  ]);
  expect('polluted' in {}).toBe(false);
});

test('what is nested too deep is refused, at the door and in the one place that is passed on as it is', () => {
  const deep = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);
  expect(decode(body(format({ name: 'a', schema: deep(32) })))).toMatchObject({ ok: true });
  expect(decode(body(format({ name: 'a', schema: deep(33) })))).toMatchObject({
    faults: [{ param: 'response_format.json_schema.schema', message: 'must be nested at most 32 deep' }],
  });
  expect(decode(body(format({ name: 'a', schema: deep(5_000) })))).toMatchObject({ ok: false });
  expect(parseJson(JSON.stringify(body({ metadata: deep(40) })))).toMatchObject({ fault: 'too-deep' });
});

test('a wrong item ends the list it is in, whatever is wrong with it, and those beside it are told too', () => {
  const parts = [{ type: 'text', text: 'x', colour: 1 }, { type: 'image_url' }, { type: 'text', text: 'y' }, 5];
  expect(faultsOf(body({ messages: [user, { role: 'user', content: parts }, { ...user, tone: 1 }] }))).toMatchObject([
    { code: invalid, param: 'messages.1.content.0.colour' },
    { code: unsupported, param: 'messages.1.content.1.type' },
    { code: invalid, param: 'messages.1.content.3' },
    { code: invalid, param: 'messages.2.tone' },
  ]);
});

test('a body that is full of faults is not looked at to its end', () => {
  let looked = 0;
  const part = () => Object.defineProperty({}, 'type', { enumerable: true, get: () => (looked += 1) });
  const messages = Array.from({ length: 100 }, () => ({
    ...{ role: 'user', content: Array.from({ length: 2_000 }, part) },
  }));
  expect(faultsOf(body({ messages }))).toHaveLength(100);
  expect(looked).toBeGreaterThan(0);
  expect(looked).toBeLessThan(1_000);
});

test('a list of a million wrong things is one fault, and so is no more than a hundred of anything', () => {
  const million = Array.from({ length: 1_000_000 }, () => 0);
  for (const change of [{ messages: million }, { tools: million }, says(million)])
    expect(faultsOf(body(change))).toHaveLength(1);
  const fields = Object.fromEntries(million.slice(0, 10_000).map((_, at) => [`field${at}`, 0]));
  expect(faultsOf(body(fields))).toHaveLength(100);
  expect(faultsOf({ ...body({}), messages: million.slice(0, 2_000) })).toHaveLength(100);
});
