/** What people may do to a running tree: each act with a reason, on the actor that was on the screen, and first as a dry run. */
import { Cell } from './cell.ts';
import type { Environment } from './environment.ts';
import { ActorStopped } from './errors.ts';
import { StartFailed } from './spec.ts';
import { type Child, isGone } from './family.ts';
import { isWithin } from './path.ts';
import type { Supervisor } from './supervisor.ts';

export interface OperatorRequest {
  /**
   * `suspend` and `resume` let messages wait and go on; `restart` starts afresh; `stop` takes down until a restart;
   * `drain` lets what waits be handled first; `trip` and `reset` are for breakers.
   * On a supervisor all but the last two go for everything below it.
   */
  readonly action: 'suspend' | 'resume' | 'restart' | 'stop' | 'drain' | 'trip' | 'reset';
  readonly path: string;
  /** Who wants it, and why: both end on the event stream. */
  readonly by: string;
  readonly reason: string;
  /** Refuses to touch another incarnation than the one that was looked at. */
  readonly ifIncarnation?: number;
  /** Where whoever asks may act: a tenant's admin in the tenant's subtree. Default: everywhere. */
  readonly within?: string;
  /** Only says what would happen. */
  readonly dryRun?: boolean;
  /** How long a drain may take before it becomes a stop. Default 30,000. */
  readonly drainMs?: number;
}

export interface BlastRadius {
  /** Paths of all that would be touched, in start order. */
  readonly actors: readonly string[];
  /** Messages that would be given up. */
  readonly queued: number;
  /** Asks that would fail. */
  readonly openAsks: number;
  /** Paths of those that have something under way which a stop would cut off. */
  readonly notIdle: readonly string[];
}

export type OperatorResult =
  | {
      readonly type: 'done';
      readonly radius: BlastRadius;
      readonly isDryRun: boolean;
      /** Of the event that says so; undefined for a dry run. */
      readonly seq: number | undefined;
      /** The action that takes it back, when there is one. */
      readonly undo: Undo;
    }
  | {
      readonly type: 'refused';
      /**
       * `START_FAILED`: it was down, and is so still. `NOT_RUNNING`: a breaker that is down obeys nobody, and nothing is restarted
       * while its supervisor is not up, or takes it down.
       * `OUT_OF_REACH`: others would be touched beside that are not `within`.
       */
      readonly code:
        | 'NOT_FOUND'
        | 'INCARNATION_CHANGED'
        | 'NOT_IDLE'
        | 'NOT_A_BREAKER'
        | 'REASON_MISSING'
        | 'IS_ROOT'
        | 'START_FAILED'
        | 'NOT_RUNNING'
        | 'OUT_OF_REACH';
      readonly radius?: BlastRadius;
      /** Of the actor that is there now. */
      readonly incarnation?: number;
    };

type Undo = 'suspend' | 'resume' | 'restart' | 'reset' | undefined;

const defaultDrainMs = 30_000;
const undo: Record<OperatorRequest['action'], Undo> = {
  ...{ suspend: 'resume', resume: 'suspend', stop: 'restart', drain: 'restart', trip: 'reset' },
  ...{ restart: undefined, reset: undefined },
};

