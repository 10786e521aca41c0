import { expect, test } from 'vitest';
import { projector, type ProjectorLimits, type ProjectorMessage } from '../../actors/projector.ts';
import type { AccountCommit, JournalledCommit } from '../../actors/trading/events.ts';
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import { JournalUnavailable, MemoryJournal, type EntityKey } from '../../runtime/journal.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { startTestSystem, worker, type TestSystem } from '../support/test-system.ts';
import { watch, type Watched } from '../support/tally.ts';

const retryMs = 1_000;
const standard: ProjectorLimits = { batchCommits: 10, queueCommits: 20, retryMs, dutyShare: 1, gatherMs: 0 };
const keyOf = (accountId: number): EntityKey => ({ tenantId: 1, entityId: accountId });
const named = (accountId: number) => ({ tenantId: 1, tenant: 'acme', accountId, account: `a-${accountId}` });

interface Rig {
  readonly test: TestSystem;
  readonly ref: ActorRef<ProjectorMessage>;
  /** What the read models hold, `account/seq` in order of writing. */
  readonly applied: string[];
  readonly batches: number[];
  readonly reads: string[];
  readonly journal: MemoryJournal;
  /** How the next applies fail. */
  readonly failures: Error[];
  /** Rows that cannot be decoded, `account/seq`. */
  readonly damaged: string[];
  readonly logged: string[];
  isJournalAway: boolean;
  /** Milliseconds that an apply takes. */
  applyMs: number;
  follow(accountId: number, checkpoint?: number, lastSeq?: number): void;
  /** Rows that become durable and are told on the bus, or only the first of the two. */
  commit(accountId: number, seqs: readonly number[], isTold?: boolean): Promise<void>;
  waitFor(accountId: number, seq: number, withinMs?: number): Watched<boolean>;
  crash(): void;
}

