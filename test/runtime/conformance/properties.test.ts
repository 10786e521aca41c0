import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ActorContext } from '../../../runtime/actor.ts';
import { ChildRunning, DuplicateChild, DynamicChild, NoSuchActor, StartFailed } from '../../../runtime/spec.ts';
import type { ChildSpec, MailboxSpec } from '../../../runtime/system.ts';
import { failToStart, household, life, statusOf } from '../../support/lives.ts';
import {
  type Answer,
  type ModelChildSpec,
  type ModelSpec,
  OtpModel,
  type RestartType,
  type StartOutcome,
} from '../../support/otp-model.ts';
import { trapRejections } from '../../support/rejections.ts';
import { lenient, startTestSystem, supervisor, type TestSystem, worker } from '../../support/test-system.ts';

trapRejections();

/** More with TEST_SCALE. */
const numRuns = Math.ceil(200 * Number(process.env['TEST_SCALE'] ?? 1));
const restartType = fc.constantFrom<RestartType>('permanent', 'transient', 'temporary');
const passage = fc.record({
  do: fc.constant('advance' as const),
  byMs: fc.constantFrom(1, 400, 600, 999, 1_000, 1_001),
});

/** The system that is compared with the model: one supervisor, its children, and what their next starts are to come to. */
interface Real {
  readonly running: TestSystem;
  readonly log: string[];
  readonly plans: Map<string, StartOutcome[]>;
}

/** One act on both. @returns what both answered, when they answer */
type Act = (model: OtpModel, real: Real) => void | Promise<[expected: Answer, found: Answer]> | Promise<void>;

class Step implements fc.AsyncCommand<OtpModel, Real> {
  readonly #name: string;
  readonly #act: Act;

  constructor(name: string, act: Act) {
    this.#name = name;
    this.#act = act;
  }

  check(model: Readonly<OtpModel>): boolean {
    return model.end === undefined;
  }

  async run(model: OtpModel, real: Real): Promise<void> {
    const answers = await this.#act(model, real);
    await real.running.settle();
    expect(real.log).toEqual(model.trace);
    if (answers) expect(answers[1]).toBe(answers[0]);
    if (model.end === undefined) expect(childrenOf(real)).toEqual(model.children);
    expect(real.running.history().includes('gave-up /')).toBe(model.end === 'gave up');
    expect(statusOf(real.running.system, '/')).toBe(model.end === undefined ? 'running' : 'stopped');
  }

  toString(): string {
    return this.#name;
  }
}

/** Households have upper-case ids: they end as with the reason `shutdown`, and do nothing else by themselves. */
const ids = ['a', 'b', 'c', 'd', 'X', 'Y'] as const;
const id = fc.constantFrom(...ids);
const isHousehold = (of: string): boolean => of === of.toUpperCase();
const outcomes = fc.array(fc.constantFrom<StartOutcome>('fail', 'fail', 'decline', 'well'), { maxLength: 3 });

const steps = [
  fc.uniqueArray(id, { minLength: 1, maxLength: 3 }).map(
    (some) =>
      new Step(`crash ${some.join()}`, (model, { running }) => {
        const lives = some.filter((one) => !isHousehold(one));
        for (const one of lives) running.system.find<string>(`/${one}`)?.tell('crash');
        model.crash(lives, running.clock.monotonicMs());
      }),
  ),
  id.map(
    (one) =>
      new Step(`end ${one}`, (model, { running }) => {
        running.system.find<string>(isHousehold(one) ? `/${one}/heart` : `/${one}`)?.tell('end');
        model.endByItself(one, running.clock.monotonicMs());
      }),
  ),
  fc.tuple(id, outcomes).map(
    ([one, plan]) =>
      new Step(`plan ${one} ${plan.join()}`, (model, { running, plans }) => {
        const planned = isHousehold(one) ? plan.map((outcome) => (outcome === 'decline' ? 'well' : outcome)) : plan;
        if (!running.system.list('/').includes(`/${one}`)) return;
        plans.set(one, [...planned]);
        model.plan(one, planned);
      }),
  ),
  passage.map(({ byMs }) => new Step(`advance ${byMs}`, (_model, { running }) => running.advance(byMs))),
  id.map((one) => administer('terminate', one, ({ system }) => system.terminateChild(`/${one}`))),
  id.map((one) => administer('restart', one, ({ system }) => system.restartChild(`/${one}`))),
  id.map((one) => administer('delete', one, ({ system }) => system.deleteChild(`/${one}`))),
  id.map((one) => administer('remove', one, ({ system }) => system.stopChild(`/${one}`))),
];

