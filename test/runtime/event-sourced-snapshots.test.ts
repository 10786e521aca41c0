/** Snapshots of an event-sourced actor: when they are saved, what is in them, and that nothing ever depends on one. */
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { CommandFilter } from '../../runtime/command-filter.ts';
import type { JournalEntry } from '../../runtime/journal.ts';
import type { Snapshot } from '../../runtime/snapshots.ts';
import { ScriptedJournal } from '../support/scripted-journal.ts';
import { ScriptedSnapshots } from '../support/scripted-snapshots.ts';
import {
  type Added,
  decode,
  digestOf,
  emptyTally,
  evolveTally,
  reloadMs,
  startTally,
  storeMs,
  type TallyLimits,
  type TallyOptions,
  type TallyRig,
  tallyKey,
} from '../support/tally.ts';

/** One process after another over the same journal and the same snapshots. */
class World {
  readonly journal = new ScriptedJournal();
  readonly store = new ScriptedSnapshots();
  /** What was said in the log, by level. */
  readonly warnings: string[] = [];

  async start(
    policy: Partial<NonNullable<TallyOptions['snapshots']>> = {},
    limits: Partial<TallyLimits> = {},
  ): Promise<TallyRig> {
    this.journal.reads.length = 0;
    const log = { ...silentLog, warn: (_fields: object, message: string) => void this.warnings.push(message) };
    const rig = await startTally(limits, this.journal, { snapshots: { store: this.store, ...policy }, log });
    onTestFinished(() => rig.stop());
    return rig;
  }

  latest(): Promise<Snapshot | undefined> {
    return this.store.memory.load(tallyKey);
  }
}

const done = (sum: number, seq: number, duplicate = false) => ({
  state: 'answered',
  value: { type: 'done', reply: { sum }, seq, duplicate },
});
const unavailable = (code: 'NOT_READY' | 'OVERLOADED') => ({
  state: 'answered',
  value: expect.objectContaining({ type: 'unavailable', code }),
});
const ids = (count: number, prefix = 'c') => Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
const seqs = (rows: readonly { seq: number }[]) => rows.map(({ seq }) => seq);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Each in a row and a commit of its own. */
async function addAll(rig: TallyRig, commandIds: readonly string[]): Promise<void> {
  for (const id of commandIds) {
    rig.add(id);
    await rig.settle();
  }
}

function foreign(seq: number, id: string, amount = 100): JournalEntry {
  const payload = JSON.stringify({ events: [{ amount }], reply: { sum: amount } });
  const digest = digestOf({ type: 'add', id, amount });
  return { ...tallyKey, seq, slot: 3, epoch: 1, commandId: id, digest, payload };
}

test('a snapshot is saved whenever so many rows have become durable, and a start reads only those behind it', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 10 });
  await addAll(rig, ids(25));
  expect(seqs(world.store.saved)).toEqual([10, 20]);
  await rig.stop();

  const next = await world.start({ everyRows: 10 });
  expect(await next.read()).toEqual({ state: { sum: 25, count: 25 }, seq: 25 });
  expect(world.journal.reads).toEqual([19]);
  expect(next.inspect().recentCommands).toBe(5);
  await addAll(next, ids(5, 'd'));
  expect(seqs(world.store.saved)).toEqual([10, 20, 30]);
  expect(next.published.map(({ seq, before }) => [seq, before.sum])).toEqual(range(26, 30).map((n) => [n, n - 1]));
});

test('rows that were read without a snapshot count towards the next one', async () => {
  const world = new World();
  await world.journal.memory.append(range(1, 12).map((seq) => foreign(seq, `f-${seq}`, 1)));
  const rig = await world.start({ everyRows: 10 });
  expect(seqs(world.store.saved)).toEqual([12]);
  await addAll(rig, ids(10));
  expect(seqs(world.store.saved)).toEqual([12, 22]);
});

test('the rows between two snapshots grow with the journal, as snapshots do', async () => {
  const world = new World();
  await world.journal.memory.append(range(1, 1_000).map((seq) => foreign(seq, `f-${seq}`, 1)));
  const rig = await world.start({ everyRows: 10 });
  await addAll(rig, ids(41));
  expect(seqs(world.store.saved)).toEqual([1_000, 1_020, 1_040]);
  await rig.stop();
  const next = await world.start({ everyRows: 10 });
  await addAll(next, ids(20, 'd'));
  expect(seqs(world.store.saved)).toEqual([1_000, 1_020, 1_040, 1_060]);
});

