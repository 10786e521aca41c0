/** The tree as data. Built when somebody looks; what it is made of are counters that are kept anyway. */
import { Cell } from './cell.ts';
import type { Crash } from './failures.ts';
import type { Status } from './environment.ts';
import type { MessageInfo } from './message-info.ts';
import type { Quantiles } from './histogram.ts';
import { defaultMailbox, type MailboxSpec } from './mailbox.ts';
import { isWithin } from './path.ts';
import type { ErrorInfo } from './redaction.ts';
import { toTick } from './ticks.ts';
import type { Child } from './family.ts';
import type { Supervisor } from './supervisor.ts';

export interface ActorInfo {
  readonly path: string;
  readonly id: string;
  readonly type: 'worker' | 'supervisor';
  /** Of a worker as its spec says, of a supervisor its strategy. */
  readonly kind: string;
  readonly status: Status;
  /** Zero before the first start. */
  readonly incarnation: number;
  /** Wall time of the last start, microseconds since 1970; zero before the first. */
  readonly startedMicros: number;
  readonly mailbox: MailboxInfo;
  /** Messages handled over all incarnations, and those that made it throw. */
  readonly handled: number;
  readonly failed: number;
  readonly restarts: number;
  /** Failures that count against the budget now, and how many may within the period: its own, or the one it shares with its siblings. */
  readonly restartsInWindow: number;
  readonly intensity: number;
  readonly periodMs: number;
  /** When it starts again, while it is down for a pause after a failure. */
  readonly restartsInMs?: number;
  readonly lastFailure?: ErrorInfo & { readonly atMicros: number };
  /** The message, or the start, that an async handler has in hand, and for how long. */
  readonly inFlight?: { readonly message?: MessageInfo; readonly runningMs: number };
  /** Timers that run, and asks kept to be answered later. */
  readonly timers: number;
  readonly openReplies: number;
  /** Paths, in start order. */
  readonly children: readonly string[];
}

/** What takes more than a look: for one actor at a time. */
export interface ActorDetail extends ActorInfo {
  /** What the behavior shows of its state; absent when it shows nothing, or cannot. */
  readonly state?: unknown;
  /** The last crashes, oldest first, each with what it had in hand. */
  readonly crashes: readonly Crash[];
  /** In milliseconds: how long messages waited, and how long handling them took. Sampled: one in some hundred when they are fast. */
  readonly waitMs?: Quantiles;
  readonly handleMs?: Quantiles;
  /** Paths of actors that watch it, and that it watches. */
  readonly watchers: readonly string[];
  readonly watching: readonly string[];
  /** Asks of its own that wait for others. */
  readonly openAsks: readonly { readonly path: string; readonly timeoutMs: number }[];
  /** What would become of it if it failed now. */
  readonly nextFailure: { readonly directive: 'restart' | 'stop' | 'escalate'; readonly group: readonly string[] };
}

export interface MailboxInfo {
  /** Ordinary messages that wait, the most there have been, and how many may. */
  readonly depth: number;
  readonly highWater: number;
  readonly capacity: number;
  /** Control messages that wait. */
  readonly control: number;
  /** Messages of other actors that wait for room, those actors with them. */
  readonly parked: number;
  /** Messages put aside. */
  readonly stashed: number;
  /** Age of the oldest message that waits; zero when none does. */
  readonly oldestMs: number;
  /** Messages taken in since the start. */
  readonly received: number;
  /** Messages refused or given up because the mailbox was full. */
  readonly dropped: number;
}

/** One actor. @param keeper its supervisor; the root has none */
export function describe(child: Child, keeper: Supervisor | undefined, nowMs: number): ActorInfo {
  return child instanceof Cell ? describeWorker(child, keeper, nowMs) : describeSupervisor(child, keeper);
}

/** An actor and everything below it, parents first, in start order. */
export function describeTree(child: Child, keeper: Supervisor | undefined, nowMs: number): ActorInfo[] {
  const infos: ActorInfo[] = [];
  const visit = (at: Child, above: Supervisor | undefined): void => {
    infos.push(describe(at, above, nowMs));
    if (!(at instanceof Cell)) for (const below of at.children) visit(below, at);
  };
  visit(child, keeper);
  return infos;
}