function addition(config: Config): fc.Arbitrary<Step> {
  return fc.tuple(id, restartType, fc.boolean(), outcomes).map(([one, restart, wish, plan]) => {
    const spec = childSpec(config, one, restart, wish);
    return new Step(
      `add ${restart} ${spec.significant ? 'significant ' : ''}${one} ${plan.join()}`,
      async (model, real) => {
        const planned = isHousehold(one) ? [] : plan;
        const { system, clock } = real.running;
        if (!system.list('/').includes(`/${one}`)) real.plans.set(one, [...planned]);
        const expected = model.add(spec, planned, clock.monotonicMs());
        return [expected, await answerTo(system.spawn('/', childOf(real, spec)))];
      },
    );
  });
}

function administer(
  call: 'terminate' | 'restart' | 'delete' | 'remove',
  one: string,
  perform: (running: TestSystem) => Promise<void>,
): Step {
  return new Step(`${call} ${one}`, async (model, { running }) => {
    const found = await answerTo(perform(running));
    return [model[call](one), found];
  });
}

/** @throws whatever is no answer */
async function answerTo(call: Promise<void>): Promise<Answer> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (error instanceof DuplicateChild) return 'duplicate';
    if (error instanceof ChildRunning) return 'running';
    if (error instanceof NoSuchActor) return 'not found';
    if (error instanceof DynamicChild) return 'dynamic';
    if (error instanceof StartFailed) return 'failed';
    throw error;
  }
}

function childOf(
  { log, plans }: Pick<Real, 'log' | 'plans'>,
  { id: name, restart, significant }: ModelChildSpec,
): ChildSpec {
  const start = (context: ActorContext<string>): void => {
    const outcome = plans.get(name)?.shift();
    if (outcome === 'fail') failToStart();
    if (outcome === 'decline') context.stop();
  };
  return (isHousehold(name) ? household : life)(name, log, { restart, significant, start });
}

function childrenOf({ running: { system } }: Real): Record<string, string> {
  const children = system.inspect().filter(({ path }) => path.lastIndexOf('/') === 0 && path !== '/');
  return Object.fromEntries(children.map((child) => [child.id, child.status]));
}

type Config = Pick<ModelSpec, 'strategy' | 'autoShutdown'>;

function childSpec({ autoShutdown }: Config, name: string, restart: RestartType, wish: boolean): ModelChildSpec {
  return { id: name, restart, significant: wish && restart !== 'permanent' && autoShutdown !== 'never' };
}

describe('P1 a supervisor does what the model of OTP does, start by start and stop by stop', () => {
  const initial = fc.array(fc.tuple(restartType, fc.boolean()), { minLength: 1, maxLength: 5 });

  test.each<Config>([
    { strategy: 'one-for-one', autoShutdown: 'never' },
    { strategy: 'one-for-one', autoShutdown: 'any-significant' },
    { strategy: 'one-for-one', autoShutdown: 'all-significant' },
    { strategy: 'rest-for-one', autoShutdown: 'never' },
    { strategy: 'rest-for-one', autoShutdown: 'any-significant' },
    { strategy: 'rest-for-one', autoShutdown: 'all-significant' },
    { strategy: 'one-for-all', autoShutdown: 'never' },
    { strategy: 'one-for-all', autoShutdown: 'any-significant' },
    { strategy: 'one-for-all', autoShutdown: 'all-significant' },
    { strategy: 'dynamic', autoShutdown: 'never' },
  ])('$strategy, auto-shutdown $autoShutdown', async (config) => {
    await fc.assert(
      fc.asyncProperty(
        initial,
        fc.nat(4),
        fc.commands([...steps, ...Array.from({ length: 2 }, () => addition(config))], { maxCommands: 25 }),
        async (types, intensity, commands) => {
          const log: string[] = [];
          const plans = new Map<string, StartOutcome[]>();
          const model = new OtpModel({ ...config, intensity, periodMs: 1_000 });
          const specs = types.map(([restart, wish], at) => childSpec(config, ids[(at * 5) % 6]!, restart, wish));
          const children = specs.map((spec) => childOf({ log, plans }, spec));
          const root = supervisor('root', config.strategy, children, { intensity, periodMs: 1_000 });
          const running = await startTestSystem({ ...root, autoShutdown: config.autoShutdown });
          for (const spec of specs) model.add(spec, [], 0);
          expect(log).toEqual(model.trace);
          await fc.asyncModelRun(() => ({ model, real: { running, log, plans } }), commands);
          await running.system.stop();
        },
      ),
      { numRuns },
    );
  });
});

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
          if (message.startsWith('crash')) throw new Error(message);
          handled.push(message);
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
      system.events.subscribe({}, () => void orphans.push(...orphansIn(running)));
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
      const accounted = [...handled, ...deadLetters.map(({ message }) => String(message.shown))];
      expect(accounted.toSorted()).toEqual(sent.toSorted());
      expect(orphans).toEqual([]);
    }),
    { numRuns },
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
    { numRuns },
  );
});