test('a snapshot says of which row it is, and holds the ids of all commands through that', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 3, version: 7 });
  await addAll(rig, ids(3));
  const [saved] = world.store.saved;
  expect(saved).toMatchObject({ version: 7, seq: 3, epoch: 1, state: '{"sum":3,"count":3}' });
  const filter = CommandFilter.decode(saved!.commands);
  expect([...ids(3), 'd-1'].map((id) => filter.mayHave(id))).toEqual([true, true, true, false]);
});

test('a snapshot holds the durable state alone, while 64 rows are in flight that fail later', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 1 });
  world.journal.hold();
  rig.add('first', 5);
  await rig.settle();
  const lost = ids(63).map((id) => rig.add(id));
  await rig.settle();
  expect(rig.inspect().inFlight).toBe(64);
  world.journal.outcomes.push('written', 'unavailable');
  world.journal.release();
  await rig.settle();
  expect(lost).toEqual(lost.map(() => unavailable('NOT_READY')));
  expect(world.store.saved).toMatchObject([{ seq: 1, state: '{"sum":5,"count":1}' }]);

  await rig.stop();
  const next = await world.start();
  const again = ids(63).map((id) => next.add(id));
  await next.settle();
  expect(again).toEqual(again.map((_, i) => done(6 + i, 2 + i)));
});

test('a command from before the snapshot is answered as the duplicate that it is, or as another one', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 5 });
  await addAll(rig, ids(7));
  await rig.stop();
  const next = await world.start({ everyRows: 5 });
  const [old, other, recent, fresh] = [next.add('c-2'), next.add('c-3', 9), next.add('c-6'), next.add('new')];
  await next.settle();
  expect([old, recent, fresh]).toEqual([done(2, 2, true), done(6, 6, true), done(8, 8)]);
  expect(other).toEqual({ state: 'answered', value: { type: 'reused' } });
  expect(next.lookedUp).toEqual(['c-2', 'c-3']);
  expect(await next.rows()).toHaveLength(8);
});

test('a command that is looked up twice at once after a start from a snapshot has one effect', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 2 });
  world.journal.outcomes.push('unavailable');
  rig.add('x');
  await rig.advance(reloadMs);
  await addAll(rig, ids(2));
  await rig.stop();
  const next = await world.start({ everyRows: 2 }, { recentCommands: 0 });
  const both = [next.add('x'), next.add('x')];
  await next.settle();
  expect(both).toEqual([done(3, 3), done(3, 3, true)]);
  expect(next.lookedUp.slice(0, 2)).toEqual(['x', 'x']);
});

const tampered: [name: string, tamper: (world: World, saved: Snapshot) => Promise<void>][] = [
  ['of another version', (world, saved) => world.store.memory.save(tallyKey, { ...saved, version: 2 })],
  ['whose state was altered', (world, saved) => world.store.memory.save(tallyKey, { ...saved, state: '{"sum":99}' })],
  ['whose ids were altered', (world, saved) => world.store.memory.save(tallyKey, { ...saved, commands: 'f1' })],
  ['said to be of another row', (world, saved) => world.store.memory.save(tallyKey, { ...saved, seq: 4 })],
  ['before any row', (world, saved) => world.store.memory.save(tallyKey, { ...saved, seq: 0 })],
  ['ahead of the journal', (world) => world.journal.setBack(tallyKey, 4)],
  ['of a journal that is empty', (world) => world.journal.setBack(tallyKey, 0)],
  [
    'of a journal that went another way since',
    async ({ journal }) => {
      await journal.setBack(tallyKey, 3);
      await journal.memory.append([foreign(4, 'c-4'), foreign(5, 'c-5')]);
    },
  ],
  ['whose store is away', async ({ store }) => void (store.isAway = true)],
  [
    'whose store throws at once',
    async ({ store }) => {
      store.load = () => {
        throw new Error('broken');
      };
    },
  ],
];

