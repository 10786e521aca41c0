import { expect, test } from 'vitest';
import { Names } from '../../runtime/names.ts';
import type { ActorRef } from '../../runtime/ref.ts';
import { trapRejections } from '../support/rejections.ts';

trapRejections();

const refOf = (path: string): ActorRef<never> => ({ path }) as ActorRef<never>;
const [a, b] = [{ ref: refOf('/a') }, { ref: refOf('/b') }];

test('a name leads to who registered it first, who may do so again', () => {
  const names = new Names(() => expect.unreachable());
  expect(names.register('prices', a.ref, a)).toBe(true);
  expect(names.register('prices', b.ref, b)).toBe(false);
  expect(names.register('prices', a.ref, a)).toBe(true);
  expect(names.find('prices')).toBe(a.ref);
  expect(names.find('orders')).toBeUndefined();
});

test('the end of an actor frees all its names, and none of another', () => {
  const names = new Names(() => expect.unreachable());
  for (const name of ['x/1', 'x/2']) names.register(name, a.ref, a);
  names.register('x/3', b.ref, b);
  names.release(a);
  names.release(a);
  expect(names.list('')).toEqual(['x/3']);
  expect(names.register('x/1', b.ref, b)).toBe(true);
  expect(names.find('x/1')).toBe(b.ref);
});

test('names are listed by how they begin, in the order in which they came', () => {
  const names = new Names(() => expect.unreachable());
  for (const name of ['b/2', 'a/1', 'b/1']) names.register(name, a.ref, a);
  expect(names.list('b/')).toEqual(['b/2', 'b/1']);
  expect(names.list('')).toEqual(['b/2', 'a/1', 'b/1']);
  expect(names.list('c')).toEqual([]);
});

test('who subscribes hears of what comes and goes below a prefix, until they have had enough', () => {
  const names = new Names(() => expect.unreachable());
  const heard: string[] = [];
  const end = names.subscribe('x/', ({ type, name, ref }) => void heard.push(`${type} ${name} ${ref.path}`));
  names.register('x/1', a.ref, a);
  names.register('x/1', b.ref, b);
  names.register('y/1', a.ref, a);
  names.release(a);
  end();
  end();
  names.register('x/1', b.ref, b);
  expect(heard).toEqual(['added x/1 /a', 'removed x/1 /a']);
});

test('a listener may end itself while it hears', () => {
  const names = new Names(() => expect.unreachable());
  const heard: string[] = [];
  const end = names.subscribe('', () => {
    heard.push('first');
    end();
  });
  names.subscribe('', () => void heard.push('second'));
  names.register('x', a.ref, a);
  names.register('y', a.ref, a);
  expect(heard).toEqual(['first', 'second', 'second']);
});

test('a listener that fails is reported, and the others hear all the same', () => {
  const errors: unknown[] = [];
  const names = new Names((error) => void errors.push(error));
  const heard: string[] = [];
  names.subscribe('', () => {
    throw new Error('deaf');
  });
  names.subscribe('', ({ type, name }) => void heard.push(`${type} ${name}`));
  expect(names.register('x', a.ref, a)).toBe(true);
  names.release(a);
  expect([heard, errors]).toEqual([
    ['added x', 'removed x'],
    [new Error('deaf'), new Error('deaf')],
  ]);
});
