/** The servers against the vendors' own clients: what they read is what was meant, and each fault does what its name says. */
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenerativeAI, type GenerateContentResponse } from '@google/generative-ai';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { answering, usualAnswer } from './answers.ts';
import type { Dialect } from './dialect.ts';
import { dialects } from './dialects.ts';
import { bodyFaults, brokenFaults, silenceFaults, streamFaults } from './faults.ts';
import { oddities } from './oddities.ts';
import { oddRefusals, redirecting, refusing } from './refusals.ts';
import { startFakeAi, type FakeAi, type Script } from './server.ts';

interface Read {
  readonly text: string;
  /** As `name(arguments)`. */
  readonly calls: readonly string[];
  readonly finish: string | null | undefined;
  /** Of input, in the vendor's way of counting. */
  readonly input: number | null | undefined;
}

type Client = (baseUrl: string) => {
  whole(signal?: AbortSignal): Promise<Read>;
  stream(signal?: AbortSignal): Promise<Read>;
};

const { usage } = usualAnswer;
const { inputTokens, cachedInputTokens, cacheWriteTokens } = usage!;

const clients: Record<Dialect['name'], { client: Client; finishes: [string, string]; input: number }> = {
  openai: {
    finishes: ['stop', 'tool_calls'],
    input: inputTokens + cachedInputTokens + cacheWriteTokens,
    client: (baseURL) => {
      const client = new OpenAI({ baseURL, apiKey: 'sk-1', maxRetries: 0, logLevel: 'off' });
      const body = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hi' }] };
      return {
        async whole(signal) {
          const { choices, usage } = await client.chat.completions.create(body, { signal });
          const { message, finish_reason: finish } = choices[0]!;
          const calls = (message.tool_calls ?? []).map((call) =>
            call.type === 'function' ? `${call.function.name}(${call.function.arguments})` : call.type,
          );
          return { text: message.content ?? '', calls, finish, input: usage?.prompt_tokens };
        },
        async stream(signal) {
          const options = { stream: true as const, stream_options: { include_usage: true } };
          let [text, finish, input] = ['', undefined as string | undefined, undefined as number | undefined];
          const calls: string[] = [];
          for await (const chunk of await client.chat.completions.create({ ...body, ...options }, { signal })) {
            const [choice] = chunk.choices;
            text += choice?.delta.content ?? '';
            for (const { index, function: called } of choice?.delta.tool_calls ?? []) {
              calls[index] = (calls[index] ?? `${called!.name}(`) + (called!.arguments ?? '');
            }
            finish = choice?.finish_reason ?? finish;
            input = chunk.usage?.prompt_tokens ?? input;
          }
          return { text, calls: calls.map((call) => `${call})`), finish, input };
        },
      };
    },
  },
  anthropic: {
    finishes: ['end_turn', 'tool_use'],
    input: inputTokens,
    client: (baseURL) => {
      const client = new Anthropic({ baseURL, apiKey: 'sk-1', maxRetries: 0, logLevel: 'off' });
      const body = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hi' }] };
      const read = ({ content, stop_reason: finish, usage }: Anthropic.Message): Read => ({
        text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
        calls: content.flatMap((block) =>
          block.type === 'tool_use' ? [`${block.name}(${JSON.stringify(block.input)})`] : [],
        ),
        ...{ finish, input: usage?.input_tokens },
      });
      return {
        whole: async (signal) => read(await client.messages.create(body, { signal })),
        stream: async (signal) => read(await client.messages.stream(body, { signal }).finalMessage()),
      };
    },
  },
  google: {
    finishes: ['STOP', 'STOP'],
    input: inputTokens + cachedInputTokens,
    client: (baseUrl) => {
      const model = new GoogleGenerativeAI('sk-1').getGenerativeModel({ model: 'gemini-2.5-flash' }, { baseUrl });
      const read = ({ candidates, usageMetadata }: GenerateContentResponse): Read => {
        const { content, finishReason } = candidates![0]!;
        return {
          text: content.parts.map((part) => part.text ?? '').join(''),
          calls: content.parts.flatMap(({ functionCall: call }) =>
            call ? [`${call.name}(${JSON.stringify(call.args)})`] : [],
          ),
          ...{ finish: finishReason, input: usageMetadata?.promptTokenCount },
        };
      };
      return {
        whole: async (signal) => read((await model.generateContent('Hi', signal && { signal })).response),
        stream: async (signal) => {
          const { stream, response } = await model.generateContentStream('Hi', signal && { signal });
          // It fails together with the stream.
          response.catch(() => {});
          for await (const _ of stream);
          return read(await response);
        },
      };
    },
  },
  ollama: {
    finishes: ['stop', 'stop'],
    input: inputTokens,
    client: (host) => {
      const clientOf = (signal?: AbortSignal) =>
        new Ollama({ host, fetch: (url, init) => fetch(url, { ...init, ...(signal && { signal }) }) });
      const body = { model: 'llama3.2', messages: [{ role: 'user', content: 'Hi' }] };
      const callsOf = (message: Awaited<ReturnType<Ollama['chat']>>['message']): string[] =>
        (message.tool_calls ?? []).map((call) => `${call.function.name}(${JSON.stringify(call.function.arguments)})`);
      return {
        async whole(signal) {
          const { message, done_reason: finish, prompt_eval_count: input } = await clientOf(signal).chat(body);
          return { text: message.content, calls: callsOf(message), finish, input };
        },
        async stream(signal) {
          let read: Read = { text: '', calls: [], finish: undefined, input: undefined };
          for await (const chunk of await clientOf(signal).chat({ ...body, stream: true })) {
            const [text, calls] = [read.text + chunk.message.content, [...read.calls, ...callsOf(chunk.message)]];
            read = { text, calls, finish: chunk.done_reason, input: chunk.prompt_eval_count };
          }
          return read;
        },
      };
    },
  },
};