/** @param keeper its supervisor; the root has none */
export async function operate(
  env: Environment,
  child: Child | undefined,
  keeper: Supervisor | undefined,
  request: OperatorRequest,
): Promise<OperatorResult> {
  const { action, reason, by, ifIncarnation, within = '/', dryRun = false } = request;
  if (reason.trim() === '' || by.trim() === '') return { type: 'refused', code: 'REASON_MISSING' };
  if (!child || !isWithin(child.path, within)) return { type: 'refused', code: 'NOT_FOUND' };
  const { incarnation } = child;
  if (ifIncarnation !== undefined && ifIncarnation !== incarnation) {
    return { type: 'refused', code: 'INCARNATION_CHANGED', incarnation };
  }
  const radius = radiusOf(action, child, keeper);
  if (!radius.actors.every((path) => isWithin(path, within))) return { type: 'refused', code: 'OUT_OF_REACH' };
  const isBreaker = child instanceof Cell && child.spec.kind === 'breaker';
  if ((action === 'trip' || action === 'reset') && !isBreaker)
    return { type: 'refused', code: 'NOT_A_BREAKER', radius };
  const ends = action === 'stop' || action === 'drain' || action === 'restart';
  if (ends && !keeper) return { type: 'refused', code: 'IS_ROOT', radius };
  if (action === 'stop' && radius.notIdle.length > 0) return { type: 'refused', code: 'NOT_IDLE', radius };
  if (isBreaker && isGone(child) && (action === 'trip' || action === 'reset')) {
    return { type: 'refused', code: 'NOT_RUNNING', radius };
  }
  if (action === 'restart' && !keeper?.mayRenew(child)) return { type: 'refused', code: 'NOT_RUNNING', radius };
  if (dryRun) return { type: 'done', radius, isDryRun: true, seq: undefined, undo: undo[action] };
  const { seq } = env.events.publish(child.path, incarnation, { type: 'operator-action', action, by, reason });
  env.log.warn({ path: child.path, action, by, reason }, 'an operator acts');
  try {
    await perform(env, child, keeper, request);
  } catch (error) {
    if (error instanceof StartFailed) return { type: 'refused', code: 'START_FAILED', radius, incarnation };
    if (error instanceof ActorStopped) return { type: 'refused', code: 'NOT_RUNNING', radius, incarnation };
    throw error;
  }
  return { type: 'done', radius, isDryRun: false, seq, undo: undo[action] };
}

async function perform(
  env: Environment,
  child: Child,
  keeper: Supervisor | undefined,
  { action, reason, by, drainMs = defaultDrainMs }: OperatorRequest,
): Promise<void> {
  switch (action) {
    case 'suspend':
      for (const cell of cellsBelow(child)) cell.suspend();
      break;
    case 'resume':
      for (const cell of cellsBelow(child)) cell.resume();
      break;
    case 'restart':
      await keeper!.renew(child);
      break;
    case 'stop':
      await keeper!.bench(child);
      break;
    case 'drain':
      // Below one that is down nobody has anything to finish, and nothing would end the drain.
      if (!isGone(child)) await drained(env, child, drainMs);
      await keeper!.bench(child);
      break;
    case 'trip':
    case 'reset':
      (child as Cell<unknown, unknown>).tell({ type: action, why: `${by}: ${reason}` }, { control: true });
      break;
  }
}

/** Resolves when everything below has been drained, or the time is up. */
async function drained(env: Environment, child: Child, withinMs: number): Promise<void> {
  const { promise: tooLate, resolve } = Promise.withResolvers<void>();
  const timer = env.clock.after(withinMs, resolve);
  await Promise.race([tooLate, Promise.all(cellsBelow(child).map((cell) => cell.drain()))]);
  timer.cancel();
}

function radiusOf(action: OperatorRequest['action'], child: Child, keeper: Supervisor | undefined): BlastRadius {
  const touched = action === 'restart' ? (keeper?.groupOf(child) ?? [child]) : [child];
  const actors: string[] = [];
  for (const each of touched) gatherPaths(each, actors);
  const cells = touched.flatMap(cellsBelow);
  const losesMessages = action === 'stop';
  const failsAsks = action === 'stop' || action === 'restart';
  return {
    actors,
    queued: losesMessages ? sum(cells, (cell) => cell.waiting) : 0,
    openAsks: failsAsks ? sum(cells, (cell) => openAsksOf(cell, losesMessages)) : 0,
    notIdle: cells.filter((cell) => !cell.isIdle).map(({ path }) => path),
  };
}

/** Asks in hand and kept; those that wait survive what keeps the messages. */
function openAsksOf(cell: Cell<unknown, unknown>, withQueued: boolean): number {
  const inHand = cell.envelopeInHand?.ask?.settled === false ? 1 : 0;
  const queued = withQueued ? cell.waitingAsks : 0;
  return inHand + queued + (cell.life?.keptAsks ?? 0);
}

function gatherPaths(child: Child, paths: string[]): void {
  paths.push(child.path);
  if (!(child instanceof Cell)) for (const below of child.children) gatherPaths(below, paths);
}

function cellsBelow(child: Child): Cell<unknown, unknown>[] {
  return child instanceof Cell ? [child] : child.children.flatMap(cellsBelow);
}

function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0);
}
