/** The official client talks to our codec as if it were OpenAI. */
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Completion, Part } from '../../../../actors/ai/provider.ts';
import { chatErrorKinds, type ChatErrorCode } from '../../../../transports/gateways/openai/errors.ts';
import { chatServer, createdSeconds, type Script } from './support/chat-server.ts';

const completion: Completion = {
  ...{ text: 'Flat.', toolCalls: [], finish: 'stop', latencyMs: 12, firstTokenMs: 5 },
  usage: {
    ...{ inputTokens: 100, cachedInputTokens: 50, cacheWriteTokens: 20, cacheWrite1hTokens: 10 },
    ...{ outputTokens: 7, reasoningTokens: 3 },
  },
};
const question = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'EURUSD?' }] };
const usage = {
  ...{ prompt_tokens: 180, completion_tokens: 10, total_tokens: 190 },
  prompt_tokens_details: { cached_tokens: 50, cache_write_tokens: 30 },
  completion_tokens_details: { reasoning_tokens: 3 },
};
const answer =
  (change: Partial<Completion> = {}, parts?: readonly Part[]) =>
  (): Script => ({
    ...{ type: 'answer', completion: { ...completion, ...change } },
    ...(parts === undefined ? {} : { parts }),
  });
async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const heard: Item[] = [];
  for await (const item of items) heard.push(item);
  return heard;
}
const clock = { id: 'call_1', name: 'clock', arguments: '{"zone":"UTC"}' };

test('an answer comes whole', async () => {
  await using server = await chatServer(answer());
  expect(await server.client().chat.completions.create(question)).toEqual({
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: createdSeconds, model: 'gpt-4o-mini' },
    choices: [
      {
        ...{ index: 0, logprobs: null, finish_reason: 'stop' },
        message: { role: 'assistant', content: 'Flat.', refusal: null },
      },
    ],
    usage,
  });
  expect(server.requests).toEqual([
    {
      ...{ model: 'gpt-4o-mini', stream: false, streamOptions: { includeUsage: false } },
      completion: {
        ...{ messages: [{ role: 'user', content: 'EURUSD?' }], output: { type: 'text' }, maxOutputTokens: 1_024 },
      },
    },
  ]);
});

test.each([
  ['length', 'length'],
  ['refusal', 'content_filter'],
] as const)('an answer that ended by %s has the reason %s, whole and streamed', async (finish, reason) => {
  await using server = await chatServer(answer({ finish, text: '' }));
  const whole = await server.client().chat.completions.create(question);
  const streamed = await server.client().chat.completions.stream(question).finalChatCompletion();
  expect([whole, streamed].map(({ choices }) => choices[0]!.finish_reason)).toEqual([reason, reason]);
});

test('a stream tells text piece by piece, whatever the text holds', async () => {
  const pieces = ['Fl', '"\\\n\u2028', '\ud83d', '\ude00', '.'];
  await using server = await chatServer(
    answer(
      {},
      pieces.map((text) => ({ type: 'text', text })),
    ),
  );
  const stream = await server
    .client()
    .chat.completions.create({ ...question, stream: true, stream_options: { include_usage: true } });
  const chunks = await all(stream);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(pieces.join(''));
  expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual([
    ...Array.from({ length: 6 }, () => null),
    ...['stop', undefined],
  ]);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
  expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
});

test('usage is streamed to those alone who ask for it', async () => {
  await using server = await chatServer(answer());
  const stream = await server.client().chat.completions.create({ ...question, stream: true });
  const chunks = await all(stream);
  expect(chunks.some((chunk) => 'usage' in chunk || chunk.choices.length === 0)).toBe(false);
});

test('calls of tools come alike whole and streamed, and their results go back as the client writes them', async () => {
  const second = { id: 'call_2', name: 'price', arguments: '{"symbol":"EURUSD"}' };
  const parts: Part[] = [
    { type: 'tool-call', index: 0, id: clock.id, name: clock.name, arguments: '' },
    { type: 'tool-call', index: 0, arguments: '{"zone":' },
    { type: 'tool-call', index: 0, arguments: '"UTC"}' },
    { type: 'tool-call', index: 1, ...second },
  ];
  await using server = await chatServer(answer({ text: '', finish: 'tool-calls', toolCalls: [clock, second] }, parts));
  const tools = [clock, second].map(({ name }) => ({
    ...{ type: 'function' as const },
    function: { name, description: `The ${name}.`, strict: true, parameters: { type: 'object', properties: {} } },
  }));
  const asked = { ...question, tools, tool_choice: 'required' as const };
  const whole = await server.client().chat.completions.create(asked);
  const streamed = await server.client().chat.completions.stream(asked).finalChatCompletion();
  const { message, finish_reason: reason } = streamed.choices[0]!;
  expect(reason).toBe('tool_calls');
  expect(message.tool_calls).toMatchObject(whole.choices[0]!.message.tool_calls!);
  expect(whole.choices[0]!.message).toMatchObject({
    ...{ content: null },
    tool_calls: [clock, second].map(({ id, ...call }) => ({ id, type: 'function', function: call })),
  });

  const results = ['12:00', '1.0800'].map((content, at) => ({
    ...{ role: 'tool' as const, content },
    tool_call_id: message.tool_calls![at]!.id,
  }));
  // The message is sent back with all that the client's helper has put beside it.
  await server.client().chat.completions.create({ ...asked, messages: [...question.messages, message, ...results] });
  expect(server.requests.at(-1)!.completion).toMatchObject({
    messages: [
      { role: 'user', content: 'EURUSD?' },
      { role: 'assistant', content: '', toolCalls: [clock, second] },
      { role: 'tool', toolCallId: clock.id, content: '12:00' },
      { role: 'tool', toolCallId: second.id, content: '1.0800' },
    ],
    tools: [
      { name: 'clock', description: 'The clock.', parameters: { type: 'object', properties: {} } },
      { name: 'price', description: 'The price.', parameters: { type: 'object', properties: {} } },
    ],
    toolChoice: 'required',
  });
});

