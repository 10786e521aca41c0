import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Envelope, nothing } from '../../runtime/envelope.ts';
import { controlLimit, Mailbox, type MailboxSpec } from '../../runtime/mailbox.ts';

const envelope = <M>(message: M, sentTick = 0): Envelope<M> =>
  new Envelope(message, undefined, undefined, sentTick, undefined);

function mailboxOf<M>(spec: MailboxSpec<M>): { mailbox: Mailbox<M>; letGo: M[]; waiting(): M[] } {
  const letGo: M[] = [];
  const mailbox = new Mailbox<M>(spec, {
    tick: () => 0,
    onLetGo: ({ message }) => void letGo.push(message),
    onHigh() {},
    onPolicyFailed() {},
  });
  return { mailbox, letGo, waiting: () => mailbox.drain().map(({ message }) => message) };
}

/** The next message, alone or in an envelope; undefined when there is none. */
function taken<M>(mailbox: Mailbox<M>): M | undefined {
  const value = mailbox.take();
  if (value === nothing) return undefined;
  return value instanceof Envelope ? value.message : value;
}

test('a mailbox gives back what it took in, in order, whatever the mix of offers and takes', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 300 }), (offers) => {
      const { mailbox } = mailboxOf<number>({ capacity: 1_000, whenFull: 'reject' });
      const model: number[] = [];
      let next = 0;
      for (const offer of offers) {
        if (offer) {
          mailbox.offer(next, 0);
          model.push(next++);
        } else {
          expect(taken(mailbox)).toBe(model.shift());
        }
        expect(mailbox.waiting).toBe(model.length);
      }
    }),
  );
});

test('a full mailbox that rejects keeps what it has', () => {
  const { mailbox, letGo, waiting } = mailboxOf<number>({ capacity: 2, whenFull: 'reject' });
  expect([1, 2, 3].map((message) => mailbox.offer(message, 0))).toEqual(['queued', 'queued', 'full']);
  expect([mailbox.depth, mailbox.highWater, mailbox.dropped]).toEqual([2, 2, 1]);
  expect(waiting()).toEqual([1, 2]);
  expect(letGo).toEqual([]);
});

test('a full mailbox that drops the oldest keeps the newest', () => {
  const { mailbox, letGo, waiting } = mailboxOf<number>({ capacity: 2, whenFull: 'drop-oldest' });
  expect([1, 2, 3, 4].map((message) => mailbox.offer(message, 0))).toEqual(['queued', 'queued', 'let-go', 'let-go']);
  expect([mailbox.depth, mailbox.highWater, mailbox.dropped]).toEqual([2, 2, 2]);
  expect(letGo).toEqual([1, 2]);
  expect(waiting()).toEqual([3, 4]);
});

describe('a mailbox that keeps the latest by key', () => {
  type Quote = readonly [symbol: string | undefined, bid: number];
  const spec: MailboxSpec<Quote> = { capacity: 4, whenFull: 'latest-by-key', keyOf: ([symbol]) => symbol };

  test('keeps everything until it is full', () => {
    const { mailbox, waiting } = mailboxOf(spec);
    const quotes: Quote[] = [
      ['a', 1],
      ['a', 2],
      ['b', 3],
      ['a', 4],
    ];
    for (const quote of quotes) expect(mailbox.offer(quote, 0)).toBe('queued');
    expect(waiting()).toEqual(quotes);
  });

  test('then keeps the newest of each key, in the place of the first', () => {
    const { mailbox, letGo, waiting } = mailboxOf(spec);
    const quotes: Quote[] = [
      ['a', 1],
      ['b', 2],
      ['a', 3],
      ['c', 4],
      ['b', 5],
      ['d', 6],
    ];
    for (const quote of quotes) mailbox.offer(quote, 0);
    expect(letGo).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(mailbox.dropped).toBe(2);
    expect(waiting()).toEqual([
      ['a', 3],
      ['b', 5],
      ['c', 4],
      ['d', 6],
    ]);
  });

  test('refuses a new key when every place is taken by another, and a message without a key', () => {
    const { mailbox, letGo } = mailboxOf(spec);
    for (const symbol of ['a', 'b', 'c', undefined]) mailbox.offer([symbol, 1], 0);
    expect(mailbox.offer(['e', 2], 0)).toBe('full');
    expect(mailbox.offer([undefined, 2], 0)).toBe('full');
    expect(mailbox.offer(['a', 2], 0)).toBe('let-go');
    expect(letGo).toEqual([['a', 1]]);
  });

  test('never lets the newest of a key go, never exceeds its capacity, and loses nothing uncounted', () => {
    const step = fc.oneof(
      { arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e'), weight: 3 },
      { arbitrary: fc.constant('take' as const), weight: 2 },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { mailbox, letGo, waiting } = mailboxOf(spec);
        const newest = new Map<string, number>();
        let accepted = 0;
        const gone: Quote[] = [];
        for (const [bid, key] of steps.entries()) {
          if (key === 'take') {
            const quote = taken(mailbox);
            if (quote) gone.push(quote);
          } else if (mailbox.offer([key, bid], 0) !== 'full') {
            newest.set(key, bid);
            accepted++;
          }
          expect(mailbox.depth).toBeLessThanOrEqual(4);
        }
        const rest = waiting();
        expect(gone.length + rest.length + letGo.length).toBe(accepted);
        for (const [symbol, bid] of letGo) expect(newest.get(symbol as string)).not.toBe(bid);
      }),
    );
  });
});

test('the control lane goes ahead of ordinary messages and passes a full mailbox', () => {
  const { mailbox, waiting } = mailboxOf<string>({ capacity: 1, whenFull: 'reject' });
  mailbox.offer('order', 0);
  mailbox.offerControl(envelope('cancel'));
  mailbox.offerControl(envelope('stop'));
  expect([mailbox.depth, mailbox.control, mailbox.waiting]).toEqual([1, 2, 3]);
  expect(waiting()).toEqual(['cancel', 'stop', 'order']);
});

test('a control lane that only grows is a broken invariant', () => {
  const { mailbox } = mailboxOf<number>({ capacity: 1, whenFull: 'reject' });
  for (let sent = 0; sent < controlLimit; sent++) mailbox.offerControl(envelope(sent));
  expect(() => mailbox.offerControl(envelope(0))).toThrow(/control lane/);
});

test('the age of the oldest message looks at both lanes', () => {
  const { mailbox } = mailboxOf<string>({ capacity: 2, whenFull: 'reject' });
  expect(mailbox.oldestMs(100)).toBe(0);
  mailbox.offer('order', 20);
  mailbox.offerControl(envelope('cancel', 60));
  expect(mailbox.oldestMs(100)).toBe(10);
  mailbox.take();
  mailbox.take();
  expect(mailbox.oldestMs(100)).toBe(0);
});

test('what is told of the message taken last stays true while the policy lets others go', () => {
  const { mailbox } = mailboxOf<string>({ capacity: 2, whenFull: 'drop-oldest' });
  for (const [at, message] of ['a', 'b', 'c'].entries()) mailbox.offer(message, 2 * at);
  expect(taken(mailbox)).toBe('b');
  for (const [at, message] of ['d', 'e', 'f'].entries()) mailbox.offer(message, 10 + 2 * at);
  expect(mailbox.stamp).toBe(2);
});
