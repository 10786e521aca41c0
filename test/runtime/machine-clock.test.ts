/** The system on the machine's clock, whose hands are moved by the test. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Runnable, Scheduler } from '../../runtime/scheduler.ts';
import { createSystem } from '../../runtime/system.ts';
import { trapRejections } from '../support/rejections.ts';
import { handler, settle, supervisor, worker } from '../support/test-system.ts';

trapRejections();

let nowMs = 0;
beforeEach(() => {
  nowMs = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => void vi.restoreAllMocks());

test('a message told late in a long turn is worth handling for the whole of its time', async () => {
  const system = createSystem({ name: 'test' });
  const handled: number[] = [];
  const slow = handler<string>((_message, context) => {
    nowMs += 30;
    context.tell(system.find<number>('/b')!, nowMs, { ttlMs: 20 });
  });
  await system.start(
    supervisor('root', 'one-for-one', [
      worker('a', slow),
      worker(
        'b',
        handler<number>((at) => void handled.push(at)),
      ),
    ]),
  );
  for (let count = 0; count < 8; count++) {
    system.find<string>('/a')!.tell('go');
    await settle();
  }
  expect(handled).toHaveLength(8);
  expect(system.deadLetters.count).toBe(0);
  await system.stop();
});

describe('messages that are slow after many that were fast', () => {
  const slowMs = 2;
  const fast = 640;

  /** Its first messages take no time. */
  function cell(fastOnes: number, slowOnes: number, onSlow: () => void): Runnable {
    let handled = 0;
    return {
      ready: false,
      nextReady: undefined,
      took() {},
      step() {
        handled++;
        if (handled > fastOnes) {
          nowMs += slowMs;
          onSlow();
        }
        return handled < fastOnes + slowOnes;
      },
    };
  }

  test('delay another actor by eight of them at most', async () => {
    const scheduler = new Scheduler({ onError() {} });
    const together: number[] = [0];
    scheduler.enqueue(cell(fast, 100, () => together[together.length - 1]!++));
    scheduler.enqueue({
      ready: false,
      nextReady: undefined,
      took() {},
      step() {
        if (together.at(-1) !== 0) together.push(0);
        return true;
      },
    });
    for (let turns = 0; turns < 100; turns++) await turn();
    expect(Math.max(...together)).toBeLessThanOrEqual(8);
    expect(together.reduce((sum, count) => sum + count, 0)).toBe(100);
  });

  test.each([1, 5, 17, 40])(
    'delay the event loop by 32 at most, whichever of the turn is the first: the %sth',
    async (more) => {
      const scheduler = new Scheduler({ onError() {} });
      let slow = 0;
      scheduler.enqueue(cell(fast + more, 0, () => expect.unreachable()));
      // As many actors with one message each: no slice of theirs is long.
      for (let count = 0; count < 200; count++) scheduler.enqueue(cell(0, 1, () => slow++));
      await turn();
      expect(slow).toBeGreaterThan(0);
      expect(slow).toBeLessThanOrEqual(32 + 10 / slowMs);
      await scheduler.idle();
      expect(slow).toBe(200);
    },
  );
});
