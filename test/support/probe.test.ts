import { expect, test } from 'vitest';
import type { Asks } from '../../runtime/ref.ts';
import { Probe } from './probe.ts';
import { handler, startTestSystem, supervisor, worker } from './test-system.ts';

type Question = { readonly type: 'price'; readonly symbol: string } & Asks<number>;

test('a probe takes messages one after another, and knows when nothing more comes', async () => {
  const probe = new Probe<string>();
  await startTestSystem([probe.spec]);
  probe.ref.tell('first');
  probe.ref.tell('second');
  expect(await probe.next()).toBe('first');
  await probe.expectMessage('second');
  await probe.expectNothing();
  await expect(probe.next()).rejects.toThrow('probe probe got nothing more, after 2 messages');
  expect(probe.messages).toEqual(['first', 'second']);
});

test('a message that is not the expected one fails the test', async () => {
  const probe = new Probe<Question>();
  await startTestSystem([probe.spec]);
  probe.ref.tell({ type: 'price', symbol: 'EURUSD' });
  await expect(probe.expectMessage({ symbol: 'GBPUSD' })).rejects.toThrow('EURUSD');
  probe.ref.tell({ type: 'price', symbol: 'EURUSD' });
  await expect(probe.expectNothing()).rejects.toThrow('EURUSD');
  await probe.expectMessage({ symbol: 'EURUSD' });
});

test('a probe stands where another actor would, and answers when it is told to', async () => {
  const probe = new Probe<Question>('prices');
  const answers: unknown[] = [];
  const asker = handler<string>(async (symbol, context) => {
    const price = context.ask(probe.ref, { type: 'price', symbol }, { timeoutMs: 1_000 });
    answers.push(await price.catch((error: unknown) => String(error)));
  });
  const { ref } = await startTestSystem([supervisor('market', 'one-for-one', [probe.spec]), worker('asker', asker)]);
  ref<string>('/asker').tell('EURUSD');
  await probe.expectMessage({ symbol: 'EURUSD' });
  expect(answers).toEqual([]);
  await probe.reply(1.08);
  ref<string>('/asker').tell('GBPUSD');
  await probe.next();
  await probe.fail(new Error('no price'));
  expect(answers).toEqual([1.08, 'Error: no price']);
});

test('what is asked too early says so', async () => {
  const probe = new Probe<string>();
  expect(() => probe.ref).toThrow('probe probe is in no tree that has been started');
  await expect(probe.reply(1)).rejects.toThrow('take a message of probe probe before you answer it');
});
