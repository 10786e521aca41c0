import { expect, test } from 'vitest';
import { deciderOf } from './decider.ts';

type Event = { readonly type: 'opened' | 'closed' } | { readonly type: 'paid'; readonly amount: number };

/** A till that gives out what is in it, and no more than the limit. */
const till = {
  initial: { isOpen: false, sum: 0 },
  decide: ({ sum }: { readonly sum: number }, pay: number, limit: number) => {
    if (pay < 0) throw new RangeError(`pay must be 0 or more, was ${pay}`);
    const events: Event[] = pay <= Math.min(limit, -sum) ? [{ type: 'paid', amount: pay }] : [];
    return { events, reply: events.length > 0 ? 'paid' : 'refused' };
  },
  evolve: (state: { readonly isOpen: boolean; readonly sum: number }, event: Event) =>
    event.type === 'paid' ? { ...state, sum: state.sum + event.amount } : { ...state, isOpen: event.type === 'opened' },
};
const filled: readonly Event[] = [{ type: 'opened' }, { type: 'paid', amount: -10 }];

test('what happens, what is answered, and what it comes to', () => {
  deciderOf(till)
    .given(filled)
    .when(4, 5)
    .thenEvents({ type: 'paid', amount: 4 })
    .thenTypes('paid')
    .thenReply('paid')
    .thenState({ isOpen: true, sum: -6 });
  deciderOf(till).given(filled).when(6, 5).thenEvents().thenReply('refused');
  deciderOf(till).given([]).when(-1, 5).thenThrows('pay must be 0 or more, was -1');
  expect(deciderOf(till).given(filled).when(4, 5).state).toEqual({ isOpen: true, sum: -6 });
});

test('an expectation that does not hold fails the test', () => {
  const paid = deciderOf(till).given(filled).when(4, 5);
  expect(() => paid.thenEvents()).toThrow('length');
  expect(() => paid.thenEvents({ type: 'paid', amount: 5 })).toThrow('amount');
  expect(() => paid.thenTypes('closed')).toThrow('closed');
  expect(() => paid.thenReply('refused')).toThrow('refused');
  expect(() => paid.thenState({ sum: 0 })).toThrow('sum');
  expect(() => paid.thenThrows(RangeError)).toThrow('throw an error');
});

test('a rule that remembers anything is found out', () => {
  let given = 0;
  const forgetful = { ...till, decide: () => ({ events: [], reply: ++given }) };
  expect(() => deciderOf(forgetful).given([]).when(1).thenEvents()).toThrow('decided the same way again');
});

test('a rule whose events do not follow from the state is found out', () => {
  const broken = {
    ...till,
    evolve: (): never => {
      throw new Error('does not follow');
    },
  };
  expect(() => deciderOf(broken).given([]).when(0, 5).thenTypes('paid')).toThrow('does not follow');
});
