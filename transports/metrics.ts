/** The numbers of the platform in prom-client's text format: collected when somebody asks, so they cost nothing otherwise. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Readiness } from '../runtime/readiness.ts';
import type { ActorSystem } from '../runtime/system.ts';
import type { RedisCounts } from './drivers/redis-link.ts';

/** @returns a function that gives the text of /metrics */
export function platformMetrics({
  system,
  readiness,
  redis,
}: {
  system: ActorSystem;
  readiness: Readiness;
  /** Undefined without one. */
  redis?: (() => RedisCounts) | undefined;
}): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const actors = gauge(registry, 'aitrading_actors', 'Actors by kind and status.', ['kind', 'status']);
  const depth = gauge(registry, 'aitrading_mailbox_depth', 'Messages waiting, by kind of actor.', ['kind']);
  const handled = gauge(registry, 'aitrading_messages_handled', 'Messages handled since the start, by kind of actor.', [
    'kind',
  ]);
  const dropped = gauge(
    registry,
    'aitrading_messages_dropped',
    'Messages that mailboxes refused or let go, by kind of actor.',
    ['kind'],
  );
  const restarts = gauge(registry, 'aitrading_actor_restarts', 'Restarts since the start, by kind of actor.', ['kind']);
  const deadLetters = gauge(registry, 'aitrading_dead_letters', 'Messages that nobody handled, since the start.', []);
  const ready = gauge(registry, 'aitrading_component_ready', '1 where a component is ready.', ['component']);
  const showRedis = redis && redisMetrics(registry, redis);

  return async () => {
    showRedis?.();
    for (const metric of [actors, depth, handled, dropped, restarts, ready]) metric.reset();
    for (const { kind, status, mailbox, handled: messages, restarts: times } of system.inspect()) {
      actors.inc({ kind, status });
      depth.inc({ kind }, mailbox.depth);
      handled.inc({ kind }, messages);
      dropped.inc({ kind }, mailbox.dropped);
      restarts.inc({ kind }, times);
    }
    deadLetters.set(system.deadLetters.count);
    for (const [component, { state }] of readiness.components) ready.set({ component }, state === 'ready' ? 1 : 0);
    return registry.metrics();
  };
}

/** @returns what brings them up to date */
function redisMetrics(registry: Registry, counts: () => RedisCounts): () => void {
  const isUp = gauge(registry, 'aitrading_redis_up', '1 while Redis is used, 0 while this node does without it.', []);
  const commands = gauge(registry, 'aitrading_redis_commands', 'Commands sent to Redis since the start.', []);
  const failures = gauge(registry, 'aitrading_redis_failures', 'Of these, failed or not answered in time.', []);
  const fallbacks = gauge(registry, 'aitrading_redis_fallbacks', 'Done without Redis since the start.', []);
  const openings = gauge(registry, 'aitrading_redis_breaker_openings', 'Times that Redis was given up.', []);
  return () => {
    const now = counts();
    isUp.set(now.isUp ? 1 : 0);
    commands.set(now.commands);
    failures.set(now.failures);
    fallbacks.set(now.fallbacks);
    openings.set(now.breakerOpenings);
  };
}

function gauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
): Gauge<Label> {
  return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
}
