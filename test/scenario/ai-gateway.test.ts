/** Port 8020 as OpenAI's own client uses it, with two vendors behind it that fail and come back. */
import OpenAI, { APIError } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answering } from '../support/fake-ai/answers.ts';
import { dialects } from '../support/fake-ai/dialects.ts';
import { silenceFaults, streamFaults } from '../support/fake-ai/faults.ts';
import { refusing } from '../support/fake-ai/refusals.ts';
import { startFakeAi, type FakeAi } from '../support/fake-ai/server.ts';
import { PlatformProcess } from '../support/platform-process.ts';

const key = 'sk-vendor-key-4711';
const messages = [{ role: 'user' as const, content: 'Is EURUSD going up? Write to joe@example.com.' }];
let [openAi, anthropic]: FakeAi[] = [];
let platform: PlatformProcess;
let client: OpenAI;

beforeAll(async () => {
  [openAi, anthropic] = await Promise.all([startFakeAi(dialects.openai), startFakeAi(dialects.anthropic)]);
  platform = await PlatformProcess.onFreePorts({
    ...{ OPENAI_API_KEY: key, OPENAI_BASE_URL: openAi.baseUrl },
    ...{ ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: anthropic.baseUrl },
  });
  await platform.start();
  client = new OpenAI({
    ...{ apiKey: platform.credentials().trader.apiKey, maxRetries: 0 },
    baseURL: `http://127.0.0.1:${platform.port('ai')}/v1`,
  });
}, 120_000);

afterAll(async () => {
  await platform.dispose();
  await Promise.all([openAi!.close(), anthropic!.close()]);
}, 30_000);

async function textOf(stream: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

test('a completion, whole and streamed, goes to the model that was named, without what is personal', async () => {
  const text = 'The €uro is up.';
  openAi!.next(answering({ text }));
  const answer = await client.chat.completions.create({ model: 'gpt-4o-mini', messages });
  expect(answer).toMatchObject({
    object: 'chat.completion',
    choices: [{ message: { content: text }, finish_reason: 'stop' }],
  });
  const [call] = openAi!.calls;
  expect(call!.asked).toMatchObject({ model: 'gpt-4o-mini', key, isStreamed: false });
  expect(call!.request.body.toString()).toContain('Write to [email removed].');
  openAi!.next(answering({ text, pieces: 5 }));
  expect(await textOf(await client.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true }))).toBe(
    text,
  );
});

test('a provider that fails is followed by another, and asked again when it is back', async () => {
  // It waits when it is told that it asks too often.
  const patient = client.withOptions({ maxRetries: 20 });
  const ask = () => patient.chat.completions.create({ model: 'auto', messages });
  openAi!.otherwise(refusing('unavailable'));
  const models = new Set<string>();
  for (let n = 0; n < 12; n++) models.add((await ask()).model);
  expect(models).toEqual(new Set(['claude-haiku-4-5']));
  openAi!.otherwise(answering());
  const before = openAi!.requestCount;
  // Its breaker lets a probe through a few seconds later.
  let model = '';
  while (model !== 'gpt-4o-mini') ({ model } = await ask());
  expect(openAi!.requestCount).toBeGreaterThan(before);
}, 30_000);

test('a stream that breaks off before its first word goes on elsewhere; one that has begun ends in an error', async () => {
  const ask = () => client.chat.completions.create({ model: 'auto', messages, stream: true });
  openAi!.next(silenceFaults['reset before headers']);
  openAi!.next(silenceFaults['reset before headers']);
  anthropic!.next(answering({ text: 'from another' }));
  expect(await textOf(await ask())).toBe('from another');
  openAi!.next(streamFaults['failed in the middle']);
  await expect(ask().then(textOf)).rejects.toMatchObject({ code: 'PROVIDER_SERVER_ERROR' });
});

test('who goes away is noticed by the provider', async () => {
  openAi!.next(silenceFaults['silent after headers']);
  const controller = new AbortController();
  const count = openAi!.requestCount;
  const asked = client.chat.completions.create({ model: 'gpt-4o-mini', messages }, { signal: controller.signal });
  await openAi!.asked(count + 1);
  controller.abort();
  await expect(asked).rejects.toThrow('aborted');
  await openAi!.calls.at(-1)!.gone;
});

test.each<[string, object, number, string]>([
  ['a model that nobody has', { model: 'gpt-99' }, 404, 'CALLER_MODEL_UNKNOWN'],
  ['two answers at once', { n: 2 }, 400, 'CALLER_UNSUPPORTED'],
  ['a context that is too long', { max_tokens: 131_072, model: 'gpt-4o-mini' }, 400, 'CALLER_CONTEXT_TOO_LONG'],
])('%s is refused in OpenAI’s words', async (_, change, status, code) => {
  const failed = client.chat.completions.create({ model: 'auto', messages, ...change });
  await expect(failed).rejects.toBeInstanceOf(APIError);
  await expect(failed).rejects.toMatchObject({ status, code });
});

test('so is who has no key, and a path that is none', async () => {
  const stranger = new OpenAI({ apiKey: 'at_demo_1_wrong', baseURL: client.baseURL, maxRetries: 0 });
  await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'CALLER_UNAUTHENTICATED' });
  const answer = await fetch(`${client.baseURL}/embeddings`, { method: 'POST' });
  expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([
    404,
    'CALLER_NOT_FOUND',
  ]);
});

test('the same question at temperature 0 is answered once by the provider', async () => {
  const patient = client.withOptions({ maxRetries: 20 });
  const count = openAi!.requestCount;
  const same = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Same?' }], temperature: 0 };
  openAi!.next(answering({ text: 'once' }));
  const answers = await Promise.all([patient.chat.completions.create(same), patient.chat.completions.create(same)]);
  answers.push(await patient.chat.completions.create(same));
  expect(answers.map(({ choices }) => choices[0]!.message.content)).toEqual(['once', 'once', 'once']);
  expect(openAi!.requestCount).toBe(count + 1);
});

test('models are listed, and how each fares is told', async () => {
  const patient = client.withOptions({ maxRetries: 20 });
  const names = (await patient.models.list()).data.map(({ id }) => id);
  expect(names).toEqual(expect.arrayContaining(['technical-analysis-1', 'gpt-4o-mini', 'claude-haiku-4-5']));
  expect(names).not.toContain('gemini-2.5-pro');
  expect(await patient.models.retrieve('gpt-4o-mini')).toMatchObject({ id: 'gpt-4o-mini', owned_by: 'openai' });
  const token = platform.credentials().trader.apiKey;
  const { json } = await platform.call('ai', '/api/v1/ai/providers', { token });
  expect(json.items).toEqual(
    expect.arrayContaining([expect.objectContaining({ provider: 'openai', model: 'gpt-4o-mini', underWay: 0 })]),
  );
  expect(JSON.stringify(json) + platform.output).not.toContain(key);
});
