/** The tree as data. Built when somebody looks; nothing is kept for it. */
import { Cell } from './cell.ts';
import type { ErrorInfo, Status } from './environment.ts';
import type { Mailbox } from './mailbox.ts';
import type { Child, Supervisor } from './supervisor.ts';

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
  /** Messages handled over all incarnations. */
  readonly handled: number;
  readonly restarts: number;
  /** Failures that count against the budget now, and how many may: its own, or the one it shares with its siblings. */
  readonly restartsInWindow: number;
  readonly intensity: number;
  readonly lastFailure?: ErrorInfo & { readonly atMicros: number };
  /** What the behavior shows of its state; only when asked for. */
  readonly state?: unknown;
  /** Paths, in start order. */
  readonly children: readonly string[];
}

export interface MailboxInfo {
  /** Ordinary messages that wait, the most there have been, and how many may. */
  readonly depth: number;
  readonly highWater: number;
  readonly capacity: number;
  /** Control messages that wait. */
  readonly control: number;
  /** Age of the oldest message that waits; zero when none does. */
  readonly oldestMs: number;
  /** Messages refused or given up because the mailbox was full. */
  readonly dropped: number;
}

/** One actor. @param keeper its supervisor; the root has none */
export function describe(child: Child, keeper: Supervisor | undefined, nowMs: number): ActorInfo {
  const { path, status, incarnation, startedMicros, restarts, lastFailure } = child;
  const common = {
    path,
    id: child.spec.id,
    status,
    incarnation,
    startedMicros,
    restarts,
    ...(lastFailure && { lastFailure }),
  };
  if (child instanceof Cell) {
    const { restartsInWindow, intensity } = keeper?.budget(child) ?? { restartsInWindow: 0, intensity: 0 };
    return {
      ...common,
      type: 'worker',
      kind: child.spec.kind,
      mailbox: describeMailbox(child.mailbox, nowMs),
      handled: child.handled,
      restartsInWindow,
      intensity,
      children: [],
    };
  }
  return {
    ...common,
    type: 'supervisor',
    kind: child.spec.strategy,
    mailbox: { depth: 0, highWater: 0, capacity: 0, control: 0, oldestMs: 0, dropped: 0 },
    handled: 0,
    ...child.budget(),
    children: child.children.map((below) => below.path),
  };
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

function describeMailbox(mailbox: Mailbox<unknown>, nowMs: number): MailboxInfo {
  const { depth, highWater, capacity, control, dropped, oldestSentMs } = mailbox;
  // The stamp of a message is as coarse as an event-loop turn, and may be a little ahead of a look taken before.
  const oldestMs = oldestSentMs === undefined ? 0 : Math.max(0, nowMs - oldestSentMs);
  return { depth, highWater, capacity, control, oldestMs, dropped };
}
