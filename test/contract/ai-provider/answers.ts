/** What an answer says, streamed or not, however it was cut up. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TokenUsage } from '../../../actors/ai/provider.ts';
import { VirtualClock } from '../../../runtime/clock.ts';
import { answering, bodyOf, usualAnswer } from '../../support/fake-ai/answers.ts';
import { countedBy, type Answer, type Dialect } from '../../support/fake-ai/dialect.ts';
import { oddities } from '../../support/fake-ai/oddities.ts';
import { model, modes, openSession, type Start } from './session.ts';

const answers = Number(process.env['TEST_SCALE'] ?? 1) * 1000;

const count = fc.nat({ max: 5_000_000 });
const usage: fc.Arbitrary<TokenUsage> = fc.record({
  ...{ inputTokens: count, cachedInputTokens: count, cacheWriteTokens: count, cacheWrite1hTokens: count },
  ...{ outputTokens: count, reasoningTokens: count },
});
const toolCall = fc.record({
  name: fc.stringMatching(/^[a-z_][a-z0-9_-]{0,20}$/),
  arguments: fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue()).map((value) => JSON.stringify(value)),
});
const answer: fc.Arbitrary<Answer> = fc
  .record({
    ...{ text: fc.string({ unit: 'binary', maxLength: 200 }), calls: fc.array(toolCall, { maxLength: 3 }), usage },
    ...{ isCutOff: fc.boolean(), pieces: fc.integer({ min: 1, max: 12 }) },
  })
  .map(({ text, calls, usage, isCutOff, pieces }) => {
    const finish = isCutOff ? 'length' : 'stop';
    const toolCalls = calls.map((call, index) => ({ id: `call-${index}`, ...call }));
    return { id: 'answer-1', text, toolCalls, usage, pieces, finish: toolCalls.length > 0 ? 'tool-calls' : finish };
  });

export function answersContract(dialect: Dialect, start: Start): void {
  test('an answer is the same streamed and in one piece, wherever its bytes are cut', async () => {
    const session = await openSession(dialect, start);
    await fc.assert(
      fc.asyncProperty(answer, fc.array(fc.nat(), { maxLength: 30 }), async (meant, cuts) => {
        const heard = [];
        for (const mode of modes) {
          session.fake.next(answering(meant, { cuts }));
          const { text, toolCalls, finish, usage } = await session.answer(mode);
          expect(new Set(toolCalls.map((call) => call.id)).size).toBe(toolCalls.length);
          heard.push({ text, toolCalls: toolCalls.map(withoutId), finish, usage });
        }
        const { text, finish, usage } = meant;
        const toolCalls = meant.toolCalls.map(withoutId);
        const wanted = { text, toolCalls, finish, usage: countedBy(dialect, usage!) };
        expect(heard).toEqual([wanted, wanted]);
      }),
      { numRuns: Math.max(20, answers / 10) },
    );
  });

  test.for(modes)('an answer tells its model, its id, its times and its bytes: %s', async (mode) => {
    const session = await openSession(dialect, start);
    const { latencyMs, firstTokenMs, exchange, ...completion } = await session.answer(mode);
    expect(completion.model).toBe(model);
    expect(completion.responseId).toBe(dialect.name === 'ollama' ? undefined : usualAnswer.id);
    expect(firstTokenMs).toBeGreaterThan(0);
    expect(latencyMs).toBeGreaterThanOrEqual(firstTokenMs);
    const [{ request, asked }] = session.fake.calls as [(typeof session.fake.calls)[0]];
    expect(asked.isStreamed).toBe(mode === 'streamed');
    expect(Buffer.from(exchange!.requestBody).toString()).toBe(request.body.toString());
    expect(Buffer.from(exchange!.responseBody).toString()).toBe(bodyOf(dialect, usualAnswer, asked));
  });

  const cases = modes.flatMap((mode) => Object.entries(oddities).map(([oddity, script]) => ({ mode, oddity, script })));
  test.for(cases)('$oddity: $mode', async ({ mode, script }) => {
    const session = await openSession(dialect, start);
    session.fake.next(script);
    const { text, finish, usage } = await session.answer(mode);
    const wanted = { text: usualAnswer.text, finish: 'stop', usage: countedBy(dialect, usualAnswer.usage!) };
    expect({ text, finish, usage }).toEqual(wanted);
  });

  test.for(modes)('an answer that was not counted is an answer: %s', async (mode) => {
    const session = await openSession(dialect, start);
    session.fake.next(answering({ usage: undefined }));
    const { text, usage } = await session.answer(mode);
    expect(text).toBe(usualAnswer.text);
    for (const tokens of Object.values(usage)) expect(tokens).toBeGreaterThanOrEqual(0);
  });

  test.for(modes)('thinking may leave no room for an answer: %s', async (mode) => {
    const session = await openSession(dialect, start);
    session.fake.next(answering({ text: '', finish: 'length' }));
    expect(await session.answer(mode)).toMatchObject({ text: '', finish: 'length' });
  });

  test.for(modes)('a refusal is told from an answer: %s', async (mode) => {
    const session = await openSession(dialect, start);
    for (const finish of dialect.refusals) {
      session.fake.next(answering({ finish }));
      expect(await session.answer(mode)).toMatchObject({ finish: 'refusal' });
    }
    expect(session.fake.requestCount).toBe(dialect.refusals.length);
  });

  const words = modes.flatMap((mode) => finishWords[dialect.name].map(([word, wanted]) => ({ mode, word, wanted })));
  test.for(words)('an answer that ends with $word is $wanted: $mode', async ({ mode, word, wanted }) => {
    const session = await openSession(dialect, start);
    session.fake.next(answering({ finishWord: word }));
    const result = await session.ask(mode);
    expect(result.ok ? result.completion.finish : result.failure.code).toBe(wanted);
  });

  const { allowance } = dialect;
  const limited = modes.filter(() => allowance !== undefined);
  test.for(limited)('an answer tells what is left of the rate limits: %s', async (mode) => {
    const clock = new VirtualClock(Date.UTC(2026, 10, 24) * 1000);
    const session = await openSession(dialect, start, clock);
    const left = { requests: 7, tokens: 900, resetMs: 126_500 };
    session.fake.next(answering({}, { headers: allowance!(left, clock.wallMicros() / 1000) }));
    expect((await session.answer(mode)).allowance).toEqual(left);
  });
}

const finishWords: Record<Dialect['name'], readonly (readonly [string, string])[]> = {
  openai: [['content_filter', 'refusal']],
  anthropic: [
    ['stop_sequence', 'stop'],
    ['model_context_window_exceeded', 'context-too-long'],
  ],
  google: [
    ['RECITATION', 'refusal'],
    ['BLOCKLIST', 'refusal'],
    ['PROHIBITED_CONTENT', 'refusal'],
    ['SPII', 'refusal'],
    ['MALFORMED_FUNCTION_CALL', 'malformed'],
  ],
  ollama: [],
};

function withoutId({ name, arguments: text }: { name: string; arguments: string }): object {
  return { name, arguments: text };
}
