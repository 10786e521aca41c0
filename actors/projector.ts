/**
 * One a node: journal and event bus → read models (order lists, fills, ledger, command ids), with a checkpoint an account
 * that is written in the same transaction as the rows. What the bus brings out of turn is read again from the journal,
 * so nothing is left out and nothing counts twice.
 */
import type { ActorContext, Behavior, ReplyTo } from '../runtime/actor.ts';
import type { EventBus, Unsubscribe } from '../runtime/event-bus.ts';
import { entityName, type EntityKey, type JournalRow } from '../runtime/journal.ts';
import type { Asks } from '../runtime/ref.ts';
import type { JournalledCommit } from './trading/events.ts';
import type { PlatformTopics } from './trading/topics.ts';

export interface ReadModels {
  /** Writes rows and checkpoints in one transaction. Commits at or below an account's checkpoint change nothing. */
  apply(commits: readonly JournalledCommit[]): Promise<void>;
}

export interface ProjectedAccount {
  readonly tenantId: number;
  readonly tenant: string;
  readonly accountId: number;
  readonly account: string;
}

export type ProjectorMessage =
  | { readonly type: 'commit'; readonly commit: JournalledCommit }
  /** From now on this account is projected, from its checkpoint on. */
  | {
      readonly type: 'follow';
      readonly account: ProjectedAccount;
      readonly checkpoint: number;
      readonly lastSeq: number;
    }
  /** Answered once the read models hold everything up to `seq` of an account, or when `withinMs` is over (false). */
  | ({
      readonly type: 'wait-for';
      readonly key: EntityKey;
      readonly seq: number;
      readonly withinMs: number;
    } & Asks<boolean>)
  /** Answered once every account that is followed has caught up with what it was when it was followed. */
  | ({ readonly type: 'wait-until-caught-up' } & Asks<boolean>)
  | ({ readonly type: 'read'; readonly name: string } & (Decoded | { readonly failure: unknown }))
  | { readonly type: 'applied'; readonly failure: unknown }
  | { readonly type: 'give-up-wait'; readonly wait: Wait }
  | { readonly type: 'work' };

export interface ProjectorLimits {
  /** Commits in one transaction. */
  readonly batchCommits: number;
  /** Commits held in memory; beyond it they are dropped and read from the journal later. */
  readonly queueCommits: number;
  readonly retryMs: number;
  /** Share of time the projector may keep the database busy: after a batch it rests (1 − share) / share of the batch's duration. */
  readonly dutyShare: number;
  /** It rests at least this long while nobody waits: many commits in one transaction cost little more than one. */
  readonly gatherMs: number;
}

export interface ProjectorSpec {
  readonly bus: EventBus<PlatformTopics>;
  readonly models: ReadModels;
  read(key: EntityKey, afterSeq: number): AsyncIterable<JournalRow>;
  /** A journal row as the commit that it was. */
  decode(account: ProjectedAccount, row: JournalRow): JournalledCommit;
  readonly limits: ProjectorLimits;
}

/** What was read of a journal, up to the first row that is not understood; `fault` says what is wrong with that one. */
interface Decoded {
  readonly commits: readonly JournalledCommit[];
  readonly fault: unknown;
}

interface Wait {
  readonly name: string;
  readonly seq: number;
  readonly replyTo: ReplyTo;
}

interface Followed {
  readonly account: ProjectedAccount;
  /** The last seq that stands in the read models. */
  projected: number;
  /** The last seq that is queued or stands in them. */
  queued: number;
  /** The last seq that is known to exist. */
  known: number;
  /** A row is not understood: nothing behind it is projected, and nobody else waits for that. */
  isStuck: boolean;
}

/** Changed in place: a crash starts over from the checkpoints in the database, given anew by `follow`. */
interface Projector {
  readonly accounts: Map<string, Followed>;
  readonly queue: JournalledCommit[];
  readonly behind: Set<string>;
  readonly waits: Set<Wait>;
  readonly catchUps: ReplyTo[];
  batch: readonly JournalledCommit[];
  /** `resting` ends with the next `work` message. */
  status: 'idle' | 'busy' | 'resting';
  startedMs: number;
  /** The database does not do as it is asked, and the log says so already. */
  isFailing: boolean;
  readonly unsubscribe: Unsubscribe;
}

