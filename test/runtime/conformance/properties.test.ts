import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MailboxSpec } from '../../../runtime/system.ts';
import { failToStart, life } from '../../support/lives.ts';
import { OtpModel, type RestartType, type Strategy } from '../../support/otp-model.ts';
import { trapRejections } from '../../support/rejections.ts';
import { lenient, startTestSystem, supervisor, type TestSystem, worker } from '../../support/test-system.ts';

trapRejections();

const restartType = fc.constantFrom<RestartType>('permanent', 'transient', 'temporary');
const passage = fc.record({
  do: fc.constant('advance' as const),
  byMs: fc.constantFrom(1, 400, 600, 999, 1_000, 1_001),
});

describe('P1 a supervisor does what the model of OTP does, start by start and stop by stop', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('crash' as const), id }) },
    { weight: 2, arbitrary: passage },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('add' as const), id, restart: restartType }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('spoil' as const), id, count: fc.integer({ min: 1, max: 3 }) }),
    },
  );
  const initial = fc.array(restartType, { minLength: 1, maxLength: 4 });

  test.each<Strategy>(['one-for-one', 'rest-for-one', 'one-for-all'])('%s', async (strategy) => {
    await fc.assert(
      fc.asyncProperty(initial, fc.nat(4), fc.array(action, { maxLength: 15 }), async (types, intensity, actions) => {
        const policy = { intensity, periodMs: 1_000 };
        const model = new OtpModel(strategy, policy);
        const log: string[] = [];
        const spoiled = new Map<string, number>();
        const child = (name: string, restart: RestartType) =>
          life(name, log, {
            restart,
            start: () => {
              const left = spoiled.get(name) ?? 0;
              spoiled.set(name, Math.max(0, left - 1));
              if (left > 0) failToStart();
            },
          });
        const names = ['a', 'b', 'c', 'd'];
        const running = await startTestSystem(
          supervisor(
            'root',
            strategy,
            types.map((restart, at) => child(names[at]!, restart)),
            policy,
          ),
        );
        const { system, settle } = running;
        for (const [at, restart] of types.entries()) model.add(names[at]!, restart);
        for (const step of actions) {
          switch (step.do) {
            case 'crash':
              system.find<string>(`/${step.id}`)?.tell('crash');
              model.crash(step.id, running.clock.monotonicMs());
              break;
            case 'advance':
              await running.advance(step.byMs);
              break;
            case 'remove':
              await system.stopChild(`/${step.id}`);
              model.remove(step.id);
              break;
            case 'add':
              if (system.find(`/${step.id}`)) break;
              spoiled.set(step.id, 0);
              await system.spawn('/', child(step.id, step.restart));
              model.add(step.id, step.restart);
              break;
            case 'spoil':
              if (!system.find(`/${step.id}`)) break;
              spoiled.set(step.id, step.count);
              model.spoil(step.id, step.count);
              break;
          }
          await settle();
          expect(log).toEqual(model.trace);
          if (model.hasEnded) break;
          expect(aliveIn(running)).toEqual(model.alive);
        }
        expect(running.history().includes('gave-up /')).toBe(model.hasEnded);
        await system.stop();
      }),
      { numRuns: 100 },
    );
  });
});

function aliveIn({ system }: TestSystem): string[] {
  return system.inspect().flatMap(({ type, status, id }) => (type === 'worker' && status === 'running' ? [id] : []));
}

/** Two levels, a mailbox of every policy, and one child that starts on demand. */
async function startFamily(handled: string[], intensity: number): Promise<TestSystem> {
  const mailboxes: Record<string, MailboxSpec<string>> = {
    a: { capacity: 3, whenFull: 'reject' },
    b: { capacity: 3, whenFull: 'drop-oldest' },
    c: { capacity: 3, whenFull: 'latest-by-key', keyOf: (message) => String(message.length) },
    d: { capacity: 100, whenFull: 'reject' },
  };
  const member = (id: string, restart: RestartType = 'permanent') =>
    worker<void, string>(
      id,
      {
        start() {},
        receive: async (_state, message) => {
          await Promise.resolve();
          handled.push(message);
          if (message.startsWith('crash')) throw new Error(message);
        },
      },
      { restart, mailbox: mailboxes[id]!, onDemand: id === 'd' },
    );
  const policy = { intensity, periodMs: 1_000, backoff: { firstMs: 50, maxMs: 200, jitter: 0.5 } };
  return startTestSystem([
    supervisor('all', 'one-for-all', [member('a'), member('b', 'temporary')], policy),
    supervisor(
      'rest',
      'rest-for-one',
      [member('c'), supervisor('pool', 'dynamic', [member('d', 'transient')], policy)],
      policy,
    ),
  ]);
}
const familyPaths = ['/all/a', '/all/b', '/rest/c', '/rest/pool/d'];
const familyAction = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('tell' as const),
      path: fc.constantFrom(...familyPaths),
      count: fc.integer({ min: 1, max: 5 }),
      isCrash: fc.boolean(),
      control: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: passage },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('stop' as const),
      path: fc.constantFrom(...familyPaths, '/rest/pool', '/all'),
    }),
  },
);