test('a schema of the client is asked for, and what comes is parsed by it', async () => {
  const side = z.object({ side: z.enum(['buy', 'sell', 'flat']) });
  await using server = await chatServer(answer({ text: '{"side":"flat"}' }));
  const parsed = await server
    .client()
    .chat.completions.parse({ ...question, response_format: zodResponseFormat(side, 'advice') });
  expect(parsed.choices[0]!.message.parsed).toEqual({ side: 'flat' });
  expect(server.requests[0]!.completion.output).toMatchObject({
    ...{ type: 'json-schema', name: 'advice' },
    schema: { type: 'object', properties: { side: { enum: ['buy', 'sell', 'flat'] } }, required: ['side'] },
  });
});

test('models are listed and looked up', async () => {
  await using server = await chatServer(answer());
  const listed = await all(server.client().models.list());
  expect(listed).toEqual([
    { id: 'gpt-4o-mini', object: 'model', created: createdSeconds, owned_by: 'openai' },
    { id: 'local', object: 'model', created: createdSeconds, owned_by: 'local' },
  ]);
  expect(await server.client().models.retrieve('local')).toEqual(listed[1]);
});

/** Which class of the client a status becomes. */
const classes: Readonly<Record<number, new (...given: never[]) => InstanceType<typeof OpenAI.APIError>>> = {
  400: OpenAI.BadRequestError,
  401: OpenAI.AuthenticationError,
  403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError,
  429: OpenAI.RateLimitError,
};

test.each(Object.keys(chatErrorKinds) as ChatErrorCode[])(
  '%s is an error of the class its status has, and is sent again only where that may help',
  async (code) => {
    let asked = 0;
    await using server = await chatServer(() => {
      asked += 1;
      return { type: 'error', error: { code, param: 'model', retryAfterMs: 1 } };
    });
    const { status, type, retry, title } = chatErrorKinds[code];
    const error: unknown = await server
      .client(2)
      .chat.completions.create(question)
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(classes[status] ?? (status >= 500 ? OpenAI.InternalServerError : OpenAI.APIError));
    expect(error).toMatchObject({ status, code, type, param: 'model', message: `${status} ${title}` });
    expect(asked).toBe(retry === 'later' ? 3 : 1);
  },
);

test('a stream that fails ends in an error with its code, never as an answer', async () => {
  await using server = await chatServer(() => ({
    ...{ type: 'error', error: { code: 'PROVIDER_STALLED' } },
    after: [{ type: 'text', text: 'Fl' }],
  }));
  const stream = await server.client().chat.completions.create({ ...question, stream: true });
  const heard: string[] = [];
  const reading = (async () => {
    for await (const chunk of stream) heard.push(chunk.choices[0]!.delta.content ?? '');
  })();
  await expect(reading).rejects.toMatchObject({ code: 'PROVIDER_STALLED', status: undefined, type: 'provider_error' });
  expect(heard).toEqual(['', 'Fl']);
});

test('every fault of a request is in the error, and its place is that of the first', async () => {
  await using server = await chatServer(answer());
  const wrong = { ...question, temperature: 3, n: 2, top_p: 0 };
  await expect(server.client().chat.completions.create(wrong)).rejects.toMatchObject({
    ...{ status: 400, code: 'CALLER_INVALID_REQUEST', param: 'temperature' },
    message: expect.stringMatching(/temperature: .*; top_p: .*; n: is not supported/) as string,
  });
  expect(server.requests).toEqual([]);
});

test.each([
  ['whole', false],
  ['streamed', true],
])('a client that withdraws its %s request is gone for the server', async (_, stream) => {
  await using server = await chatServer(() => ({ type: 'stall', parts: [{ type: 'text', text: 'Fl' }] }));
  const abort = new AbortController();
  const asking = server.client().chat.completions.create({ ...question, stream }, { signal: abort.signal });
  if (stream) {
    const chunks = (await asking) as AsyncIterable<{ choices: { delta: { content?: string } }[] }>;
    for await (const chunk of chunks) if (chunk.choices[0]!.delta.content === 'Fl') abort.abort();
  } else {
    void server.asked.then(() => abort.abort());
    await expect(asking).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
  }
  await server.clientGone;
  expect(server.requests).toHaveLength(1);
});