async function fakeOf(name: Dialect['name']): Promise<FakeAi> {
  const fake = await startFakeAi(dialects[name]);
  onTestFinished(() => fake.close());
  return fake;
}

const names = Object.keys(clients) as Dialect['name'][];
const modes = names.flatMap((name) => [
  { name, mode: 'whole' as const },
  { name, mode: 'stream' as const },
]);

test.for(modes)('the client of $name reads an answer: $mode', async ({ name, mode }) => {
  const fake = await fakeOf(name);
  const { client, finishes, input } = clients[name];
  expect(await client(fake.baseUrl)[mode]()).toEqual({ text: usualAnswer.text, calls: [], finish: finishes[0], input });
  expect(fake.calls.map(({ asked }) => asked.isStreamed)).toEqual([mode === 'stream']);
});

test.for(modes)('the client of $name reads calls of tools: $mode', async ({ name, mode }) => {
  const fake = await fakeOf(name);
  const { client, finishes, input } = clients[name];
  const toolCalls = [
    { id: 'call-1', name: 'price', arguments: '{"symbol":"EURUSD"}' },
    { id: 'call-2', name: 'price', arguments: '{"symbol":"XAUUSD","depth":[1,2]}' },
  ];
  fake.next(answering({ text: '', toolCalls, finish: 'tool-calls' }));
  const calls = toolCalls.map((call) => `${call.name}(${call.arguments})`);
  expect(await client(fake.baseUrl)[mode]()).toEqual({ text: '', calls, finish: finishes[1], input });
});

test.for(modes)('the client of $name reads what is unusual and right: $mode', async ({ name, mode }) => {
  const fake = await fakeOf(name);
  const ask = clients[name].client(fake.baseUrl)[mode];
  for (const [oddity, script] of Object.entries(oddities)) {
    fake.next(script);
    const { text } = await ask();
    expect({ oddity, text }).toEqual({ oddity, text: usualAnswer.text });
  }
});

// Silence is ended by the test, and some SDKs call a broken stream a success: nobody reads the whole text in either case.
const unread: Record<string, Script> = {
  ...silenceFaults,
  ...brokenFaults,
  'an empty body': bodyFaults['an empty body'],
  'fewer bytes than announced': bodyFaults['fewer bytes than announced'],
  'a page instead of an answer': bodyFaults['a page instead of an answer'],
  'bytes that are no UTF-8': bodyFaults['bytes that are no UTF-8'],
  ...oddRefusals,
  elsewhere: redirecting('http://127.0.0.1:1/elsewhere'),
};
const endless = ['silent', 'pings', 'silence', 'without end'];

test.for(modes)('no client of $name reads the answer out of what is broken: $mode', async ({ name, mode }) => {
  const fake = await fakeOf(name);
  const ask = clients[name].client(fake.baseUrl)[mode];
  const faults = { ...unread, ...(mode === 'stream' && { 'nothing at all': streamFaults['nothing at all'] }) };
  for (const [fault, script] of Object.entries(faults)) {
    const controller = new AbortController();
    fake.next(script);
    const asked = fake.asked(fake.requestCount + 1);
    const answer = ask(controller.signal).then(
      ({ text }) => text,
      () => 'an error',
    );
    await asked;
    if (endless.some((word) => fault.includes(word))) controller.abort();
    expect({ fault, text: await answer }).not.toEqual({ fault, text: usualAnswer.text });
  }
});

test.for(names)('the client of %s gets the status of each refusal', async (name) => {
  const fake = await fakeOf(name);
  const ask = clients[name].client(fake.baseUrl).whole;
  for (const [kind, status] of [
    ['rate-limited', 429],
    ['no-such-model', 404],
    ['overloaded', 529],
  ] as const) {
    fake.next(refusing(kind));
    const error: unknown = await ask().catch((error: unknown) => error);
    expect({ kind, error }).toMatchObject({ kind, error: name === 'ollama' ? { status_code: status } : { status } });
  }
});

test('a server holds requests, counts them, goes down and comes back', async () => {
  const fake = await fakeOf('openai');
  const ask = clients.openai.client(fake.baseUrl).whole;
  const release = fake.hold();
  const answers = [ask(), ask()];
  await fake.asked(2);
  release();
  expect(await Promise.all(answers)).toHaveLength(2);
  expect([fake.requestCount, fake.connectionCount]).toEqual([2, 2]);
  await fake.goDown();
  await expect(ask()).rejects.toThrow();
  await fake.comeBack();
  expect((await ask()).text).toBe(usualAnswer.text);
  expect(fake.requestCount).toBe(3);
});

test('a script that is for one model or one key waits for it', async () => {
  const fake = await fakeOf('openai');
  const ask = clients.openai.client(fake.baseUrl).whole;
  fake.next(answering({ text: 'of another model' }), { model: 'gpt-5' });
  fake.next(answering({ text: 'of another key' }), { key: 'sk-2' });
  fake.next(answering({ text: 'of mine' }), { model: 'gpt-4o-mini', key: 'sk-1' });
  expect([(await ask()).text, (await ask()).text]).toEqual(['of mine', usualAnswer.text]);
});