test.each(tampered)('a snapshot %s is left alone: the whole journal is read', async (_name, tamper) => {
  const world = new World();
  const rig = await world.start({ everyRows: 5 });
  await addAll(rig, ids(6));
  await rig.stop();
  await tamper(world, (await world.latest())!);
  const next = await world.start({ everyRows: 100 });
  const rows = await next.rows();
  const state = rows.flatMap(({ payload }) => decode(payload).events).reduce(evolveTally, emptyTally);
  expect(await next.read()).toEqual({ state, seq: rows.length });
  expect(next.inspect().recentCommands).toBe(rows.length);
  const served = next.add('next', 7);
  await next.settle();
  expect(served).toEqual(done(state.sum + 7, rows.length + 1));
});

test.each([
  ['throws', () => JSON.parse('{') as never],
  [
    'throws what is no error',
    () => {
      // oxlint-disable-next-line typescript/only-throw-error -- a decoder may be as bad as it likes
      throw 'no';
    },
  ],
])('a snapshot whose decoder %s is left alone, and the next one takes its place', async (_name, decoder) => {
  const world = new World();
  const rig = await world.start({ everyRows: 5 });
  await addAll(rig, ids(6));
  await rig.stop();
  const next = await world.start({ everyRows: 5, decode: decoder });
  expect(await next.read()).toEqual({ state: { sum: 6, count: 6 }, seq: 6 });
  expect(world.warnings).toContain('a snapshot does not decode');
  expect(seqs(world.store.saved)).toEqual([5, 6]);
});

test('a snapshot of an earlier version of the rules is left alone, and one of this version takes its place', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 5, version: 1, encode: () => 'as it was written then' });
  await addAll(rig, ids(6));
  await rig.stop();
  const next = await world.start({ everyRows: 5, version: 2, decode: () => ({ sum: -1, count: -1 }) });
  expect(await next.read()).toEqual({ state: { sum: 6, count: 6 }, seq: 6 });
  expect(world.store.saved).toMatchObject([
    { seq: 5, version: 1 },
    { seq: 6, version: 2 },
  ]);
});

test('a start waits for a store that hangs no longer than its deadline', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 5 });
  await addAll(rig, ids(6));
  await rig.stop();
  world.store.hold();
  const next = await world.start({ everyRows: 5 });
  const served = next.add('next');
  await next.advance(storeMs - 1);
  expect(served.state).toBe('open');
  await next.advance(1);
  expect(served).toEqual(done(7, 7));
  world.store.release();
  await next.settle();
  expect(await next.read()).toEqual({ state: { sum: 7, count: 7 }, seq: 7 });
});

test('a journal that goes away between a snapshot and its rows is read behind the snapshot later', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 5 });
  await addAll(rig, ids(6));
  await rig.stop();
  world.journal.isAway = true;
  const next = await world.start({ everyRows: 5 });
  expect(await next.read()).toMatchObject({ type: 'unavailable' });
  world.journal.isAway = false;
  await next.advance(reloadMs);
  expect(world.journal.reads).toEqual([4]);
  expect(await next.read()).toEqual({ state: { sum: 6, count: 6 }, seq: 6 });
});

test('a save that fails is said in the log, and made good after as many rows again', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 3 });
  world.store.isAway = true;
  await addAll(rig, ids(3));
  world.store.isAway = false;
  expect(world.warnings).toEqual(['a snapshot could not be saved']);
  await addAll(rig, ids(2, 'd'));
  expect(await world.latest()).toBeUndefined();
  await addAll(rig, ['e']);
  expect(seqs(world.store.saved)).toEqual([3, 6]);
  expect(await world.latest()).toMatchObject({ seq: 6 });
});

test('a state that cannot be encoded costs its snapshots, and nothing else', async () => {
  const world = new World();
  const encode = (): never => {
    throw new Error('no text for this');
  };
  const rig = await world.start({ everyRows: 2, encode });
  const answers = ids(4).map((id) => rig.add(id));
  await rig.settle();
  expect(answers).toEqual([1, 2, 3, 4].map((n) => done(n, n)));
  expect(world.store.saved).toEqual([]);
  expect(world.warnings).toContain('a snapshot could not be saved');
});

test('a slow store delays no reply, has one save to do at a time, and gets the latest state next', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 2 });
  world.store.hold();
  const answers = ids(9).map((id) => rig.add(id));
  await rig.settle();
  await addAll(rig, ids(9, 'd'));
  expect(answers).toEqual(answers.map((_, i) => done(i + 1, i + 1)));
  expect(seqs(world.store.saved)).toEqual([9]);
  world.store.release();
  await addAll(rig, ['e']);
  expect(seqs(world.store.saved)).toEqual([9, 19]);
  expect(world.store.mostAtOnce).toBe(1);
});

