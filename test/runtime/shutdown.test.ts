import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../runtime/clock.ts';
import {
  describeShutdown,
  NoSuchPhase,
  PhaseOver,
  Shutdown,
  type ShutdownPhase,
  type ShutdownReport,
} from '../../runtime/shutdown.ts';
import { InvalidSpec } from '../../runtime/spec.ts';
import { trapRejections } from '../support/rejections.ts';
import { gate } from '../support/test-system.ts';

trapRejections();

type Name = 'first' | 'second' | 'third';

const clean = { failed: [], abandoned: [], skipped: [] };

function start(deadlineMs = 1_000): {
  clock: VirtualClock;
  shutdown: Shutdown<Name>;
  log: string[];
  advance(byMs: number): Promise<void>;
} {
  const clock = new VirtualClock();
  const names: Name[] = ['first', 'second', 'third'];
  const phases = names.map((name) => ({ name, deadlineMs: 100 }));
  const advance = async (byMs: number): Promise<void> => {
    await turn();
    clock.advance(byMs);
    await turn();
  };
  return { clock, shutdown: new Shutdown({ clock, phases, deadlineMs }), log: [], advance };
}

const never = (): Promise<void> => new Promise(() => {});

test('a phase begins when all tasks of the one before it are done, whatever the order in which they were added', async () => {
  const { shutdown, log, advance } = start();
  const slow = gate();
  shutdown.addTask('third', 'c', () => void log.push('c'));
  shutdown.addTask('first', 'a', () => void log.push('a'));
  shutdown.addTask('first', 'slow a', () => slow.promise.then(() => void log.push('slow a')));
  shutdown.addTask('second', 'b', () => void log.push('b'));
  const report = shutdown.run('test');
  await advance(30);
  expect(log).toEqual(['a']);
  slow.resolve();
  expect(await report).toEqual({
    ...{ reason: 'test', tookMs: 30, isClean: true },
    phases: [
      { phase: 'first', tookMs: 30, done: ['a', 'slow a'], ...clean },
      { phase: 'second', tookMs: 0, done: ['b'], ...clean },
      { phase: 'third', tookMs: 0, done: ['c'], ...clean },
    ],
  });
  expect(log).toEqual(['a', 'slow a', 'b', 'c']);
});

test('the tasks of a phase are begun at once and share its deadline', async () => {
  const { shutdown, log, advance } = start();
  for (const name of ['a', 'b', 'c']) {
    shutdown.addTask('first', name, () => {
      log.push(name);
      return never();
    });
  }
  const report = shutdown.run('test');
  expect(log).toEqual(['a', 'b', 'c']);
  await advance(100);
  expect(await report).toMatchObject({ tookMs: 100, phases: [{ abandoned: ['a', 'b', 'c'] }, {}, {}] });
});

test('a task that does not keep the deadline is told, left behind and reported, and the next phase begins', async () => {
  const { shutdown, log, advance } = start();
  const signals: AbortSignal[] = [];
  const late = gate();
  shutdown.addTask('first', 'in time', (signal) => void signals.push(signal));
  shutdown.addTask('first', 'late', (signal) => {
    signal.addEventListener('abort', () => log.push('told'));
    return late.promise;
  });
  shutdown.addTask('second', 'next', () => void log.push('next'));
  const running = shutdown.run('test');
  await advance(99);
  expect(log).toEqual([]);
  await advance(1);
  expect(log).toEqual(['told', 'next']);
  expect(signals[0]?.reason).toBeInstanceOf(PhaseOver);
  const report = await running;
  expect(report.isClean).toBe(false);
  expect(report.phases[0]).toEqual({ ...clean, phase: 'first', tookMs: 100, done: ['in time'], abandoned: ['late'] });
  // Whatever becomes of it now is nobody's business, and must not be an unhandled rejection.
  late.reject(new Error('too late to matter'));
  await turn();
  expect(report.phases[0]?.failed).toEqual([]);
});

test('the signal of a phase that ends in time is never aborted, and its timer is taken back', async () => {
  const { shutdown, clock, advance } = start();
  const signals: AbortSignal[] = [];
  shutdown.addTask('first', 'a', (signal) => void signals.push(signal));
  await shutdown.run('test');
  await advance(1_000);
  expect(signals[0]?.aborted).toBe(false);
  expect(clock.pending).toBe(0);
});