async function start(limits: Partial<ProjectorLimits> = {}): Promise<Rig> {
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const checkpoints = new Map<number, number>();
  const journal = new MemoryJournal();
  const behavior = projector({
    bus,
    models: {
      async apply(commits) {
        if (rig.applyMs > 0) {
          await new Promise<void>((resolve) => void rig.test.clock.after(rig.applyMs, resolve));
        }
        const failure = rig.failures.shift();
        if (failure) throw failure;
        rig.batches.push(commits.length);
        for (const { accountId, seq } of commits) {
          const checkpoint = checkpoints.get(accountId) ?? 0;
          if (seq <= checkpoint) continue;
          expect(seq, `of account ${accountId}`).toBe(checkpoint + 1);
          checkpoints.set(accountId, seq);
          rig.applied.push(`${accountId}/${seq}`);
        }
      },
    },
    async *read(key, afterSeq) {
      rig.reads.push(`${key.entityId} after ${afterSeq}`);
      if (rig.isJournalAway) throw new JournalUnavailable();
      yield* journal.read(key, afterSeq);
    },
    decode(account, { seq, commandId, digest }): JournalledCommit {
      if (rig.damaged.includes(`${account.accountId}/${seq}`)) throw new TypeError('payload version must be 1, was 9');
      return { ...account, seq, commandId, digest, events: [] };
    },
    limits: { ...standard, ...limits },
  });
  const logged: string[] = [];
  const write = (_fields: object, message: string) => void logged.push(message);
  const log = { debug: write, info: write, warn: write, error: write };
  const system = await startTestSystem([worker('projector', behavior)], log);
  const ref = system.ref<ProjectorMessage>('/projector');
  const rig: Rig = {
    ...{ test: system, ref, applied: [], batches: [], reads: [], journal, failures: [], damaged: [], logged },
    ...{ isJournalAway: false, applyMs: 0 },
    follow(accountId, checkpoint = 0, lastSeq = checkpoint) {
      checkpoints.set(accountId, checkpoint);
      ref.tell({ type: 'follow', account: named(accountId), checkpoint, lastSeq });
    },
    async commit(accountId, seqs, isTold = true) {
      for (const seq of seqs) {
        const row = { seq, commandId: `c-${seq}`, digest: '' };
        await journal.append([{ ...keyOf(accountId), ...row, slot: 0, epoch: 1, payload: '' }]);
        const told: AccountCommit = { ...named(accountId), ...row, events: [] };
        if (isTold) bus.publish('commits', told);
      }
    },
    waitFor: (accountId, seq, withinMs = 1_000) =>
      watch(ref.ask({ type: 'wait-for', key: keyOf(accountId), seq, withinMs }, { timeoutMs: 60_000 })),
    crash: () => ref.tell({ type: 'follow' } as never),
  };
  return rig;
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const written = (accountId: number, from: number, to: number) => range(from, to).map((seq) => `${accountId}/${seq}`);
const answered = (value: boolean) => ({ state: 'answered', value });

test('what the bus brings in turn is written in order, without reading the journal', async () => {
  const rig = await start();
  rig.follow(1);
  rig.follow(2);
  await rig.test.settle();
  await rig.commit(1, [1, 2]);
  await rig.commit(2, [1]);
  await rig.commit(1, [3]);
  await rig.test.settle();
  expect(rig.applied.filter((row) => row.startsWith('1/'))).toEqual(written(1, 1, 3));
  expect(rig.applied).toContain('2/1');
  expect(rig.reads).toEqual([]);
});

test('what gathers while a batch is written goes into the next one, up to its bound', async () => {
  const rig = await start();
  rig.applyMs = 5;
  rig.follow(1);
  await rig.test.settle();
  await rig.commit(1, range(1, 16));
  for (let i = 0; i < 3; i++) await rig.test.advance(5);
  expect(rig.batches).toEqual([1, 10, 5]);
  expect(rig.applied).toEqual(written(1, 1, 16));
});

test('an account with a backlog is read from its checkpoint on, in pieces of a batch', async () => {
  const rig = await start();
  await rig.commit(1, range(1, 25), false);
  rig.follow(1, 3, 25);
  await rig.test.settle();
  expect(rig.applied).toEqual(written(1, 4, 25));
  expect(rig.batches).toEqual([10, 10, 2]);
});

test('a row that the bus left out is read from the journal, and nothing is written twice', async () => {
  const rig = await start();
  rig.follow(1);
  await rig.test.settle();
  await rig.commit(1, [1]);
  await rig.commit(1, [2], false);
  await rig.commit(1, [3, 4]);
  await rig.test.settle();
  expect(rig.applied).toEqual(written(1, 1, 4));
  expect(rig.reads).toEqual(['1 after 1']);
});

test('a row that the bus brings again changes nothing', async () => {
  const rig = await start();
  rig.follow(1, 2);
  await rig.commit(1, [1, 2, 3]);
  await rig.test.settle();
  expect(rig.applied).toEqual(['1/3']);
});

test('an account that nobody follows is left alone', async () => {
  const rig = await start();
  await rig.commit(1, [1]);
  const wait = rig.waitFor(1, 1);
  await rig.test.advance(1_000);
  expect(rig.applied).toEqual([]);
  expect(wait).toEqual(answered(false));
});

test('beyond its queue the projector lets commits go and reads them from the journal later', async () => {
  const rig = await start();
  rig.applyMs = 5;
  rig.follow(1);
  rig.follow(2);
  await rig.test.settle();
  await rig.commit(1, range(1, 50));
  await rig.commit(2, range(1, 3));
  await rig.test.settle();
  expect(rig.test.system.inspectActor('/projector')?.state).toMatchObject({ queued: 20, accountsBehind: 2 });
  for (let i = 0; i < 10; i++) await rig.test.advance(5);
  expect(rig.applied.filter((row) => row.startsWith('1/'))).toEqual(written(1, 1, 50));
  expect(rig.applied.filter((row) => row.startsWith('2/'))).toEqual(written(2, 1, 3));
});

test('an account that is behind gets its turn, however busy the others are', async () => {
  const rig = await start({ batchCommits: 4 });
  rig.applyMs = 5;
  await rig.commit(2, range(1, 3), false);
  rig.follow(1);
  rig.follow(2, 0, 3);
  await rig.test.settle();
  let next = 1;
  for (let i = 0; i < 5; i++) {
    await rig.commit(1, range(next, next + 1));
    next += 2;
    await rig.test.advance(5);
  }
  expect(rig.applied).toEqual(expect.arrayContaining(written(2, 1, 3)));
});

test('a batch that fails is written again after a pause', async () => {
  const rig = await start();
  rig.follow(1);
  rig.failures.push(new Error('no connection'), new Error('still none'));
  await rig.test.settle();
  await rig.commit(1, [1, 2]);
  await rig.test.settle();
  expect(rig.applied).toEqual([]);
  await rig.test.advance(retryMs);
  expect(rig.applied).toEqual([]);
  await rig.test.advance(retryMs);
  expect(rig.applied).toEqual(written(1, 1, 2));
});

test('a journal that cannot be read is asked again after a pause', async () => {
  const rig = await start();
  await rig.commit(1, range(1, 3), false);
  rig.isJournalAway = true;
  rig.follow(1, 0, 3);
  await rig.test.advance(retryMs);
  expect(rig.applied).toEqual([]);
  rig.isJournalAway = false;
  await rig.test.advance(retryMs);
  expect(rig.applied).toEqual(written(1, 1, 3));
});

test('a journal that lacks what it is said to hold is not asked without a pause', async () => {
  const rig = await start();
  rig.follow(1, 0, 3);
  await rig.test.settle();
  expect(rig.reads).toHaveLength(1);
  await rig.test.advance(retryMs);
  expect(rig.reads).toHaveLength(2);
});

test('whoever waits for a row is answered when it stands in the read models, and at once if it does', async () => {
  const rig = await start();
  rig.applyMs = 5;
  rig.follow(1);
  await rig.test.settle();
  await rig.commit(1, [1, 2]);
  const wait = rig.waitFor(1, 2);
  await rig.test.settle();
  expect(wait.state).toBe('open');
  await rig.test.advance(5);
  await rig.test.advance(5);
  expect(wait).toEqual(answered(true));
  const late = rig.waitFor(1, 2);
  await rig.test.settle();
  expect(late).toEqual(answered(true));
});

test('whoever waits in vain hears so when the time is over', async () => {
  const rig = await start();
  rig.follow(1);
  rig.failures.push(...Array.from({ length: 9 }, () => new Error('no connection')));
  await rig.commit(1, [1]);
  const wait = rig.waitFor(1, 1, 700);
  await rig.test.advance(699);
  expect(wait.state).toBe('open');
  await rig.test.advance(1);
  expect(wait).toEqual(answered(false));
  expect(rig.test.system.inspectActor('/projector')?.state).toMatchObject({ waits: 0 });
});

test('a wait for a row that the bus never brought has it read from the journal', async () => {
  const rig = await start();
  rig.follow(1);
  await rig.test.settle();
  await rig.commit(1, [1, 2], false);
  const wait = rig.waitFor(1, 2);
  await rig.test.settle();
  expect(wait).toEqual(answered(true));
  expect(rig.applied).toEqual(written(1, 1, 2));
});

test('after a batch it rests, so that it keeps to its share of the time, unless somebody waits', async () => {
  const rig = await start({ dutyShare: 0.2 });
  rig.applyMs = 10;
  rig.follow(1);
  await rig.test.settle();
  await rig.commit(1, [1]);
  await rig.test.settle();
  await rig.commit(1, [2]);
  await rig.test.advance(10);
  expect(rig.batches).toEqual([1]);
  await rig.test.advance(39);
  await rig.test.advance(10);
  expect(rig.batches).toEqual([1]);

  await rig.commit(1, [3]);
  const wait = rig.waitFor(1, 3);
  for (let i = 0; i < 2; i++) await rig.test.advance(10);
  expect(wait).toEqual(answered(true));
});

test('catching up is over when every followed account stands where its journal ends', async () => {
  const rig = await start();
  await rig.commit(1, range(1, 12), false);
  await rig.commit(2, range(1, 5), false);
  rig.isJournalAway = true;
  rig.follow(1, 0, 12);
  rig.follow(2, 5, 5);
  const caughtUp = watch(rig.ref.ask({ type: 'wait-until-caught-up' }, { timeoutMs: 60_000 }));
  await rig.test.settle();
  expect(caughtUp.state).toBe('open');
  rig.isJournalAway = false;
  await rig.test.advance(retryMs);
  expect(caughtUp).toEqual(answered(true));
  expect(rig.applied).toEqual(written(1, 1, 12));
  const again = watch(rig.ref.ask({ type: 'wait-until-caught-up' }, { timeoutMs: 60_000 }));
  await rig.test.settle();
  expect(again).toEqual(answered(true));
});

test('an account that is followed again with more rows is read on', async () => {
  const rig = await start();
  rig.follow(1);
  await rig.test.settle();
  await rig.commit(1, [1, 2], false);
  rig.ref.tell({ type: 'follow', account: named(1), checkpoint: 0, lastSeq: 2 });
  await rig.test.settle();
  expect(rig.applied).toEqual(written(1, 1, 2));
});

test('a crash loses no row: neither the batch in hand, nor the queue, nor what was committed meanwhile', async () => {
  const rig = await start();
  rig.applyMs = 5;
  rig.follow(1);
  rig.follow(2);
  await rig.test.settle();
  await rig.commit(1, [1, 2, 3]);
  await rig.test.settle();
  rig.crash();
  await rig.commit(2, [1]);
  await rig.test.settle();
  await rig.commit(1, [4]);
  for (let i = 0; i < 6; i++) await rig.test.advance(5);
  expect(rig.test.history()).toContain('restarted /projector');
  expect(rig.applied.filter((row) => row.startsWith('1/'))).toEqual(written(1, 1, 4));
  expect(rig.applied).toContain('2/1');
});

test('a row that is committed while the projector is down reaches the read models without anybody asking', async () => {
  const rig = await start();
  rig.follow(1);
  await rig.test.settle();
  rig.crash();
  await rig.commit(1, [1], false);
  await rig.test.settle();
  expect(rig.applied).toEqual(['1/1']);
});

test('a row that is not understood stops its own account, and nobody else', async () => {
  const rig = await start();
  await rig.commit(1, range(1, 4), false);
  await rig.commit(2, range(1, 2), false);
  rig.damaged.push('1/3');
  rig.follow(1, 0, 4);
  rig.follow(2, 0, 2);
  const caughtUp = watch(rig.ref.ask({ type: 'wait-until-caught-up' }, { timeoutMs: 60_000 }));
  await rig.test.advance(retryMs);
  expect(caughtUp).toEqual(answered(true));
  await rig.commit(1, [5]);
  await rig.commit(2, [3]);
  await rig.test.settle();
  expect(rig.applied.toSorted()).toEqual([...written(1, 1, 2), ...written(2, 1, 3)]);
  expect(rig.test.history()).not.toContain('crashed /projector');
  const waited = rig.waitFor(1, 4);
  await rig.test.advance(1_000);
  expect(waited).toEqual(answered(false));
  expect(rig.logged).toEqual([expect.stringContaining('is not understood')]);
});

test('that the read models cannot be written is said once, and so is that they can again', async () => {
  const rig = await start();
  rig.follow(1);
  await rig.test.settle();
  rig.failures.push(new Error('away'), new Error('away'), new Error('away'));
  await rig.commit(1, [1]);
  for (let i = 0; i < 4; i++) await rig.test.advance(retryMs);
  expect(rig.applied).toEqual(['1/1']);
  expect(rig.logged).toEqual(['the read models fall behind', 'the read models are written again']);
});