test('a save that hangs is given up at its deadline, and the next is tried', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 2 });
  world.store.hold();
  await addAll(rig, ids(5));
  expect([rig.isIdle(), seqs(world.store.saved)]).toEqual([false, [2]]);
  await rig.advance(storeMs);
  expect([rig.isIdle(), world.warnings]).toEqual([true, ['a snapshot could not be saved']]);
  await addAll(rig, ids(1, 'd'));
  expect(seqs(world.store.saved)).toEqual([2, 6]);
});

test('a save that is under way in a crash is still the only one', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 2 });
  world.store.hold();
  await addAll(rig, ids(2));
  rig.crash();
  world.store.load = (key) => world.store.memory.load(key);
  await addAll(rig, ids(4, 'd'));
  expect(seqs(world.store.saved)).toEqual([2]);
  world.store.release();
  await addAll(rig, ['e']);
  expect(seqs(world.store.saved)).toEqual([2, 7]);
  expect(world.store.mostAtOnce).toBe(1);
});

test('a writer that is fenced off leaves snapshots of what it wrote alone, and its successor goes on from them', async () => {
  const world = new World();
  const stale = await world.start({ everyRows: 2 });
  await addAll(stale, ids(2));
  world.journal.memory.claim(3, 2);
  const refused = ids(4, 'stale').map((id) => stale.add(id));
  await stale.settle();
  expect(refused).toEqual(refused.map(() => unavailable('NOT_READY')));
  expect(seqs(world.store.saved)).toEqual([2]);

  const owner = await world.start({ everyRows: 2 });
  owner.epoch = 2;
  expect(world.journal.reads).toEqual([1]);
  await addAll(owner, ids(2, 'd'));
  expect(world.store.saved).toMatchObject([
    { seq: 2, epoch: 1 },
    { seq: 4, epoch: 2 },
  ]);
  // The rows of its successor come about in its life too: it reads them, and tells them.
  stale.crash();
  await stale.advance(reloadMs);
  expect(await stale.read()).toEqual({ state: { sum: 4, count: 4 }, seq: 4 });
  expect(seqs(stale.published)).toEqual([1, 2, 3, 4]);
});

test('a snapshot beyond what was told is left alone, so that each row between is told', async () => {
  const world = new World();
  const first = await world.start({ everyRows: 100 });
  await addAll(first, ids(3));
  const second = await world.start({ everyRows: 1 });
  await addAll(second, ids(5, 'd'));
  expect((await world.latest())?.seq).toBe(8);
  first.crash();
  await first.settle();
  expect(first.published.map(({ seq, before }) => [seq, before.sum])).toEqual(range(1, 8).map((n) => [n, n - 1]));
});

test('after a crash the rows behind the snapshot are not told again', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 4 });
  await addAll(rig, ids(6));
  world.journal.reads.length = 0;
  rig.crash();
  await rig.settle();
  await addAll(rig, ['d']);
  expect(world.journal.reads).toEqual([3]);
  expect(seqs(rig.published)).toEqual(range(1, 7));
});

test('an entity whose journal was set back goes on behind its end, and what it writes there is told', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 4 });
  await addAll(rig, ids(9));
  await world.journal.setBack(tallyKey, 5);
  // The first conflict may be a row of somebody else; when none is found, the second ends the incarnation.
  await addAll(rig, ['d', 'd']);
  await rig.advance(reloadMs);
  const served = [rig.add('d'), rig.add('c-5'), rig.add('c-9')];
  await rig.settle();
  expect(served).toEqual([done(6, 6), done(5, 5, true), done(7, 7)]);
  expect(seqs(rig.published)).toEqual([...range(1, 9), 6, 7]);
  expect(await rig.read()).toEqual({ state: { sum: 7, count: 7 }, seq: 7 });
  // The one at 8 is of no use any more; the next start finds another.
  expect(seqs(world.store.saved)).toEqual([4, 8, 5]);
});

test('what an incarnation leaves in flight behind the end of a journal that was set back is told by the next', async () => {
  const world = new World();
  const rig = await world.start();
  await addAll(rig, ids(9));
  await world.journal.setBack(tallyKey, 5);
  rig.crash();
  await rig.settle();
  world.journal.hold();
  rig.add('late');
  await rig.settle();
  rig.crash();
  await rig.settle();
  world.journal.release();
  await rig.settle();
  expect(seqs(rig.published)).toEqual([...range(1, 9), 6]);
});

