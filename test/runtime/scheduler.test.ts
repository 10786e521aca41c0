import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Runnable, Scheduler } from '../../runtime/scheduler.ts';
import { handler, startTestSystem, worker } from '../support/test-system.ts';

/** A cell that counts down its work and reports every step. */
function cell(work: number, onStep: () => void): Runnable {
  return {
    ready: false,
    nextReady: undefined,
    took() {},
    step() {
      work--;
      onStep();
      return work > 0;
    },
  };
}

test('a flooded cell delays another by one slice at most', async () => {
  const scheduler = new Scheduler({ onError() {} });
  const order: string[] = [];
  scheduler.enqueue(cell(1_000, () => void order.push('flooded')));
  scheduler.enqueue(cell(1, () => void order.push('other')));
  await scheduler.idle();
  expect(order.indexOf('other')).toBeLessThanOrEqual(64);
  expect(order).toHaveLength(1_001);
});

test('an error of one cell neither ends the run nor keeps the others from theirs', async () => {
  const errors: unknown[] = [];
  const scheduler = new Scheduler({ onError: (error) => void errors.push(error) });
  let steps = 0;
  const broken = cell(1, () => {
    throw new Error('broken');
  });
  scheduler.enqueue(broken);
  scheduler.enqueue(cell(3, () => void steps++));
  await scheduler.idle();
  expect(steps).toBe(3);
  expect(errors).toHaveLength(1);
  expect(broken.ready).toBe(false);
});

test('a turn of the event loop ends when its budget of messages is spent', async () => {
  const scheduler = new Scheduler({ onError() {} });
  let steps = 0;
  scheduler.enqueue(cell(25_000, () => void steps++));
  await turn();
  expect(steps).toBeGreaterThan(0);
  expect(steps).toBeLessThanOrEqual(20_000);
  await scheduler.idle();
  expect(steps).toBe(25_000);
});

test('an endless chain of asks lets timers of the machine fire', async () => {
  const { ref } = await startTestSystem([
    worker(
      'echo',
      handler((_message, context) => context.reply(1)),
    ),
  ]);
  const echo = ref<{ type: 'ping' }>('/echo');
  let fired = false;
  setTimeout(() => (fired = true), 1);
  let asks = 0;
  while (!fired && asks < 5_000_000) {
    await echo.ask({ type: 'ping' }, { timeoutMs: 1_000 });
    asks++;
  }
  expect(fired).toBe(true);
});

test('two actors that tell each other without end let the event loop turn', async () => {
  const { system, ref } = await startTestSystem([
    worker(
      'a',
      handler((_message, context) => void context.tell(ref('/b'), { type: 'ball' })),
    ),
    worker(
      'b',
      handler((_message, context) => void context.tell(ref('/a'), { type: 'ball' })),
    ),
  ]);
  ref<{ type: 'ball' }>('/a').tell({ type: 'ball' });
  for (let turns = 0; turns < 5; turns++) await turn();
  const handled = system.inspect('/a')[0]?.handled ?? 0;
  await turn();
  await turn();
  expect(system.inspect('/a')[0]?.handled).toBeGreaterThan(handled);
  await system.stop();
  expect(system.inspect('/a')[0]?.status).toBe('stopped');
});

test('turn-end hooks run when the scheduler has run dry, may tell, and can be taken away', async () => {
  const scheduler = new Scheduler({ onError() {} });
  const order: string[] = [];
  const remove = scheduler.onTurnEnd(() => void order.push('dry'));
  scheduler.enqueue(cell(2, () => void order.push('step')));
  await scheduler.idle();
  expect(order).toEqual(['step', 'step', 'dry']);
  remove();
  scheduler.enqueue(cell(1, () => void order.push('step')));
  await scheduler.idle();
  expect(order).toEqual(['step', 'step', 'dry', 'step']);
});
