/** The tree → how the platform is: operational, degraded or down, with the reasons. Pure. */
import type { ActorInfo } from '../runtime/inspection.ts';
import { isWithin } from '../runtime/path.ts';

export type TreeStatus = 'operational' | 'degraded' | 'down';

export interface SupervisorStatus {
  readonly path: string;
  readonly status: TreeStatus;
  readonly reason?: string;
}

export interface TreeHealth {
  readonly status: TreeStatus;
  readonly reasons: readonly string[];
  readonly supervisors: readonly SupervisorStatus[];
}

/**
 * A supervisor is down when a child of its own has ended for good or cannot be started, degraded when a child is being restarted,
 * has used half of its restarts, or has a mailbox nine tenths full, or when something below it is not operational.
 * Dynamic children never pull the whole platform down: one tenant's trouble degrades it.
 */
export function treeHealth(actors: readonly ActorInfo[]): TreeHealth {
  const troubles = new Map<string, { status: TreeStatus; reason: string }>();
  for (const actor of actors) {
    const trouble = troubleOf(actor);
    if (trouble) troubles.set(actor.path, trouble);
  }
  const supervisors = actors
    .filter((actor) => actor.type === 'supervisor')
    .map((supervisor): SupervisorStatus => {
      const below = [...troubles].filter(([path]) => isWithin(path, supervisor.path));
      const worst =
        below.find(([path, { status }]) => status === 'down' && isOwnChild(path, supervisor.path)) ?? below[0];
      if (!worst) return { path: supervisor.path, status: 'operational' };
      const [path, { status, reason }] = worst;
      const isOwn = path === supervisor.path || isOwnChild(path, supervisor.path);
      return { path: supervisor.path, status: isOwn ? status : 'degraded', reason: `${path}: ${reason}` };
    });
  const reasons = [...troubles].map(([path, { reason }]) => `${path}: ${reason}`);
  const isDown = supervisors.some(({ path, status }) => status === 'down' && essential.has(path));
  return { status: isDown ? 'down' : reasons.length > 0 ? 'degraded' : 'operational', reasons, supervisors };
}

const essential = new Set(['/', '/storage', '/gateways']);

function troubleOf(actor: ActorInfo): { status: TreeStatus; reason: string } | undefined {
  if (actor.status === 'stopped') return { status: 'down', reason: 'has ended' };
  if (actor.status === 'restarting')
    return { status: 'degraded', reason: `is being restarted: ${actor.lastFailure?.message ?? 'unknown'}` };
  if (actor.intensity > 0 && actor.restartsInWindow * 2 >= actor.intensity && actor.restartsInWindow > 0) {
    return { status: 'degraded', reason: `${actor.restartsInWindow} of ${actor.intensity} restarts are used` };
  }
  const { depth, capacity } = actor.mailbox;
  if (capacity > 0 && depth * 10 >= capacity * 9)
    return { status: 'degraded', reason: `mailbox holds ${depth} of ${capacity}` };
  return undefined;
}

function isOwnChild(path: string, parent: string): boolean {
  return isWithin(path, parent) && !path.slice(parent === '/' ? 1 : parent.length + 1).includes('/');
}
