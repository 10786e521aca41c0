import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bookStream,
  type BookStreamLimits,
  type BookStreamMessage,
  type Depth,
  type DepthChange,
  type DepthSource,
} from '../../actors/book-stream.ts';
import { LatestBoard } from '../../actors/market/latest.ts';
import { applied, changesOf, emptyBook, type BookUpdate, type OrderBook } from '../../actors/market/order-book.ts';
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { startTestSystem, worker, type TestSystem } from '../support/test-system.ts';

const scale = Number(process.env['TEST_SCALE'] ?? 1);
const limits: BookStreamLimits = {
  levels: 10,
  keptLevels: 20,
  updateMs: 100,
  waitingChanges: 5,
  askAgainMs: 1_000,
};

interface Rig {
  readonly test: TestSystem;
  readonly ref: ActorRef<BookStreamMessage>;
  readonly updates: BookUpdate[];
  readonly board: LatestBoard<BookUpdate>;
  /** What a client would hold that has applied all changes. */
  folded(): OrderBook;
  tell(...messages: BookStreamMessage[]): Promise<void>;
  inspect(): unknown;
}

async function start(source: DepthSource): Promise<Rig> {
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const board = new LatestBoard<BookUpdate>();
  const updates: BookUpdate[] = [];
  bus.subscribe('book:BTCUSD', (update) => {
    expect(board.get('BTCUSD')).toBe(update);
    updates.push(update);
  });
  const behavior = bookStream({ symbol: 'BTCUSD', board, bus, source, limits });
  const system = await startTestSystem([worker('book', behavior)]);
  const ref = system.ref<BookStreamMessage>('/book');
  return {
    ...{ test: system, ref, updates, board },
    folded: () => updates.reduce((book, { changes }) => applied(book, changes), emptyBook),
    async tell(...messages) {
      for (const message of messages) ref.tell(message);
      await system.settle();
    },
    inspect: () => system.system.inspectActor('/book')?.state,
  };
}

async function startTold(): Promise<Rig & { readonly asked: { count: number } }> {
  const asked = { count: 0 };
  const rig = await start({ requestSnapshot: () => void (asked.count += 1) });
  return { ...rig, asked };
}

const bookOf = (bid: number, ask: number): OrderBook => ({ bids: [[bid, 1]], asks: [[ask, 1]] });
const whole = (last: number, book: OrderBook): BookStreamMessage => ({
  ...{ type: 'depth-snapshot', last, ...book, timeMicros: last },
});
const change = (first: number, last: number, book: Partial<OrderBook>): DepthChange => ({
  ...{ type: 'depth', first, last, bids: [], asks: [], ...book, timeMicros: last },
});

test('a source that is asked is asked in turn; each new book is told with the next number, on the board before anybody hears of it', async () => {
  const books: (Depth | undefined)[] = [
    { ...bookOf(10, 12), timeMicros: 1 },
    undefined,
    { ...bookOf(11, 12), timeMicros: 2 },
    { ...bookOf(11, 12), timeMicros: 3 },
  ];
  const rig = await start({ periodMs: 250, poll: () => books.shift() });
  for (let turn = 0; turn < 5; turn += 1) await rig.test.advance(250);
  expect(rig.updates).toEqual([
    {
      ...{ symbol: 'BTCUSD', sequence: 1, timeMicros: 1 },
      ...{ book: bookOf(10, 12), changes: bookOf(10, 12) },
    },
    {
      ...{ symbol: 'BTCUSD', sequence: 2, timeMicros: 2, book: bookOf(11, 12) },
      changes: {
        bids: [
          [11, 1],
          [10, 0],
        ],
        asks: [],
      },
    },
  ]);
});

test('a source is asked ten times a second at the most', async () => {
  let asked = 0;
  const rig = await start({
    periodMs: 1,
    poll: () => void (asked += 1),
  });
  for (let turn = 0; turn < 10; turn += 1) await rig.test.advance(100);
  expect(asked).toBe(10);
});

