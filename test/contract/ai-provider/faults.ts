/** What breaks on the way: no part of an answer is ever taken for all of it, and each fault is told by its code. */
import { expect, test } from 'vitest';
import type { CompletionFailureCode } from '../../../actors/ai/provider.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { usualAnswer } from '../../support/fake-ai/answers.ts';
import { countedBy, type Dialect } from '../../support/fake-ai/dialect.ts';
import {
  bodyFaults,
  brokenFaults,
  errorAsAnswer,
  latePingFaults,
  pingFaults,
  silenceFaults,
  streamFaults,
} from '../../support/fake-ai/faults.ts';
import { startFakeAi, type Script } from '../../support/fake-ai/server.ts';
import { key, modes, openSession, sessionOf, type Mode, type Start } from './session.ts';

/** Limits that a fault runs into; the other is never reached. */
const [untilFirst, between] = [
  { firstTokenMs: 100, idleMs: 60_000 },
  { firstTokenMs: 60_000, idleMs: 100 },
];

interface Fault {
  readonly fault: string;
  readonly script: Script;
  /** One of them. */
  readonly codes: readonly CompletionFailureCode[];
  readonly modes: readonly Mode[];
  readonly limits?: typeof untilFirst;
}

function faultsOf({ stream, ping }: Dialect): Fault[] {
  const answer = stream(usualAnswer, { model: 'any', isStreamed: true, key, wantsUsage: true });
  const hasSentinel = answer.sentinel.length > 0;
  const of = <Name extends string>(
    scripts: Readonly<Record<Name, Script>>,
    codes: Readonly<Record<Name, readonly CompletionFailureCode[]>>,
    more: Pick<Fault, 'modes' | 'limits'>,
  ): Fault[] =>
    (Object.keys(scripts) as Name[]).map((fault) => ({ fault, script: scripts[fault], codes: codes[fault], ...more }));
  return [
    ...of(
      silenceFaults,
      {
        'reset before headers': ['unreachable'],
        'closed before headers': ['unreachable'],
        'not HTTP': ['malformed'],
        'headers without end': ['malformed', 'unreachable'],
        'silent before headers': ['timeout'],
        'silent after headers': ['timeout'],
      },
      { modes, limits: untilFirst },
    ),
    ...of(
      brokenFaults,
      {
        'silent in the middle': ['stalled'],
        'cut in a chunk': ['stream-broken'],
        'half-closed between chunks': ['stream-broken'],
        'half-closed in a chunk': ['stream-broken'],
        // In one piece it is JSON that does not parse.
        'clean end in the middle': ['stream-broken', 'malformed'],
        'closed in the middle of a body without length': ['stream-broken', 'malformed'],
      },
      { modes, limits: between },
    ),
    ...of(pingFaults, { 'nothing but pings': ['timeout'] }, { modes: ['streamed'], limits: untilFirst }),
    ...of(latePingFaults, { 'nothing but pings in the middle': ['stalled'] }, { modes: ['streamed'], limits: between }),
    ...of(
      streamFaults,
      {
        'all content without the finish': ['stream-broken'],
        'all content and the finish without the sentinel': ['stream-broken'],
        'nothing at all': ['stream-broken', 'malformed'],
        'half an event among whole ones': ['malformed'],
        'overloaded before the first token': ['overloaded'],
        'overloaded in the middle': ['overloaded'],
        'failed in the middle': ['server-error'],
      },
      { modes: ['streamed'] },
    ),
    ...of(
      bodyFaults,
      {
        'a page instead of an answer': ['malformed'],
        'an empty body': ['malformed', 'stream-broken'],
        'bytes that are no UTF-8': ['malformed'],
        'fewer bytes than announced': ['stream-broken'],
        'a body without end': ['malformed'],
      },
      { modes },
    ),
    ...of(
      { 'an error with status 200': errorAsAnswer },
      { 'an error with status 200': ['overloaded', 'malformed'] },
      { modes: ['whole'] },
    ),
  ].filter(
    ({ fault }) => (hasSentinel || !fault.includes('sentinel')) && (ping !== undefined || !fault.includes('pings')),
  );
}

export function faultsContract(dialect: Dialect, start: Start): void {
  const cases = faultsOf(dialect).flatMap((fault) => fault.modes.map((mode) => ({ ...fault, mode })));
  test.for(cases)('$fault: $mode', async ({ script, codes, limits, mode }) => {
    const session = await openSession(dialect, start);
    session.fake.next(script);
    const result = await session.ask(mode, limits);
    expect(result).toMatchObject({ ok: false });
    if (!result.ok) expect(codes).toContain(result.failure.code);
    const told = session.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    // The body without end says it again and again.
    const said = usualAnswer.text.repeat(1 + Math.floor(told.length / usualAnswer.text.length));
    expect(said.startsWith(told)).toBe(true);
    expect(session.fake.requestCount).toBe(1);
    // Whatever the connection is in, nobody else gets it.
    expect((await session.answer(mode)).text).toBe(usualAnswer.text);
    expect(session.fake.requestCount).toBe(2);
  });

  const endless = cases.filter(({ fault }) => /silent|pings|without end/.test(fault));
  test.for(endless)('nobody listens any more once it has failed: $fault: $mode', async ({ script, limits, mode }) => {
    const session = await openSession(dialect, start);
    session.fake.next(script);
    await session.failure(mode, limits);
    await expect(session.fake.calls[0]!.gone).resolves.toBeUndefined();
  });

  test.for(modes)('a connection that is refused: %s', async (mode) => {
    const session = await openSession(dialect, start);
    await session.fake.goDown();
    expect((await session.failure(mode)).code).toBe('unreachable');
  });

  test.for(modes)('a name that is not found: %s', async (mode) => {
    const fake = await startFakeAi(dialect);
    await fake.close();
    const baseUrl = `http://provider.invalid:${fake.port}${dialect.basePath}`;
    const provider = start({ baseUrl, key, clock: systemClock });
    const failure = await sessionOf(fake, provider).failure(mode);
    provider.close();
    expect(failure.code).toBe('unreachable');
  });

  const isToldFirst = dialect.name === 'anthropic';
  test.runIf(isToldFirst)('what was counted before a stream broke is told with the failure', async () => {
    const session = await openSession(dialect, start);
    session.fake.next(brokenFaults['cut in a chunk']);
    const { usage } = await session.failure('streamed');
    const counted = { ...usualAnswer.usage!, outputTokens: 1, reasoningTokens: 0 };
    expect(usage).toEqual(countedBy(dialect, counted));
  });
}
