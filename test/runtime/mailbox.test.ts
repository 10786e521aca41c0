import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { controlLimit, Envelope, Mailbox, type MailboxSpec } from '../../runtime/mailbox.ts';

const envelope = <M>(message: M): Envelope<M> => new Envelope(message, undefined, undefined, 0, 0);

function mailboxOf<M>(spec: MailboxSpec<M>): { mailbox: Mailbox<M>; letGo: M[]; waiting(): M[] } {
  const letGo: M[] = [];
  const mailbox = new Mailbox<M>(spec, ({ message }) => void letGo.push(message));
  return { mailbox, letGo, waiting: () => mailbox.drain().map(({ message }) => message) };
}

test('a mailbox gives back what it took in, in order, whatever the mix of offers and takes', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 300 }), (offers) => {
      const { mailbox } = mailboxOf<number>({ capacity: 1_000, whenFull: 'reject' });
      const model: number[] = [];
      let next = 0;
      for (const offer of offers) {
        if (offer) {
          mailbox.offer(envelope(next));
          model.push(next++);
        } else {
          expect(mailbox.take()?.message).toBe(model.shift());
        }
        expect(mailbox.size).toBe(model.length);
      }
    }),
  );
});

test('a full mailbox that rejects keeps what it has', () => {
  const { mailbox, letGo, waiting } = mailboxOf<number>({ capacity: 2, whenFull: 'reject' });
  expect([1, 2, 3].map((message) => mailbox.offer(envelope(message)))).toEqual(['queued', 'queued', 'full']);
  expect(mailbox).toMatchObject({ depth: 2, highWater: 2, dropped: 1 });
  expect(waiting()).toEqual([1, 2]);
  expect(letGo).toEqual([]);
});

test('a full mailbox that drops the oldest keeps the newest', () => {
  const { mailbox, letGo, waiting } = mailboxOf<number>({ capacity: 2, whenFull: 'drop-oldest' });
  expect([1, 2, 3, 4].map((message) => mailbox.offer(envelope(message)))).toEqual([
    'queued',
    'queued',
    'let-go',
    'let-go',
  ]);
  expect(mailbox).toMatchObject({ depth: 2, highWater: 2, dropped: 2 });
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
    for (const quote of quotes) expect(mailbox.offer(envelope(quote))).toBe('queued');
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
    for (const quote of quotes) mailbox.offer(envelope(quote));
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
    for (const symbol of ['a', 'b', 'c', undefined]) mailbox.offer(envelope<Quote>([symbol, 1]));
    expect(mailbox.offer(envelope<Quote>(['e', 2]))).toBe('full');
    expect(mailbox.offer(envelope<Quote>([undefined, 2]))).toBe('full');
    expect(mailbox.offer(envelope<Quote>(['a', 2]))).toBe('let-go');
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
        const taken: Quote[] = [];
        for (const [bid, key] of steps.entries()) {
          if (key === 'take') {
            const quote = mailbox.take()?.message;
            if (quote) taken.push(quote);
          } else if (mailbox.offer(envelope<Quote>([key, bid])) !== 'full') {
            newest.set(key, bid);
            accepted++;
          }
          expect(mailbox.depth).toBeLessThanOrEqual(4);
        }
        const rest = waiting();
        expect(taken.length + rest.length + letGo.length).toBe(accepted);
        for (const [symbol, bid] of letGo) expect(newest.get(symbol as string)).not.toBe(bid);
      }),
    );
  });
});

test('the control lane goes ahead of ordinary messages and passes a full mailbox', () => {
  const { mailbox, waiting } = mailboxOf<string>({ capacity: 1, whenFull: 'reject' });
  mailbox.offer(envelope('order'));
  mailbox.offerControl(envelope('cancel'));
  mailbox.offerControl(envelope('stop'));
  expect(mailbox).toMatchObject({ depth: 1, control: 2, size: 3 });
  expect(waiting()).toEqual(['cancel', 'stop', 'order']);
});

test('a control lane that only grows is a broken invariant', () => {
  const { mailbox } = mailboxOf<number>({ capacity: 1, whenFull: 'reject' });
  for (let sent = 0; sent < controlLimit; sent++) mailbox.offerControl(envelope(sent));
  expect(() => mailbox.offerControl(envelope(0))).toThrow(/control lane/);
});

test('the age of the oldest message looks at both lanes', () => {
  const { mailbox } = mailboxOf<string>({ capacity: 2, whenFull: 'reject' });
  expect(mailbox.oldestSentMs).toBeUndefined();
  mailbox.offer(new Envelope('order', undefined, undefined, 5, 0));
  mailbox.offerControl(new Envelope('cancel', undefined, undefined, 7, 0));
  expect(mailbox.oldestSentMs).toBe(5);
  mailbox.take();
  mailbox.take();
  expect(mailbox.oldestSentMs).toBeUndefined();
});
