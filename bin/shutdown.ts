/** How the platform stops: its phases with their limits, and what is done in each. */
import { serviceNames } from '../config/ports.ts';
import type { Limits } from '../config/limits.ts';
import { childPath } from '../runtime/path.ts';
import type { Readiness } from '../runtime/readiness.ts';
import { Shutdown } from '../runtime/shutdown.ts';
import type { ActorSystem } from '../runtime/system.ts';
import type { HomeLock } from '../transports/drivers/home-lock.ts';
import type { Storage } from './storage.ts';

export type PlatformPhase = 'before-stop' | 'drain-requests' | 'stop-actors' | 'stop-database';

export interface PlatformParts {
  readonly system: ActorSystem;
  readonly readiness: Readiness;
  readonly storage: Pick<Storage, 'close'>;
  readonly lock: HomeLock;
}

/** Runs once; more tasks may be added by whoever has something to give back. */
export function platformShutdown(
  { system, readiness, storage, lock }: PlatformParts,
  limits: Limits['shutdown'],
): Shutdown<PlatformPhase> {
  const shutdown = new Shutdown<PlatformPhase>({
    clock: system.clock,
    // The process ends one margin before the limit, and has the report by then.
    deadlineMs: limits.drainMs - 2 * limits.marginMs,
    phases: [
      { name: 'before-stop', deadlineMs: limits.beforeStopMs },
      { name: 'drain-requests', deadlineMs: limits.drainRequestsMs },
      { name: 'stop-actors', deadlineMs: limits.stopActorsMs },
      { name: 'stop-database', deadlineMs: limits.stopDatabaseMs },
    ],
  });
  // A component of its own: nothing that still comes up can call the platform ready again.
  shutdown.addTask('before-stop', 'readiness', () => readiness.set('shutdown', 'down', 'the platform is stopping'));
  // All ports at once, and before the tree: one after the other, as a supervisor stops its children, their waits would add up.
  for (const service of serviceNames)
    shutdown.addTask('drain-requests', service, () => system.stopChild(childPath('/gateways', service)));
  shutdown.addTask('stop-actors', 'tree', () => system.stop());
  shutdown.addTask('stop-database', 'storage', async () => {
    await storage.close();
    // The folder is another's only once no server of ours runs in it.
    lock.release();
  });
  return shutdown;
}

/** How long a gateway, and the whole tree, may take to stop: each ends within its phase, and goes by its own name into the log. */
export function stopBounds({ drainRequestsMs, stopActorsMs, marginMs }: Limits['shutdown']): {
  readonly gatewayMs: number;
  readonly treeMs: number;
} {
  return { gatewayMs: drainRequestsMs - marginMs, treeMs: stopActorsMs - marginMs };
}
