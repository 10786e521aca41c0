/** Connections, and how a call ends before its answer does. */
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../../runtime/clock.ts';
import { answering, usualAnswer } from '../../support/fake-ai/answers.ts';
import type { Dialect } from '../../support/fake-ai/dialect.ts';
import { brokenFaults, silenceFaults } from '../../support/fake-ai/faults.ts';
import { answeringLate } from '../../support/fake-ai/oddities.ts';
import { modes, openSession, type Start } from './session.ts';

export function callsContract(dialect: Dialect, start: Start): void {
  test.for(modes)('a connection serves one call after another: %s', async (mode) => {
    const session = await openSession(dialect, start);
    for (let call = 0; call < 10; call += 1) await session.answer(mode);
    expect([session.fake.requestCount, session.fake.connectionCount]).toEqual([10, 1]);
  });

  test.for(modes)('as many connections are open as there are calls at once: %s', async (mode) => {
    const session = await openSession(dialect, start);
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 16 }, () => session.answer(mode)));
    }
    expect(session.fake.requestCount).toBe(48);
    expect(session.fake.connectionCount).toBeLessThanOrEqual(16);
  });

  test.for(modes)('a connection that the provider closes between two calls is not used again: %s', async (mode) => {
    const session = await openSession(dialect, start);
    session.fake.next(async (call) => {
      await answering()(call);
      call.reply.halfClose();
    });
    await session.answer(mode);
    await session.fake.calls[0]!.gone;
    await session.answer(mode);
    expect([session.fake.requestCount, session.fake.connectionCount]).toEqual([2, 2]);
  });

  test('a provider that went down and came back is asked again', async () => {
    const session = await openSession(dialect, start);
    await session.answer('whole');
    await session.fake.goDown();
    expect((await session.failure('whole')).code).toBe('unreachable');
    await session.fake.comeBack();
    expect((await session.answer('whole')).text).toBe(usualAnswer.text);
    expect(session.fake.requestCount).toBe(2);
  });

  test('closing lets go of the connections', async () => {
    const { fake, provider, answer } = await openSession(dialect, start);
    await Promise.all([answer('whole'), answer('streamed')]);
    expect(fake.openConnections).toBeGreaterThan(0);
    provider.close();
    await fake.idle();
    expect(fake.openConnections).toBe(0);
  });

  test.for(modes)('no request is sent for a call that was withdrawn before: %s', async (mode) => {
    const session = await openSession(dialect, start);
    expect((await session.failure(mode, { signal: AbortSignal.abort() })).code).toBe('aborted');
    await session.answer(mode);
    expect(session.fake.requestCount).toBe(1);
  });

  const silences = modes.flatMap((mode) =>
    Object.entries({
      'silent before headers': silenceFaults['silent before headers'],
      'silent after headers': silenceFaults['silent after headers'],
      'silent in the middle': brokenFaults['silent in the middle'],
    }).map(([fault, script]) => ({ mode, fault, script })),
  );
  test.for(silences)('withdrawn while it is $fault: $mode', async ({ mode, script }) => {
    const session = await openSession(dialect, start);
    const controller = new AbortController();
    session.fake.next(script);
    const failed = session.failure(mode, { signal: controller.signal });
    await session.fake.asked(1);
    controller.abort(new Error('the order was cancelled'));
    expect((await failed).code).toBe('aborted');
    await session.fake.calls[0]!.gone;
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    await session.answer(mode);
    expect(session.fake.requestCount).toBe(2);
  });

  test('withdrawn after its first part: what came with it is no answer', async () => {
    const session = await openSession(dialect, start);
    const controller = new AbortController();
    const onPart = (): void => controller.abort();
    expect((await session.failure('streamed', { signal: controller.signal, onPart })).code).toBe('aborted');
    const told = session.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    expect(usualAnswer.text.startsWith(told)).toBe(true);
    expect(told).not.toBe(usualAnswer.text);
  });

  test('calls leave nothing at the signal that they share', async () => {
    const session = await openSession(dialect, start);
    const { signal } = new AbortController();
    for (const mode of modes) await Promise.all([session.answer(mode, { signal }), session.answer(mode, { signal })]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  const limits = { firstTokenMs: 3000, idleMs: 1000 };
  test.for(modes)('a first token just within its limit is in time: %s', async (mode) => {
    const clock = new VirtualClock();
    const session = await openSession(dialect, start, clock);
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    session.fake.next(answeringLate(gate));
    const answer = session.answer(mode, limits);
    await session.fake.asked(1);
    clock.advance(2999);
    open();
    expect(await answer).toMatchObject({ text: usualAnswer.text, latencyMs: 2999, firstTokenMs: 2999 });
    // No timer is left to ring.
    expect(clock.pending).toBe(0);
  });

  test('a piece that comes just within its limit after another is in time', async () => {
    const clock = new VirtualClock();
    const session = await openSession(dialect, start, clock);
    const [gate, first] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    session.fake.next(answeringLate(gate.promise, 'half of it'));
    // The limit of the first token is over by then, and counts no more.
    const answer = session.answer('streamed', { firstTokenMs: 500, idleMs: 1000, onPart: () => first.resolve() });
    await first.promise;
    clock.advance(999);
    gate.resolve();
    expect(await answer).toMatchObject({ text: usualAnswer.text, latencyMs: 999, firstTokenMs: 0 });
  });

  test.for(modes)('a first token that is not there at its limit is too late: %s', async (mode) => {
    const clock = new VirtualClock();
    const session = await openSession(dialect, start, clock);
    session.fake.next(silenceFaults['silent after headers']);
    const failed = session.failure(mode, limits);
    await session.fake.asked(1);
    clock.advance(3000);
    expect((await failed).code).toBe('timeout');
    expect(clock.pending).toBe(0);
  });
}