test('a book of a source that cannot be is counted and goes no further', async () => {
  const books: Depth[] = [
    { ...bookOf(12, 12), timeMicros: 1 },
    { ...bookOf(10, 12), timeMicros: 2 },
  ];
  const rig = await start({ periodMs: 250, poll: () => books.shift() });
  await rig.test.advance(250);
  await rig.test.advance(250);
  expect(rig.updates.map(({ book }) => book)).toEqual([bookOf(10, 12)]);
  expect(rig.inspect()).toMatchObject({ sequence: 1, crossed: 1 });
});

test('no more levels are told than are shown', async () => {
  const bids = Array.from({ length: 30 }, (_, at) => [100 - at, 1] as const);
  const rig = await startTold();
  await rig.tell(whole(1, { bids, asks: [] }));
  expect(rig.updates[0]!.book.bids).toEqual(bids.slice(0, 10));
  // A level that moves up is one that has come.
  await rig.test.advance(100);
  await rig.tell(change(2, 2, { bids: [[100, 0]] }));
  expect(rig.updates[1]!.changes.bids).toEqual([
    [100, 0],
    [90, 1],
  ]);
});

test('numbers go on behind a crash', async () => {
  const rig = await startTold();
  await rig.tell(whole(1, bookOf(10, 12)));
  rig.ref.tell(undefined as never);
  await rig.test.settle();
  expect(rig.asked.count).toBe(2);
  await rig.tell(whole(7, bookOf(11, 12)));
  expect(rig.updates.map(({ sequence }) => sequence)).toEqual([1, 2]);
  expect(rig.folded()).toEqual(bookOf(11, 12));
});

test('changes wait for the whole book; those it holds already are let go, and the first may begin before it ends', async () => {
  const rig = await startTold();
  expect(rig.asked.count).toBe(1);
  await rig.tell(
    change(1, 3, { bids: [[9, 9]] }),
    change(4, 6, { bids: [[10, 2]] }),
    change(7, 8, { asks: [[13, 3]] }),
  );
  expect(rig.updates).toEqual([]);
  await rig.tell(whole(5, bookOf(10, 12)));
  expect(rig.updates.map(({ book, timeMicros }) => ({ book, timeMicros }))).toEqual([
    {
      book: {
        bids: [[10, 2]],
        asks: [
          [12, 1],
          [13, 3],
        ],
      },
      timeMicros: 8,
    },
  ]);
  expect(rig.inspect()).toMatchObject({ isWhole: true, gaps: 0, resyncs: 0, waiting: 0 });
});

test('a missing number stops the book until it is whole again, and is counted', async () => {
  const rig = await startTold();
  await rig.tell(whole(5, bookOf(10, 12)));
  await rig.test.advance(100);
  await rig.tell(change(7, 7, { bids: [[11, 1]] }), change(8, 8, { asks: [[14, 1]] }));
  expect(rig.asked.count).toBe(2);
  expect(rig.updates).toHaveLength(1);
  expect(rig.inspect()).toMatchObject({ isWhole: false, gaps: 1, resyncs: 0, waiting: 2 });
  await rig.tell(whole(6, bookOf(9, 12)));
  expect(rig.inspect()).toMatchObject({ isWhole: true, gaps: 1, resyncs: 1, sequence: 2 });
  expect(rig.folded()).toEqual({
    bids: [
      [11, 1],
      [9, 1],
    ],
    asks: [
      [12, 1],
      [14, 1],
    ],
  });
});

test('a change that is known already changes nothing', async () => {
  const rig = await startTold();
  await rig.tell(whole(5, bookOf(10, 12)), change(6, 6, {}), change(6, 6, { bids: [[1, 1]] }));
  await rig.test.advance(100);
  expect(rig.folded()).toEqual(bookOf(10, 12));
  expect(rig.inspect()).toMatchObject({ outdated: 1, gaps: 0 });
});

test('from the second change on, one that begins before the end of the one before is a fault', async () => {
  const rig = await startTold();
  await rig.tell(whole(5, bookOf(10, 12)), change(4, 6, {}), change(6, 7, {}));
  expect(rig.inspect()).toMatchObject({ isWhole: false, gaps: 1 });
});