test.each<[string, () => Promise<void> | void]>([
  [
    'throws',
    () => {
      throw new TypeError('broken');
    },
  ],
  ['rejects', () => Promise.reject(new TypeError('broken'))],
])('a task that %s is reported, and its peers and the phases behind it go on', async (_how, fail) => {
  const { shutdown } = start();
  shutdown.addTask('first', 'fails', fail);
  shutdown.addTask('first', 'peer', () => turn());
  shutdown.addTask('second', 'next', () => {});
  const { isClean, phases } = await shutdown.run('test');
  expect(isClean).toBe(false);
  expect(phases[0]).toMatchObject({ done: ['peer'], failed: [{ task: 'fails', error: new TypeError('broken') }] });
  expect(phases[1]).toMatchObject({ done: ['next'], failed: [] });
});

test('it runs once: whoever calls again, even from within a task, shares the report of the first call', async () => {
  const { shutdown, log } = start();
  const again: Promise<ShutdownReport<Name>>[] = [];
  shutdown.addTask('first', 'calls again', () => {
    log.push('begun');
    again.push(shutdown.run('from a task'));
  });
  const first = shutdown.run('first reason');
  again.push(shutdown.run('second reason'));
  await first;
  expect([...again, shutdown.run('afterwards')].every((promise) => promise === first)).toBe(true);
  expect((await first).reason).toBe('first reason');
  expect(log).toEqual(['begun']);
});

test('a task may be added to a later phase while it runs; for one that has begun or is over it is refused', async () => {
  const { shutdown, log } = start();
  const refused: unknown[] = [];
  const tryToAdd = (phase: Name): void => {
    try {
      shutdown.addTask(phase, 'too late', () => void log.push(`too late for ${phase}`));
    } catch (error) {
      refused.push(error);
    }
  };
  shutdown.addTask('second', 'adds', () => {
    tryToAdd('first');
    tryToAdd('second');
    shutdown.addTask('third', 'added', () => void log.push('added'));
  });
  const report = await shutdown.run('test');
  tryToAdd('third');
  expect(refused).toEqual(['first', 'second', 'third'].map((phase) => new PhaseOver(phase)));
  expect(refused.every((error) => error instanceof PhaseOver)).toBe(true);
  expect(report.phases[2]).toMatchObject({ done: ['added'] });
  expect(log).toEqual(['added']);
});

test('a task that was taken away does not run; taking it away twice, or once it has begun, changes nothing', async () => {
  const { shutdown } = start();
  const leave = shutdown.addTask('first', 'away', () => {});
  const stays = shutdown.addTask('first', 'same name', () => {});
  shutdown.addTask('first', 'same name', () => stays());
  shutdown.addTask('first', 'takes the next away', () => leaveSecond());
  const leaveSecond = shutdown.addTask('second', 'next', () => {});
  leave();
  leave();
  const { phases } = await shutdown.run('test');
  expect(phases[0]?.done).toEqual(['same name', 'same name', 'takes the next away']);
  expect(phases[1]?.done).toEqual([]);
});

test('the overall deadline cuts the phase under way short, and what is behind it is not begun', async () => {
  const { shutdown, log, advance } = start(150);
  shutdown.addTask('first', 'a', never);
  shutdown.addTask('second', 'b', never);
  shutdown.addTask('third', 'c', () => void log.push('c'));
  let isOver = false;
  const running = shutdown.run('test').finally(() => (isOver = true));
  await advance(100);
  await advance(49);
  expect(isOver).toBe(false);
  await advance(1);
  expect(await running).toEqual({
    ...{ reason: 'test', tookMs: 150, isClean: false },
    phases: [
      { ...clean, phase: 'first', tookMs: 100, done: [], abandoned: ['a'] },
      { ...clean, phase: 'second', tookMs: 50, done: [], abandoned: ['b'] },
      { ...clean, phase: 'third', tookMs: 0, done: [], skipped: ['c'] },
    ],
  });
  expect(log).toEqual([]);
  expect(() => shutdown.addTask('third', 'd', () => {})).toThrow(PhaseOver);
});

test('without tasks there is nothing to wait for, nor without phases', async () => {
  expect(await start().shutdown.run('test')).toMatchObject({ tookMs: 0, isClean: true });
  const none = new Shutdown({ clock: new VirtualClock(), phases: [], deadlineMs: Infinity });
  expect(await none.run('test')).toEqual({ reason: 'test', tookMs: 0, isClean: true, phases: [] });
});

test('a phase without a deadline waits as long as its tasks take', async () => {
  const clock = new VirtualClock();
  const shutdown = new Shutdown({ clock, phases: [{ name: 'only', deadlineMs: Infinity }], deadlineMs: Infinity });
  shutdown.addTask('only', 'a', () => new Promise((resolve) => void clock.after(1e9, resolve)));
  const report = shutdown.run('test');
  clock.advance(1e9);
  expect(await report).toMatchObject({ tookMs: 1e9, isClean: true });
});

test('a task for a phase that is not there is refused', () => {
  expect(() => start().shutdown.addTask('fourth' as Name, 'a', () => {})).toThrow(NoSuchPhase);
});

