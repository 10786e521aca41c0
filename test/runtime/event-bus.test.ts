import { expect, test } from 'vitest';
import { EventBus } from '../../runtime/event-bus.ts';

interface Topics {
  one: number;
  other: string;
}

function create(): { bus: EventBus<Topics>; errors: unknown[][]; heard: unknown[][] } {
  const errors: unknown[][] = [];
  return { bus: new EventBus<Topics>((...error) => void errors.push(error)), errors, heard: [] };
}

test('subscribers hear their topic, in the order of subscription, and before publish returns', () => {
  const { bus, heard } = create();
  bus.subscribe('one', (event) => heard.push(['first', event]));
  bus.subscribe('one', (event) => heard.push(['second', event]));
  bus.subscribe('other', (event) => heard.push(['other', event]));
  bus.publish('one', 1);
  bus.publish('other', 'a');
  expect(heard).toEqual([
    ['first', 1],
    ['second', 1],
    ['other', 'a'],
  ]);
});

test('a subscriber that throws is reported, and the others go on', () => {
  const { bus, errors, heard } = create();
  const error = new Error('bad subscriber');
  bus.subscribe('one', () => {
    throw error;
  });
  bus.subscribe('one', (event) => heard.push([event]));
  bus.publish('one', 1);
  expect(heard).toEqual([[1]]);
  expect(errors).toEqual([[error, 'one']]);
});

test('after unsubscribing nothing is heard any more, also when it is done twice or in the middle of an event', () => {
  const { bus, heard } = create();
  const stopFirst = bus.subscribe('one', (event) => {
    heard.push(['first', event]);
    stopSecond();
  });
  const stopSecond = bus.subscribe('one', (event) => heard.push(['second', event]));
  bus.publish('one', 1);
  stopFirst();
  stopFirst();
  bus.publish('one', 2);
  expect(heard).toEqual([['first', 1]]);
});

test('a topic that lost its last subscriber takes new ones', () => {
  const { bus, heard } = create();
  const stop = bus.subscribe('one', () => {});
  stop();
  bus.subscribe('one', (event) => heard.push([event]));
  stop();
  bus.publish('one', 1);
  expect(heard).toEqual([[1]]);
});

test('who subscribes during an event hears the next one', () => {
  const { bus, heard } = create();
  const stop = bus.subscribe('one', () => {
    stop();
    bus.subscribe('one', (event) => heard.push([event]));
  });
  bus.subscribe('one', () => {});
  bus.publish('one', 1);
  expect(heard).toEqual([]);
  bus.publish('one', 2);
  expect(heard).toEqual([[2]]);
});

test('one function subscribed twice hears everything twice, until each subscription ends', () => {
  const { bus, heard } = create();
  const hear = (event: number) => void heard.push([event]);
  const stop = bus.subscribe('one', hear);
  bus.subscribe('one', hear);
  bus.publish('one', 1);
  stop();
  bus.publish('one', 2);
  expect(heard).toEqual([[1], [1], [2]]);
});
