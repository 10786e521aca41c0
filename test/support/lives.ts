/** Workers that write down what they live through, and crash, hang or end when told to. */
import type { ActorContext, Behavior } from '../../runtime/actor.ts';
import type { ActorSystem, ChildSpec, SupervisorSpec, WorkerSpec } from '../../runtime/system.ts';
import { supervisor, type TestSystem, worker } from './test-system.ts';

export interface LifeOptions extends Omit<Partial<WorkerSpec<void, string>>, 'id' | 'behavior'> {
  readonly start?: (context: ActorContext<string>) => void | Promise<void>;
  readonly stop?: () => void | Promise<void>;
}

/** Crashes when told `crash`, hangs when told `hang`, ends when told `end`; every start, message and stop goes into `log`. */
export function life(id: string, log: string[] = [], { start, stop, ...options }: LifeOptions = {}): ChildSpec {
  const behavior: Behavior<void, string> = {
    start: (context) => {
      log.push(`start ${id}`);
      return start?.(context);
    },
    receive: (_state, message, context) => {
      if (message === 'crash') throw new Error(`${id} was told to crash`);
      if (message === 'hang') return new Promise(() => {});
      if (message === 'end') context.stop();
      else log.push(`${id} got ${message}`);
      return undefined;
    },
    stop: (_state, reason) => {
      log.push(`stop ${id} ${reason.kind}`);
      return stop?.();
    },
  };
  return worker(id, behavior, options);
}

/**
 * A supervisor that shuts down by itself once its child `heart` is told `end`: as a process of OTP that exits with `shutdown`.
 * It starts and stops with one line each in `log`, as a life does.
 */
export function household(
  id: string,
  log: string[] = [],
  { start, ...options }: Pick<LifeOptions, 'start'> & Pick<SupervisorSpec, 'restart' | 'significant'> = {},
): SupervisorSpec {
  const door = worker<void, string>('door', {
    start: (context) => {
      log.push(`start ${id}`);
      return start?.(context);
    },
    receive() {},
  });
  const heart = worker<void, string>(
    'heart',
    {
      start() {},
      receive: (_state, message, context) => void (message === 'end' && context.stop()),
      stop: (_state, reason) => void log.push(`stop ${id} ${reason.kind}`),
    },
    { restart: 'transient', significant: true },
  );
  return { ...supervisor(id, 'one-for-one', [door, heart]), ...options, autoShutdown: 'any-significant' };
}

export function failToStart(): never {
  throw new Error('cannot start');
}

/** What `start` does at each start, one after another; nothing special after the last. */
export function inTurn(...acts: readonly ((context: ActorContext<string>) => void | Promise<void>)[]): LifeOptions {
  const left = [...acts];
  return { start: (context) => left.shift()?.(context) };
}

export function startWell(): void {}

export function decline(context: ActorContext<string>): void {
  context.stop();
}

/** Tells an actor to crash, so many times one after another, and lets everything happen that follows. */
export async function crash({ ref, settle }: TestSystem, path: string, times = 1): Promise<void> {
  for (let time = 0; time < times; time++) {
    ref<string>(path).tell('crash');
    await settle();
  }
}

/** Tells an actor to end by itself, and lets everything happen that follows. */
export async function end({ ref, settle }: TestSystem, path: string): Promise<void> {
  ref<string>(path).tell('end');
  await settle();
}

export function statusOf(system: ActorSystem, path: string): string | undefined {
  return system.inspect(path)[0]?.status;
}

/** The status of every actor below the root, by its path. */
export function statuses(system: ActorSystem): Record<string, string> {
  const below = system.inspect().filter(({ path }) => path !== '/');
  return Object.fromEntries(below.map(({ path, status }) => [path, status]));
}

/** The incarnation of every worker, by id. */
export function incarnations(system: ActorSystem): Record<string, number> {
  const workers = system.inspect().filter(({ type }) => type === 'worker');
  return Object.fromEntries(workers.map(({ id, incarnation }) => [id, incarnation]));
}

/** The outcome of a promise while the test goes on. */
export function watched(promise: Promise<unknown>): { done: boolean; error?: unknown } {
  const state: { done: boolean; error?: unknown } = { done: false };
  promise.then(
    () => (state.done = true),
    (error: unknown) => Object.assign(state, { done: true, error }),
  );
  return state;
}