/** One actor with all that is known of it. @param within paths outside of this part are left out */
export function describeInDetail(
  child: Child,
  keeper: Supervisor | undefined,
  nowMs: number,
  within: string,
): ActorDetail {
  const isVisible = (path: string): boolean => isWithin(path, within);
  const info = describe(child, keeper, nowMs);
  const outlook = keeper?.outlook(child);
  const isTemporary = child.spec.restart === 'temporary';
  const restarted = isTemporary || !keeper ? [child] : keeper.groupOf(child);
  const group = restarted.map(({ path }) => path).filter(isVisible);
  const directive = isTemporary ? 'stop' : outlook?.isLast === false ? 'restart' : 'escalate';
  const nextFailure = { directive, group } as const;
  if (!(child instanceof Cell)) {
    return { ...info, crashes: [], watchers: [], watching: [], openAsks: [], nextFailure };
  }
  const { times, life } = child;
  const state = child.inspectState();
  return {
    ...info,
    ...(state !== undefined && { state }),
    crashes: child.failures?.crashes ?? [],
    ...timesOf(times),
    watchers: child.watchers.filter(isVisible),
    watching: (life?.watching ?? []).filter(isVisible),
    openAsks: [...(life?.openAsks ?? [])]
      .map(({ target, timeoutMs }) => ({ path: target.path, timeoutMs }))
      .filter(({ path }) => isVisible(path)),
    nextFailure,
  };
}

function timesOf(times: Cell<unknown, unknown>['times']): Pick<ActorDetail, 'waitMs' | 'handleMs'> {
  const waitMs = times?.wait.quantiles();
  const handleMs = times?.handle.quantiles();
  return { ...(waitMs?.count && { waitMs }), ...(handleMs?.count && { handleMs }) };
}

// Literals of one shape, written out: a tree of ten thousand is built once a second while somebody watches.
function describeWorker(cell: Cell<unknown, unknown>, keeper: Supervisor | undefined, nowMs: number): ActorInfo {
  const { life, busySinceMs } = cell;
  const outlook = keeper?.outlook(cell);
  const info: ActorInfo = {
    path: cell.path,
    id: cell.spec.id,
    type: 'worker',
    kind: cell.spec.kind,
    status: cell.status,
    incarnation: cell.incarnation,
    startedMicros: cell.startedMicros,
    mailbox: describeMailbox(cell, nowMs),
    handled: cell.handled,
    failed: cell.failures?.messages ?? 0,
    restarts: cell.restarts,
    restartsInWindow: outlook?.restartsInWindow ?? 0,
    intensity: outlook?.intensity ?? 0,
    periodMs: outlook?.periodMs ?? 0,
    timers: life?.timers ?? 0,
    openReplies: life?.keptAsks ?? 0,
    children: none,
  };
  const last = cell.failures?.last;
  const isWaiting = outlook?.restartsInMs !== undefined && cell.status === 'restarting';
  if (last === undefined && busySinceMs === undefined && !isWaiting) return info;
  const message = cell.inHand;
  return {
    ...info,
    ...(isWaiting && { restartsInMs: outlook.restartsInMs }),
    ...(last && { lastFailure: { name: last.error.name, message: last.error.message, atMicros: last.atMicros } }),
    ...(busySinceMs !== undefined && {
      inFlight: { runningMs: Math.max(0, nowMs - busySinceMs), ...(message && { message }) },
    }),
  };
}

function describeSupervisor(supervisor: Supervisor, keeper: Supervisor | undefined): ActorInfo {
  const { restartsInWindow, intensity, periodMs } = supervisor.outlook();
  const restartsInMs = supervisor.status === 'restarting' ? keeper?.outlook(supervisor).restartsInMs : undefined;
  return {
    path: supervisor.path,
    id: supervisor.spec.id,
    type: 'supervisor',
    kind: supervisor.spec.strategy,
    status: supervisor.status,
    incarnation: supervisor.incarnation,
    startedMicros: supervisor.startedMicros,
    mailbox: noMailbox,
    handled: 0,
    failed: 0,
    restarts: supervisor.restarts,
    restartsInWindow,
    intensity,
    periodMs,
    ...(restartsInMs !== undefined && { restartsInMs }),
    ...(supervisor.lastFailure && { lastFailure: supervisor.lastFailure }),
    timers: 0,
    openReplies: 0,
    children: supervisor.children.map((below) => below.path),
  };
}

function describeMailbox(cell: Cell<unknown, unknown>, nowMs: number): MailboxInfo {
  const { mailbox, stashed } = cell;
  const { capacity }: MailboxSpec<never> = cell.spec.mailbox ?? defaultMailbox;
  if (mailbox === undefined) return { ...noMailbox, capacity };
  return {
    depth: mailbox.depth,
    highWater: mailbox.highWater,
    capacity,
    control: mailbox.control,
    parked: mailbox.parked,
    stashed,
    oldestMs: mailbox.oldestMs(toTick(nowMs)),
    received: mailbox.received,
    dropped: mailbox.dropped,
  };
}

const none: readonly string[] = [];
const noMailbox: MailboxInfo = {
  ...{ depth: 0, highWater: 0, capacity: 0, control: 0, parked: 0, stashed: 0, oldestMs: 0, received: 0, dropped: 0 },
};