test('P2 no message is lost or doubled: each is handled, waits, or is a dead letter; P3 none is alive below one that is not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(3), fc.array(familyAction, { maxLength: 25 }), async (intensity, actions) => {
      const handled: string[] = [];
      const running = await startFamily(handled, intensity);
      const { system, ref, deadLetters } = running;
      const refs = familyPaths.map((path) => [path, ref<string>(path)] as const);
      const orphans: string[] = [];
      system.events.subscribe('lifecycle', () => void orphans.push(...orphansIn(running)));
      const sent: string[] = [];
      for (const step of actions) {
        switch (step.do) {
          case 'tell': {
            const to = refs.find(([path]) => path === step.path)![1];
            for (let count = 0; count < step.count; count++) {
              const message = `${step.isCrash && count === 1 ? 'crash' : 'note'}-${sent.length}`;
              sent.push(message);
              to.tell(message, { control: step.control });
            }
            break;
          }
          case 'advance':
            await running.advance(step.byMs);
            break;
          case 'settle':
            await running.settle();
            break;
          case 'stop':
            void system.stopChild(step.path);
            break;
        }
        const queued = system.inspect().reduce((sum, { mailbox }) => sum + mailbox.depth + mailbox.control, 0);
        const inHand = sent.length - handled.length - deadLetters.length - queued;
        expect(inHand).toBeGreaterThanOrEqual(0);
        expect(inHand).toBeLessThanOrEqual(familyPaths.length);
      }
      await running.advance(10_000);
      await system.stop();
      const accounted = [...handled, ...deadLetters.map(({ messageType }) => messageType)];
      expect(accounted.toSorted()).toEqual(sent.toSorted());
      expect(orphans).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

/** Actors that run although one above them does not, or is gone. */
function orphansIn({ system }: TestSystem): string[] {
  const statuses = new Map(system.inspect().map(({ path, status }) => [path, status]));
  const isAlive = (path: string): boolean => !['dormant', 'stopped', undefined].includes(statuses.get(path));
  const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
  return [...statuses.keys()].filter(
    (path) => path !== '/' && statuses.get(path) === 'running' && !isAlive(parentOf(path)),
  );
}

test('P4 there are never more restarts in a window than the intensity allows', async () => {
  const action = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('crash' as const), ids: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')) }),
    },
    { weight: 2, arbitrary: passage },
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(4), fc.array(action, { maxLength: 20 }), async (intensity, actions) => {
      const policy = { ...lenient, intensity, periodMs: 1_000 };
      const running = await startTestSystem(
        supervisor(
          'root',
          'one-for-one',
          ['a', 'b', 'c'].map((id) => life(id)),
          policy,
        ),
      );
      for (const step of actions) {
        if (step.do === 'advance') await running.advance(step.byMs);
        else {
          for (const id of step.ids) running.system.find<string>(`/${id}`)?.tell('crash');
          await running.settle();
        }
      }
      const restartsMs = running.lifecycle.flatMap(({ type, atMicros }) =>
        type === 'restarted' ? [atMicros / 1_000] : [],
      );
      for (const [at, fromMs] of restartsMs.entries()) {
        const inWindow = restartsMs.slice(at).filter((atMs) => atMs <= fromMs + policy.periodMs);
        expect(inWindow.length).toBeLessThanOrEqual(intensity);
      }
      await running.system.stop();
    }),
    { numRuns: 100 },
  );
});
