/** An actor system that lives in virtual time, for tests. */
import { setImmediate as turn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { type ActorContext, type Behavior, type Log, silentLog } from '../../runtime/actor.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import type { EventOf, RuntimeEvent } from '../../runtime/events.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import {
  type ActorSystem,
  type ChildSpec,
  createSystem,
  type RestartPolicy,
  type SupervisorSpec,
  type WorkerSpec,
} from '../../runtime/system.ts';
import { seededOrder } from './seeded-order.ts';

export interface TestSystemOptions {
  /** Actors run in an order of chance, the same for the same seed. Default: first come, first served. */
  readonly seed?: number;
}

export interface TestSystem {
  readonly system: ActorSystem;
  readonly clock: VirtualClock;
  /** What has happened, oldest first: everything; starts, crashes and ends; messages that nobody handled. */
  readonly events: readonly RuntimeEvent[];
  readonly lifecycle: readonly RuntimeEvent[];
  readonly deadLetters: readonly EventOf<'dead-letter'>[];
  /** Lets everything happen that can happen without time going by; hung handlers stay hung. */
  settle(): Promise<void>;
  /** Moves time forward, and lets what falls due happen. */
  advance(byMs: number): Promise<void>;
  /** The ref at a path. @throws Error where no actor is */
  ref<Message>(path: string): ActorRef<Message>;
  /** Lifecycle events as `type path`. */
  history(): string[];
}

const lifecycleTypes: ReadonlySet<string> = new Set([
  ...['started', 'restarted', 'crashed', 'stopped', 'down', 'resting', 'gave-up', 'abandoned'],
]);

/** Restarts at once, and more often than any test crashes. */
export const lenient: RestartPolicy = {
  intensity: 1_000,
  periodMs: 1_000,
  backoff: { firstMs: 0, maxMs: 0, jitter: 0 },
};

/**
 * A system on a virtual clock that stops when the test ends.
 * @param root started before this returns; a list of children gets a lenient one-for-one root
 */
export async function startTestSystem(
  root: SupervisorSpec | readonly ChildSpec[] = [],
  log: Log = silentLog,
  { seed }: TestSystemOptions = {},
): Promise<TestSystem> {
  const clock = new VirtualClock(1_800_000_000_000_000);
  const system = createSystem({
    ...{ name: 'test', clock, log, random: () => 0.5 },
    ...(seed !== undefined && { order: seededOrder(seed) }),
  });
  const events: RuntimeEvent[] = [];
  const lifecycle: RuntimeEvent[] = [];
  const deadLetters: EventOf<'dead-letter'>[] = [];
  system.events.subscribe({}, (event) => {
    events.push(event);
    if (event.type === 'dead-letter') deadLetters.push(event);
    if (lifecycleTypes.has(event.type)) lifecycle.push(event);
  });
  onTestFinished(async () => {
    let stopped = false;
    void system.stop().then(() => (stopped = true));
    // Whatever hangs is left behind when its deadline comes, one after another.
    for (await settle(); !stopped; await settle()) clock.advance(3_600_000);
  });
  await system.start('strategy' in root ? root : supervisor('root', 'one-for-one', root));
  return {
    system,
    clock,
    events,
    lifecycle,
    deadLetters,
    settle,
    advance: async (byMs) => {
      await settle();
      clock.advance(byMs);
      await settle();
    },
    ref: (path) => {
      const ref = system.find(path);
      if (!ref) throw new Error(`no actor at ${path}`);
      return ref;
    },
    history: () => lifecycle.map((event) => `${event.type} ${event.path}`),
  };
}

export function supervisor(
  id: string,
  strategy: SupervisorSpec['strategy'],
  children: readonly ChildSpec[],
  policy: Partial<RestartPolicy> = {},
): SupervisorSpec {
  return { id, strategy, policy: { ...lenient, ...policy }, children };
}

export function worker<State, Message>(
  id: string,
  behavior: Behavior<State, Message>,
  options: Omit<Partial<WorkerSpec<State, Message>>, 'id' | 'behavior'> = {},
): WorkerSpec<State, Message> {
  // Tests tell actors apart by what they say.
  return { kind: 'test', showMessage: (message) => message, ...options, id, behavior };
}

/** A behavior without state. */
export function handler<Message>(
  receive: (message: Message, context: ActorContext<Message>) => void | Promise<void>,
): Behavior<undefined, Message> {
  return {
    start: () => undefined,
    receive: (_state, message, context) => {
      const done = receive(message, context);
      return done instanceof Promise ? done.then(() => undefined) : undefined;
    },
  };
}

/** A promise that a test settles when it pleases. */
export function gate<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

/** Lets everything happen that can: a crash takes three turns of the event loop to its restart, an escalation as many a level. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 30; turns++) await turn();
}