test('after a conflict the journal is read on from the durable state, not from the snapshot', async () => {
  const world = new World();
  const rig = await world.start({ everyRows: 2 });
  await addAll(rig, ids(5));
  await world.journal.memory.append([foreign(6, 'other')]);
  await addAll(rig, ['d', 'd']);
  expect(world.journal.reads).toEqual([0, 5]);
  expect(await rig.read()).toMatchObject({ seq: 7 });
});

type Action =
  | { readonly do: 'add'; readonly id: number; readonly amount: number }
  | { readonly do: 'store-away'; readonly isAway: boolean }
  | { readonly do: 'hold' | 'release' | 'hold-store' | 'release-store' | 'settle' | 'fail' | 'crash' | 'new-process' }
  | { readonly do: 'set-back'; readonly by: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      id: fc.nat(60),
      amount: fc.integer({ min: -1, max: 1 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('store-away' as const), isAway: fc.boolean() }) },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['hold', 'release', 'hold-store', 'release-store', 'settle', 'settle', 'settle'] as const),
        ...(['fail', 'crash', 'new-process'] as const),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('set-back' as const), by: fc.nat(8) }) },
);

const runs = Math.ceil(150 * Number(process.env['TEST_SCALE'] ?? 1));

test('whatever happens, a start from a snapshot and one from the whole journal come to the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(0, 3, 1_000),
      fc.array(action, { minLength: 1, maxLength: 80 }),
      async (everyRows, recentCommands, actions) => {
        const { journal, store } = new World();
        const snapshots = { store, everyRows };
        let rig = await startTally({ recentCommands }, journal, { snapshots });
        const perform = async (step: Action): Promise<void> => {
          switch (step.do) {
            case 'add':
              rig.add(`c-${step.id}`, step.amount);
              break;
            case 'store-away':
              store.isAway = step.isAway;
              break;
            case 'hold':
              journal.hold();
              break;
            case 'release':
              journal.release();
              break;
            case 'hold-store':
              store.hold();
              break;
            case 'release-store':
              store.release();
              break;
            case 'settle':
              await rig.settle();
              break;
            case 'fail':
              journal.outcomes.push('unavailable');
              break;
            case 'crash':
              rig.crash();
              break;
            case 'new-process':
              await rig.stop();
              journal.release();
              await rig.settle();
              rig = await startTally({ recentCommands }, journal, { snapshots });
              break;
            case 'set-back': {
              // As a restore does it: while nothing runs.
              await rig.stop();
              journal.release();
              await rig.settle();
              const { length } = await rig.rows();
              await journal.setBack(tallyKey, Math.max(0, length - step.by));
              rig = await startTally({ recentCommands }, journal, { snapshots });
              break;
            }
          }
        };
        try {
          for (const step of actions) await perform(step);
          journal.outcomes.length = 0;
          for (const gate of [journal, store]) gate.release();
          for (let i = 0; i < 4; i++) await rig.advance(Math.max(reloadMs, storeMs));
          await perform({ do: 'new-process' });

          const rows = await rig.rows();
          const amounts = rows.map(({ payload }): Added => decode(payload).events[0]!);
          const state = amounts.reduce(evolveTally, emptyTally);
          expect(seqs(rows)).toEqual(range(1, rows.length));
          expect(await rig.read()).toEqual({ state, seq: rows.length });
          const latest = await store.memory.load(tallyKey);
          if (latest && latest.seq <= rows.length && !actions.some((step) => step.do === 'set-back')) {
            expect(JSON.parse(latest.state)).toEqual(amounts.slice(0, latest.seq).reduce(evolveTally, emptyTally));
          }
          for (const [i, { commandId, seq, payload }] of rows.entries()) {
            const repeated = rig.add(commandId, amounts[i]!.amount);
            await rig.settle();
            expect(repeated).toEqual(done(decode(payload).reply.sum, seq, true));
          }
          const fresh = rig.add('fresh', 5);
          await rig.settle();
          expect(fresh).toEqual(done(state.sum + 5, rows.length + 1));
          expect(seqs(rig.published)).toEqual([rows.length + 1]);
        } finally {
          await rig.stop();
        }
      },
    ),
    { numRuns: runs },
  );
}, 120_000);