test.each<[string, readonly ShutdownPhase<string>[], number]>([
  ['a phase has no name', [{ name: '', deadlineMs: 1 }], 1],
  [
    'there are two phases a',
    [
      { name: 'a', deadlineMs: 1 },
      { name: 'a', deadlineMs: 2 },
    ],
    1,
  ],
  ['the deadline of a must be above 0 ms, was 0', [{ name: 'a', deadlineMs: 0 }], 1],
  ['the deadline of a must be above 0 ms, was NaN', [{ name: 'a', deadlineMs: Number.NaN }], 1],
  ['the deadline must be above 0 ms, was -1', [], -1],
])('phases are refused when %s', (fault, phases, deadlineMs) => {
  const create = (): unknown => new Shutdown({ clock: new VirtualClock(), phases, deadlineMs });
  expect(create).toThrow(InvalidSpec);
  expect(create).toThrow(fault);
});

test('a report in one line says how long it took, why, and what went wrong where', () => {
  const phases: ShutdownReport['phases'] = [
    { ...clean, phase: 'first', tookMs: 0.4, done: ['a'] },
    {
      ...{ phase: 'second', tookMs: 99.6, done: [], skipped: [] },
      failed: [{ task: 'b', error: new RangeError('in\n  two lines') }],
      abandoned: ['c'],
    },
    { ...clean, phase: 'third', tookMs: 0, done: [], skipped: ['d'] },
  ];
  expect(describeShutdown({ reason: 'SIGTERM', tookMs: 100, isClean: false, phases })).toBe(
    'stopped in 100 ms (SIGTERM); second (100 ms): b failed (RangeError: in two lines), c was left behind; third (0 ms): d was not begun',
  );
  expect(describeShutdown({ reason: 'SIGTERM', tookMs: 0, isClean: true, phases: phases.slice(0, 1) })).toBe(
    'stopped in 0 ms (SIGTERM)',
  );
});

const plannedTask = fc.record({
  wholeMs: fc.integer({ min: 0, max: 12 }),
  ends: fc.constantFrom('done', 'failed', 'never'),
});
const plannedPhase = fc.record({
  deadlineMs: fc.integer({ min: 1, max: 10 }),
  tasks: fc.array(plannedTask, { maxLength: 4 }),
});
const plan = fc.array(plannedPhase, { maxLength: 4 });

/** A fraction of its own for each phase: no sum of them is whole, so that no task ends in the moment of a deadline. */
const fractionMs = (phase: number): number => 2 ** -(phase + 1);

test('whatever its tasks do, it ends in time, and each task is in the one list where it belongs', async () => {
  await fc.assert(
    fc.asyncProperty(plan, fc.integer({ min: 1, max: 20 }), async (plan, overallMs) => {
      const clock = new VirtualClock();
      const phases = plan.map(({ deadlineMs }, phase) => ({ name: `p${phase}`, deadlineMs }));
      const shutdown = new Shutdown({ clock, phases, deadlineMs: overallMs });
      const expected: [string, string][] = [];
      let spentMs = 0;
      for (const [phase, { deadlineMs, tasks }] of plan.entries()) {
        const withinMs = Math.min(deadlineMs, overallMs - spentMs);
        let longestMs = 0;
        for (const [number, { wholeMs, ends }] of tasks.entries()) {
          const name = `p${phase} t${number}`;
          const takesMs = ends === 'never' ? Infinity : wholeMs + fractionMs(phase);
          longestMs = Math.max(longestMs, takesMs);
          expected.push([name, withinMs <= 0 ? 'skipped' : takesMs > withinMs ? 'abandoned' : ends]);
          shutdown.addTask(`p${phase}`, name, async () => {
            await new Promise<void>((resolve) => void clock.after(takesMs, resolve));
            if (ends === 'failed') throw new Error(name);
          });
        }
        spentMs += Math.min(longestMs, Math.max(0, withinMs));
      }
      let report: ShutdownReport | undefined;
      void shutdown.run('test').then((given) => (report = given));
      for (let steps = overallMs / fractionMs(3); steps > 0 && !report; steps--) {
        await turn();
        clock.advance(fractionMs(3));
      }
      await turn();
      const found = report?.phases.flatMap(({ done, failed, abandoned, skipped }) => [
        ...done.map((name): [string, string] => [name, 'done']),
        ...failed.map(({ task }): [string, string] => [task, 'failed']),
        ...abandoned.map((name): [string, string] => [name, 'abandoned']),
        ...skipped.map((name): [string, string] => [name, 'skipped']),
      ]);
      expect(report?.tookMs).toBe(spentMs);
      expect(new Map(found)).toEqual(new Map(expected));
      expect(found?.length).toBe(expected.length);
    }),
  );
});