export function projector(spec: ProjectorSpec): Behavior<Projector, ProjectorMessage> {
  type Context = ActorContext<ProjectorMessage>;
  const followed = new Map<string, Followed>();

  function onCommit(projector: Projector, commit: JournalledCommit): void {
    const name = entityName({ tenantId: commit.tenantId, entityId: commit.accountId });
    const account = projector.accounts.get(name);
    if (!account || account.isStuck || commit.seq <= account.queued) return;
    account.known = Math.max(account.known, commit.seq);
    if (commit.seq !== account.queued + 1 || projector.queue.length >= spec.limits.queueCommits) {
      projector.behind.add(name);
      return;
    }
    projector.queue.push(commit);
    account.queued = commit.seq;
  }

  function work(projector: Projector, context: Context): void {
    if (projector.status !== 'idle') return;
    const [name] = projector.behind;
    // Accounts that are behind go first while there is room: a queue that never runs dry would keep them waiting for ever.
    if (name !== undefined && projector.queue.length < spec.limits.batchCommits)
      return readBehind(projector, name, context);
    if (projector.queue.length > 0) {
      projector.batch = projector.queue.splice(0, spec.limits.batchCommits);
      projector.status = 'busy';
      projector.startedMs = context.clock.monotonicMs();
      context.pipe(spec.models.apply(projector.batch), (result) => ({
        type: 'applied',
        failure: result.ok ? undefined : result.error,
      }));
    }
  }

  function readBehind(projector: Projector, name: string, context: Context): void {
    const followedAccount = projector.accounts.get(name)!;
    const { account, queued } = followedAccount;
    projector.behind.delete(name);
    projector.status = 'busy';
    const rows = spec.read({ tenantId: account.tenantId, entityId: account.accountId }, queued);
    context.pipe(take(rows, spec.limits.batchCommits), (result) => ({
      ...{ type: 'read', name },
      ...(result.ok ? decoded(account, result.value) : { failure: result.error }),
    }));
  }

  /** A row that is not understood is a fault of one account, so it must not end the projector of all. */
  function decoded(account: ProjectedAccount, rows: readonly JournalRow[]): Decoded {
    const commits: JournalledCommit[] = [];
    try {
      for (const row of rows) commits.push(spec.decode(account, row));
      return { commits, fault: undefined };
    } catch (fault) {
      return { commits, fault };
    }
  }

  function onRead(
    projector: Projector,
    { name, ...read }: Extract<ProjectorMessage, { type: 'read' }>,
    context: Context,
  ): void {
    if ('failure' in read) {
      projector.behind.add(name);
      return onFailure(projector, read.failure, context);
    }
    const { commits, fault } = read;
    const account = projector.accounts.get(name)!;
    for (const commit of commits) {
      if (commit.seq !== account.queued + 1) continue;
      projector.queue.push(commit);
      account.queued = commit.seq;
    }
    account.known = Math.max(account.known, account.queued);
    if (fault !== undefined) giveUp(projector, account, fault, context);
    const isMore = account.queued < account.known || commits.length === spec.limits.batchCommits;
    const isBehind = isMore && !account.isStuck;
    if (isBehind) projector.behind.add(name);
    else projector.behind.delete(name);
    // A journal that does not give what it is known to hold is asked again later.
    rest(projector, isBehind && commits.length === 0 ? spec.limits.retryMs : 0, context);
  }

  function giveUp(projector: Projector, account: Followed, fault: unknown, context: Context): void {
    account.isStuck = true;
    const { tenant, account: slug } = account.account;
    const fields = { tenant, account: slug, seq: account.queued + 1, error: String(fault) };
    context.log.error(fields, 'a row of the journal is not understood: this account is projected no further');
    answerWaits(projector);
  }

  /** Told once, however often it is tried again. */
  function onFailure(projector: Projector, failure: unknown, context: Context): void {
    if (!projector.isFailing) context.log.warn({ error: String(failure) }, 'the read models fall behind');
    projector.isFailing = true;
    rest(projector, spec.limits.retryMs, context);
  }

  function expect(projector: Projector, name: string, seq: number): void {
    const account = projector.accounts.get(name);
    if (!account || account.isStuck || seq <= account.known) return;
    account.known = seq;
    projector.behind.add(name);
  }

  function rest(projector: Projector, restMs: number, context: Context): void {
    projector.status = restMs < 1 ? 'idle' : 'resting';
    if (projector.status === 'idle') work(projector, context);
    else context.after(restMs, { type: 'work' });
  }

  function onApplied(projector: Projector, failure: unknown, context: Context): void {
    const { batch } = projector;
    projector.batch = [];
    if (failure !== undefined) {
      // Nothing of it was written, or all of it: the checkpoint decides, so the same batch may be applied again.
      projector.queue.unshift(...batch);
      return onFailure(projector, failure, context);
    }
    if (projector.isFailing) context.log.info({}, 'the read models are written again');
    projector.isFailing = false;
    for (const commit of batch) {
      const account = projector.accounts.get(entityName({ tenantId: commit.tenantId, entityId: commit.accountId }));
      if (account) account.projected = Math.max(account.projected, commit.seq);
    }
    answerWaits(projector);
    const isAwaited = projector.waits.size > 0 || projector.catchUps.length > 0;
    const tookMs = context.clock.monotonicMs() - projector.startedMs;
    const { gatherMs, dutyShare } = spec.limits;
    rest(projector, isAwaited ? 0 : Math.max(gatherMs, (tookMs * (1 - dutyShare)) / dutyShare), context);
  }

  function wake(projector: Projector, context: Context): void {
    if (projector.status === 'resting') projector.status = 'idle';
    work(projector, context);
  }

  function answerWaits(projector: Projector): void {
    for (const wait of projector.waits) {
      const account = projector.accounts.get(wait.name);
      if (!account || account.projected < wait.seq) continue;
      projector.waits.delete(wait);
      wait.replyTo.reply(true);
    }
    if (projector.catchUps.length > 0 && isCaughtUp(projector)) {
      for (const replyTo of projector.catchUps.splice(0)) replyTo.reply(true);
    }
  }

  function isCaughtUp(projector: Projector): boolean {
    for (const { isStuck, projected, known } of projector.accounts.values()) {
      if (!isStuck && projected < known) return false;
    }
    return true;
  }

  return {
    start(context) {
      // After a crash everything beyond the read models' own checkpoints is read again, and what the bus brought meanwhile.
      for (const account of followed.values()) account.queued = account.projected;
      const behind = new Set(followed.keys());
      if (behind.size > 0) context.self.tell({ type: 'work' });
      return {
        ...{
          accounts: followed,
          queue: [],
          behind,
          waits: new Set<Wait>(),
          catchUps: [],
          batch: [],
          status: 'idle' as const,
          startedMs: 0,
          isFailing: false,
        },
        unsubscribe: spec.bus.subscribe(
          'commits',
          (commit) => void context.self.tell({ type: 'commit', commit }, { control: true }),
        ),
      };
    },

    receive(projector, message, context) {
      switch (message.type) {
        case 'commit':
          onCommit(projector, message.commit);
          work(projector, context);
          break;
        case 'follow': {
          const { account, checkpoint, lastSeq } = message;
          const name = entityName({ tenantId: account.tenantId, entityId: account.accountId });
          if (!projector.accounts.has(name)) {
            const at = { projected: checkpoint, queued: checkpoint, known: checkpoint };
            projector.accounts.set(name, { account, ...at, isStuck: false });
          }
          expect(projector, name, lastSeq);
          work(projector, context);
          break;
        }
        case 'wait-for': {
          const wait: Wait = { name: entityName(message.key), seq: message.seq, replyTo: context.replyLater() };
          // Whoever waits for a row has seen it: the bus need not have brought it.
          expect(projector, wait.name, wait.seq);
          projector.waits.add(wait);
          answerWaits(projector);
          if (!projector.waits.has(wait)) break;
          context.after(message.withinMs, { type: 'give-up-wait', wait });
          wake(projector, context); // somebody is waiting: no rest now
          break;
        }
        case 'give-up-wait':
          if (projector.waits.delete(message.wait)) message.wait.replyTo.reply(false);
          break;
        case 'wait-until-caught-up':
          projector.catchUps.push(context.replyLater());
          answerWaits(projector);
          break;
        case 'read':
          onRead(projector, message, context);
          break;
        case 'applied':
          onApplied(projector, message.failure, context);
          break;
        case 'work':
          wake(projector, context);
          break;
      }
      return projector;
    },

    stop: (projector) => projector.unsubscribe(),

    inspect: ({ accounts, queue, behind, waits }) => ({
      ...{ accounts: accounts.size, queued: queue.length, accountsBehind: behind.size, waits: waits.size },
    }),
  };
}

async function take<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length >= count) break;
  }
  return taken;
}
