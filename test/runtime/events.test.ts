import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DeadLetter, EventStream, type RuntimeEvent, type RuntimeEventType } from '../../runtime/events.ts';
import { isWithin } from '../../runtime/path.ts';
import { crash, life } from '../support/lives.ts';
import { trapRejections } from '../support/rejections.ts';
import { startTestSystem, supervisor } from '../support/test-system.ts';

trapRejections();

const kept = 4_096;
const letter: DeadLetter = {
  ...{ type: 'dead-letter', id: 1, reason: 'full', replays: 0 },
  message: { type: 'x', shown: 'x', waitedMs: 0 },
};

function stream(): { readonly events: EventStream; readonly errors: unknown[] } {
  const errors: unknown[] = [];
  return {
    events: new EventStream(
      () => 7,
      (error) => void errors.push(error),
    ),
    errors,
  };
}

test('the number of an event rises by one, whatever it is and whoever hears it', async () => {
  const running = await startTestSystem([life('a'), supervisor('s', 'one-for-all', [life('b'), life('c')])]);
  await crash(running, '/a', 3);
  await crash(running, '/s/b', 2);
  await running.system.stopChild('/s');
  running.ref<string>('/a').tell('x', { ttlMs: 1 });
  expect(running.events.map(({ seq }) => seq)).toEqual(running.events.map((_event, at) => at + running.events[0]!.seq));
  expect(running.system.events.seq).toBe(running.events.at(-1)!.seq);
});

describe('since', () => {
  test('gives what came after a number, oldest first, without dead letters', () => {
    const { events } = stream();
    for (const path of ['/a', '/b', '/c']) {
      events.publish(path, 1, { type: 'started' });
      events.publish(path, 1, letter);
    }
    const { events: found, complete } = events.since(2);
    expect([found.map(({ seq, path }) => `${seq} ${path}`), complete]).toEqual([['3 /b', '5 /c'], true]);
    expect(events.since(6)).toEqual({ events: [], complete: true });
    expect(events.since(0).events[0]).toEqual({
      ...{ seq: 1, atMicros: 7, path: '/a', incarnation: 1 },
      type: 'started',
    });
  });

  test.each([0, 1, kept - 1, kept, kept * 2 + 3])(
    'forgets the oldest beyond its bound, and says so: %i too many',
    (more) => {
      const { events } = stream();
      for (let count = 0; count < kept + more; count++) events.publish('/a', 1, { type: 'started' });
      const { events: all, complete } = events.since(0);
      expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: kept }, (_, at) => at + 1 + more));
      expect(complete).toBe(more === 0);
      expect(events.since(more).complete).toBe(true);
      expect(events.since(Math.max(0, more - 1)).complete).toBe(more === 0);
    },
  );

  test('a flood of dead letters washes nothing away', () => {
    const { events } = stream();
    events.publish('/a', 1, { type: 'gave-up' });
    for (let count = 0; count < kept * 2; count++) events.publish('/a', 1, letter);
    expect(events.since(0)).toMatchObject({ events: [{ type: 'gave-up' }], complete: true });
  });
});

test('a filter by type and by subtree lets through what it says, now and later', () => {
  const type = fc.constantFrom<'started' | 'stopped' | 'down'>('started', 'stopped', 'down');
  const path = fc.constantFrom('/', '/a', '/a/x', '/ab', '/ab/x', '/a%2Fx');
  fc.assert(
    fc.property(
      fc.array(fc.record({ type, path }), { maxLength: 30 }),
      fc.option(fc.uniqueArray(type), { nil: undefined }),
      fc.option(path, { nil: undefined }),
      (published, types, within) => {
        const { events } = stream();
        const heard: RuntimeEvent[] = [];
        const filter = { ...(types && { types }), ...(within !== undefined && { within }) };
        events.subscribe(filter, (event) => void heard.push(event));
        for (const event of published) events.publish(event.path, 1, { type: event.type });
        const wanted = published.filter(
          (event) => (types?.includes(event.type) ?? true) && (within === undefined || isWithin(event.path, within)),
        );
        expect(heard.map((event) => ({ type: event.type, path: event.path }))).toEqual(wanted);
        expect(events.since(0, filter).events).toEqual(heard);
      },
    ),
  );
});

test('a subscriber that fails is reported, and the others hear all the same', () => {
  const { events, errors } = stream();
  const heard: string[] = [];
  events.subscribe({}, () => {
    throw new Error('deaf');
  });
  events.subscribe({}, ({ path }) => void heard.push(path));
  events.publish('/a', 1, { type: 'started' });
  expect([heard, errors]).toEqual([['/a'], [new Error('deaf')]]);
});

test('a subscription ends when it is told to, also while it hears, and hears nothing from before it began', () => {
  const { events } = stream();
  const heard: string[] = [];
  events.publish('/before', 1, { type: 'started' });
  const end = events.subscribe({}, ({ path }) => {
    heard.push(`first ${path}`);
    endOther();
    end();
  });
  const endOther = events.subscribe({}, ({ path }) => void heard.push(`other ${path}`));
  events.subscribe({}, ({ path }) => void heard.push(`last ${path}`));
  for (const path of ['/a', '/b']) events.publish(path, 1, { type: 'started' });
  end();
  expect(heard).toEqual(['first /a', 'last /a', 'last /b']);
});

test('whether anybody listens is known for each type', () => {
  const { events } = stream();
  const heard = (): RuntimeEventType[] => (['started', 'dead-letter'] as const).filter((type) => events.isHeard(type));
  expect(heard()).toEqual([]);
  const end = events.subscribe({ types: ['started'] }, () => {});
  expect(heard()).toEqual(['started']);
  const endAll = events.subscribe({}, () => {});
  expect(heard()).toEqual(['started', 'dead-letter']);
  end();
  endAll();
  expect(heard()).toEqual([]);
});