test('a whole book that is older than what waits does not help: it is asked for again', async () => {
  const rig = await startTold();
  await rig.tell(change(7, 7, {}), whole(5, bookOf(10, 12)));
  expect(rig.updates).toEqual([]);
  expect(rig.asked.count).toBe(1);
  await rig.test.advance(limits.askAgainMs);
  expect(rig.asked.count).toBe(2);
  await rig.tell(whole(7, bookOf(10, 12)));
  expect(rig.updates).toHaveLength(1);
  await rig.test.advance(10 * limits.askAgainMs);
  expect(rig.asked.count).toBe(2);
});

test('changes that cross the book stop it, too', async () => {
  const rig = await startTold();
  await rig.tell(whole(5, bookOf(10, 12)), change(6, 6, { bids: [[12, 1]] }));
  expect(rig.inspect()).toMatchObject({ isWhole: false, crossed: 1 });
  expect(rig.asked.count).toBe(2);
  await rig.tell(whole(6, bookOf(13, 12)));
  expect(rig.inspect()).toMatchObject({ isWhole: false, crossed: 2 });
  expect(rig.updates).toHaveLength(1);
  await rig.tell(whole(7, bookOf(10, 12)));
  expect(rig.inspect()).toMatchObject({ isWhole: true, resyncs: 1 });
});

test('of the changes that wait the oldest are let go at the limit', async () => {
  const rig = await startTold();
  for (let at = 1; at <= 8; at += 1) await rig.tell(change(at, at, {}));
  expect(rig.inspect()).toMatchObject({ waiting: 5 });
  // It cannot be joined to what is left.
  await rig.tell(whole(2, bookOf(10, 12)));
  expect(rig.updates).toEqual([]);
  await rig.tell(whole(3, bookOf(10, 12)));
  expect(rig.updates).toHaveLength(1);
});

test('many changes within the pause are told as one', async () => {
  const rig = await startTold();
  await rig.tell(whole(0, bookOf(10, 20)));
  for (let at = 1; at <= 5; at += 1) await rig.tell(change(at, at, { bids: [[10 + at, at]] }));
  expect(rig.updates).toHaveLength(1);
  await rig.test.advance(100);
  expect(rig.updates).toHaveLength(2);
  expect(rig.updates[1]!.changes.bids.map(([price]) => price)).toEqual([15, 14, 13, 12, 11]);
  await rig.test.advance(1_000);
  expect(rig.updates).toHaveLength(2);
});

test('whatever is lost, repeated or moved on the way, no book is told that the source never had', async () => {
  const anyBook = fc
    .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 9, max: 16 }), fc.integer({ min: 1, max: 3 }))
    .map(([bid, ask, quantity]): OrderBook => ({ bids: [[bid, quantity]], asks: [[ask, quantity]] }));
  const anyFate = fc.constantFrom('told', 'told', 'told', 'told', 'lost', 'twice', 'late');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(anyBook, anyFate), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 0, max: 3 }),
      async (steps, delay) => {
        const rig = await startTold();
        const books: OrderBook[] = [bookOf(1, 20)];
        let answered = 0;
        let late: BookStreamMessage[] = [];
        let dueIn = delay;
        for (const [book, fate] of steps) {
          const at = books.length;
          const told = change(at, at, changesOf(books.at(-1)!, book));
          books.push(book);
          const now = fate === 'lost' ? [] : fate === 'twice' ? [told, told] : fate === 'late' ? [] : [told];
          await rig.tell(...now, ...late);
          late = fate === 'late' ? [told] : [];
          if (rig.asked.count > answered && dueIn-- <= 0) {
            answered = rig.asked.count;
            dueIn = delay;
            await rig.tell(whole(at, book));
          }
          await rig.test.advance(100);
        }
        // The source goes on, so that what was lost last is missed.
        const end = books.length;
        await rig.tell(change(end, end, {}));
        await rig.test.advance(limits.askAgainMs);
        await rig.tell(whole(end, books.at(-1)!));
        await rig.test.advance(100);
        for (const { book } of rig.updates) expect(books).toContainEqual(book);
        expect(rig.folded()).toEqual(books.at(-1));
        expect(rig.updates.map(({ sequence }) => sequence)).toEqual(rig.updates.map((_, at) => at + 1));
      },
    ),
    { numRuns: Math.ceil(500 * scale) },
  );
});
