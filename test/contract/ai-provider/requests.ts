/** What the vendor is sent: everything that was asked, in its own words, and nothing else. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CompletionRequest, JsonSchema, Message, Output, ToolCall } from '../../../actors/ai/provider.ts';
import { answering } from '../../support/fake-ai/answers.ts';
import { callIds, present, type Dialect } from '../../support/fake-ai/dialect.ts';
import { key, model, modes, openSession, question, type Start } from './session.ts';

const requests = Math.max(20, Number(process.env['TEST_SCALE'] ?? 1) * 200);

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((text) => text.trim() !== '');
const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,20}$/);

const schema: JsonSchema = {
  type: 'object',
  properties: {
    side: { type: 'string', enum: ['buy', 'sell', 'flat'], description: 'What to do' },
    stop: { type: 'string' },
    evidenceIds: { type: 'array', items: { type: 'string' } },
  },
  required: ['side', 'stop', 'evidenceIds'],
  additionalProperties: false,
};

const tools = fc
  .uniqueArray(name, { minLength: 1, maxLength: 3 })
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.record({ name: fc.constant(name), description: text, parameters: fc.constant(schema) }),
      ),
    ),
  );

const called = fc.array(fc.record({ name, arguments: fc.constantFrom('{}', '{"symbol":"EURUSD","n":[1,2]}') }), {
  minLength: 1,
  maxLength: 3,
});

/** A question, with what was said before: with tools, or without. */
const talk: fc.Arbitrary<Message[]> = fc
  .record({
    system: fc.option(text),
    question: text,
    rounds: fc.array(fc.tuple(text, called, text, text), { maxLength: 2 }),
  })
  .map(({ system, question, rounds }) => [
    ...(system === null ? [] : [{ role: 'system' as const, content: system }]),
    { role: 'user', content: question },
    ...rounds.flatMap(([content, calls, result, next], round): Message[] => {
      const toolCalls = calls.map((call, index): ToolCall => ({ id: `call-${round}-${index}`, ...call }));
      return [
        { role: 'assistant', content, toolCalls },
        ...toolCalls.map(({ id }): Message => ({ role: 'tool', toolCallId: id, content: `${result} ${id}` })),
        { role: 'assistant', content: next },
        { role: 'user', content: next },
      ];
    }),
  ]);

const request: fc.Arbitrary<CompletionRequest> = fc
  .record(
    {
      messages: talk,
      output: fc.constantFrom<Output>({ type: 'text' }, { type: 'json-schema', name: 'signal', schema }),
      maxOutputTokens: fc.integer({ min: 1, max: 8192 }),
      temperature: fc.constantFrom(0, 0.2, 1),
      topP: fc.constantFrom(0.1, 0.95, 1),
      stop: fc.constant(['END', 'STOP']),
      seed: fc.nat({ max: 2 ** 31 - 1 }),
      withTools: fc.record({ tools, choice: fc.constantFrom('auto' as const, 'none', 'required', 'named', undefined) }),
    },
    { requiredKeys: ['messages', 'output', 'maxOutputTokens'] },
  )
  .map(({ withTools, ...rest }) => {
    if (!withTools) return rest;
    const [tool] = withTools.tools;
    const toolChoice = withTools.choice === 'named' ? { name: tool!.name } : withTools.choice;
    return present({ ...rest, tools: withTools.tools, toolChoice });
  });

/** As the vendor can be told. */
function tellable({ name }: Dialect, { seed, toolChoice, ...request }: CompletionRequest): CompletionRequest {
  if (name === 'openai') return present({ ...request, seed, toolChoice });
  const { output } = request;
  const nameless = { ...request, output: output.type === 'json-schema' ? { ...output, name: '' } : output };
  if (name === 'anthropic') return present({ ...nameless, toolChoice });
  const renamed = { ...nameless, messages: byOrder(request.messages), seed };
  return name === 'google' ? present({ ...renamed, toolChoice }) : present(renamed);
}

/** Calls are known by their place where they have no ids. */
function byOrder(messages: readonly Message[]): Message[] {
  const ids = callIds();
  const names = new Map<string, string>();
  return messages.map((message) => {
    if (message.role === 'tool') return { ...message, toolCallId: ids.answered(names.get(message.toolCallId)!) };
    if (message.role !== 'assistant' || !message.toolCalls) return message;
    for (const { id, name } of message.toolCalls) names.set(id, name);
    return { ...message, toolCalls: message.toolCalls.map((call) => ({ ...call, id: ids.called(call.name) })) };
  });
}

export function requestsContract(dialect: Dialect, start: Start): void {
  test('the vendor understands what was asked', async () => {
    const session = await openSession(dialect, start);
    // A vendor that cannot be told to choose no tool, or one, is sent none, or that one.
    const isTellable = ({ toolChoice = 'auto' }: CompletionRequest) =>
      dialect.name !== 'ollama' || toolChoice === 'auto';
    await fc.assert(
      fc.asyncProperty(request.filter(isTellable), fc.constantFrom(...modes), async (asked, mode) => {
        await session.answer(mode, {}, asked);
        expect(dialect.understand(session.fake.calls.at(-1)!.request)).toEqual(tellable(dialect, asked));
      }),
      { numRuns: requests },
    );
  });

  test.for(modes)('the model and the key are where the vendor looks for them: %s', async (mode) => {
    const session = await openSession(dialect, start);
    await session.answer(mode);
    const [call] = session.fake.calls;
    expect(call!.asked).toMatchObject({
      model,
      key,
      isStreamed: mode === 'streamed',
      wantsUsage: mode === 'streamed' || dialect.name !== 'openai',
    });
    expect(call!.request.headers['content-type']).toMatch(/^application\/json/);
    // Not in the path, where proxies log it, nor in the body, which is kept for the record.
    expect(call!.request.path + call!.request.body.toString()).not.toContain(key);
  });

  test('JSON without a schema is asked for where the vendor knows it', async () => {
    const session = await openSession(dialect, start);
    session.fake.next(answering({ text: '{"side":"flat"}' }));
    const messages: Message[] = [{ role: 'user', content: 'Answer in JSON.' }];
    const { text } = await session.answer('whole', {}, { ...question, messages, output: { type: 'json' } });
    expect(text).toBe('{"side":"flat"}');
    if (dialect.name !== 'anthropic') {
      expect(dialect.understand(session.fake.calls[0]!.request).output).toEqual({ type: 'json' });
    }
  });

  test('no tool is offered to a model that shall use none', async () => {
    const session = await openSession(dialect, start);
    const tool = { name: 'price', parameters: schema };
    await session.answer('whole', {}, { ...question, tools: [tool], toolChoice: 'none' });
    const { tools, toolChoice } = dialect.understand(session.fake.calls[0]!.request);
    expect(tools === undefined || toolChoice === 'none').toBe(true);
  });
}
