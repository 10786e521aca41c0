/** Workers that write down what they live through, and crash or hang when told to. */
import type { ActorContext, Behavior } from '../../runtime/actor.ts';
import type { ActorSystem, ChildSpec, WorkerSpec } from '../../runtime/system.ts';
import { type TestSystem, worker } from './test-system.ts';

export interface LifeOptions extends Omit<Partial<WorkerSpec<void, string>>, 'id' | 'behavior'> {
  readonly start?: (context: ActorContext<string>) => void | Promise<void>;
  readonly stop?: () => void | Promise<void>;
}

/** Crashes when told `crash`, hangs when told `hang`; every start, message and stop goes into `log`. */
export function life(id: string, log: string[] = [], { start, stop, ...options }: LifeOptions = {}): ChildSpec {
  const behavior: Behavior<void, string> = {
    start: (context) => {
      log.push(`start ${id}`);
      return start?.(context);
    },
    receive: (_state, message) => {
      if (message === 'crash') throw new Error(`${id} was told to crash`);
      if (message === 'hang') return new Promise(() => {});
      log.push(`${id} got ${message}`);
      return undefined;
    },
    stop: (_state, reason) => {
      log.push(`stop ${id} ${reason.kind}`);
      return stop?.();
    },
  };
  return worker(id, behavior, options);
}

export function failToStart(): never {
  throw new Error('cannot start');
}

/** Tells an actor to crash, so many times one after another, and lets everything happen that follows. */
export async function crash({ ref, settle }: TestSystem, path: string, times = 1): Promise<void> {
  for (let time = 0; time < times; time++) {
    ref<string>(path).tell('crash');
    await settle();
  }
}

export function statusOf(system: ActorSystem, path: string): string | undefined {
  return system.inspect(path)[0]?.status;
}

/** The incarnation of every worker, by id. */
export function incarnations(system: ActorSystem): Record<string, number> {
  const workers = system.inspect().filter(({ type }) => type === 'worker');
  return Object.fromEntries(workers.map(({ id, incarnation }) => [id, incarnation]));
}
