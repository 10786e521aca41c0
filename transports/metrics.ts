/** The numbers of the platform in prom-client's text format: collected when somebody asks, so they cost nothing otherwise. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { SourceHealth } from '../actors/price-stream.ts';
import type { Readiness } from '../runtime/readiness.ts';
import type { ActorSystem } from '../runtime/system.ts';
import type { PoolStats } from './drivers/pool-meter.ts';
import type { ReplicaState } from './drivers/postgres-replica.ts';
import type { RedisCounts } from './drivers/redis-link.ts';
import type { StreamCounts } from './streams/server.ts';

/** @returns a function that gives the text of /metrics */
export function platformMetrics({
  system,
  readiness,
  redis,
  pools,
  replica,
  streams,
  sources,
}: {
  system: ActorSystem;
  readiness: Readiness;
  /** Undefined without one. */
  redis?: (() => RedisCounts) | undefined;
  pools?: () => Readonly<Record<string, PoolStats>>;
  replica?: (() => ReplicaState) | undefined;
  streams?: () => StreamCounts;
  sources?: (() => Iterable<SourceHealth>) | undefined;
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
  const shows = [
    redis && redisMetrics(registry, redis),
    pools && poolMetrics(registry, pools),
    replica && replicaMetrics(registry, replica),
    streams && streamMetrics(registry, streams),
    sources && sourceMetrics(registry, sources),
  ];

  return async () => {
    for (const show of shows) show?.();
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

/** @returns what brings them up to date */
function poolMetrics(registry: Registry, pools: () => Readonly<Record<string, PoolStats>>): () => void {
  const of = (name: string, help: string) => gauge(registry, `aitrading_db_pool_${name}`, help, ['pool']);
  const gauges = {
    limit: of('connections_max', 'Connections that the pool may have.'),
    open: of('connections_open', 'Connections that it has.'),
    idle: of('connections_idle', 'Of these, not in use.'),
    waiting: of('waiting', 'Who waits for a connection.'),
    saturation: of('saturation', 'Share of the connections in use, 0 to 1; 1 while somebody waits.'),
    acquired: of('acquired', 'Connections handed out since the start.'),
    acquireTimeouts: of('acquire_timeouts', 'Times that none was to be had, since the start.'),
    statements: of('statements', 'Statements since the start.'),
    statementTimeouts: of('statement_timeouts', 'Of these, ended for taking too long.'),
    retries: of('retries', 'Reads done again after their connection was lost, since the start.'),
  };
  const acquireSeconds = gauge(
    registry,
    'aitrading_db_pool_acquire_seconds',
    'How long it took to get a connection, of the latest 512.',
    ['pool', 'quantile'],
  );
  return () => {
    for (const [pool, stats] of Object.entries(pools())) {
      for (const [name, metric] of Object.entries(gauges)) metric.set({ pool }, stats[name as keyof typeof gauges]);
      for (const [quantile, ms] of [
        ['0.5', stats.acquireP50Ms],
        ['0.99', stats.acquireP99Ms],
      ] as const) {
        if (ms !== null) acquireSeconds.set({ pool, quantile }, ms / 1_000);
      }
    }
  };
}

/** @returns what brings them up to date */
function replicaMetrics(registry: Registry, state: () => ReplicaState): () => void {
  const isUsed = gauge(registry, 'aitrading_db_replica_used', '1 while reports may come from the read replica.', []);
  const lag = gauge(registry, 'aitrading_db_replica_lag_seconds', 'Between a commit and its replay there.', []);
  const reports = gauge(registry, 'aitrading_db_replica_reports', 'Reports since the start, by what became of them.', [
    'outcome',
  ]);
  return () => {
    const now = state();
    isUsed.set(now.isUsed ? 1 : 0);
    if (now.lagMs !== null) lag.set(now.lagMs / 1_000);
    for (const outcome of ['served', 'behind', 'failed'] as const) reports.set({ outcome }, now[outcome]);
  };
}

/** @returns what brings them up to date */
function sourceMetrics(registry: Registry, sources: () => Iterable<SourceHealth>): () => void {
  const of = (name: string, help: string) => gauge(registry, `aitrading_source_${name}`, help, ['symbol']);
  const gauges = {
    ticks: of('ticks', 'Prices since the start.'),
    gaps: of('gaps', 'Silences while the market was open, since the start.'),
    crossed: of('crossed', 'Prices whose bid was above the ask, since the start.'),
    outOfOrder: of('out_of_order', 'Prices from before the last one, since the start.'),
    invalid: of('invalid', 'What was no price, since the start.'),
  };
  const fault = gauge(registry, 'aitrading_source_fault', '1 while the source has this fault.', ['symbol', 'fault']);
  const difference = of('difference_share', 'Distance from the second source, as a share of the price.');
  return () => {
    fault.reset();
    difference.reset();
    for (const { symbol, differenceShare, ...source } of sources()) {
      for (const [name, metric] of Object.entries(gauges)) metric.set({ symbol }, source[name as keyof typeof gauges]);
      if (source.fault) fault.set({ symbol, fault: source.fault }, 1);
      if (differenceShare !== undefined) difference.set({ symbol }, differenceShare);
    }
  };
}

/** @returns what brings them up to date */
function streamMetrics(registry: Registry, counts: () => StreamCounts): () => void {
  const of = (name: string, help: string) => gauge(registry, `aitrading_streams_${name}`, help, []);
  const gauges = {
    connections: of('connections', 'Connections that there are.'),
    opened: of('opened', 'Connections since the start.'),
    deliveries: of('deliveries', 'Updates of market channels that were sent, once a connection, since the start.'),
    writes: of('writes', 'Writes since the start.'),
    degraded: of('degraded', 'Times that a client became slow, since the start.'),
    skipped: of('skipped', 'Updates that slow clients never got, since the start.'),
    acknowledgements: of('acknowledgements', 'Acknowledgements of clients since the start.'),
  };
  const closed = gauge(registry, 'aitrading_streams_closed', 'Connections that we have closed since the start.', [
    'code',
  ]);
  return () => {
    const now = counts();
    for (const [name, metric] of Object.entries(gauges)) metric.set(now[name as keyof typeof gauges]);
    for (const [code, times] of now.ended) closed.set({ code: String(code) }, times);
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
