/** The read replica for reports, where one is configured: opened, watched, and told of in the health of the platform. */
import type { DatabaseConfig } from '../config/config.ts';
import type { Limits } from '../config/limits.ts';
import type { Log } from '../runtime/actor.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Readiness } from '../runtime/readiness.ts';
import { connectDatabase } from '../transports/drivers/postgres.ts';
import { Replica } from '../transports/drivers/postgres-replica.ts';

export function openReplica(options: {
  readonly at: DatabaseConfig | undefined;
  readonly limits: Limits['database'];
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly log: Log;
}): Replica | undefined {
  const { at, limits, readiness, clock, log } = options;
  if (!at) return undefined;
  const { host, port, name, user, password } = at;
  readiness.set('replica', 'degraded', 'not asked yet');
  let wasUsed: boolean | undefined;
  return new Replica({
    database: connectDatabase({
      ...{ host, port, user, database: name, password: password?.reveal() ?? '', log, slowMs: limits.slowMs },
      // A replica that hangs must not hold up what the primary can answer.
      ...{ connectTimeoutMs: limits.replicaConnectMs, statementTimeoutMs: limits.requestMs },
    }),
    ...{ maxLagMs: limits.replicaMaxLagMs, restMs: limits.replicaRestMs },
    monotonicMs: () => clock.monotonicMs(),
    onState({ isUsed, reason }) {
      if (isUsed) readiness.set('replica', 'ready');
      else readiness.set('replica', 'degraded', `${reason}; the primary answers reports`);
      if (isUsed !== wasUsed && isUsed) log.info({ host, port }, 'the read replica is used');
      if (isUsed !== wasUsed && !isUsed) log.warn({ host, port, reason }, 'the read replica is not used');
      wasUsed = isUsed;
    },
  });
}
