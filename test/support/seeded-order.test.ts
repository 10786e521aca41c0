import { expect, test } from 'vitest';
import { life } from './lives.ts';
import { seededOrder, seededRandom } from './seeded-order.ts';
import { startTestSystem } from './test-system.ts';

/** Who got what, when five actors have three messages each, and one of them crashes. */
async function happenings(seed?: number): Promise<string[]> {
  const log: string[] = [];
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const { ref, settle } = await startTestSystem(
    ids.map((id) => life(id, log)),
    undefined,
    seed === undefined ? {} : { seed },
  );
  for (const message of ['1', '2', '3']) for (const id of ids) ref<string>(`/${id}`).tell(message);
  ref<string>('/c').tell('crash');
  ref<string>('/c').tell('4');
  await settle();
  return log;
}

test('S8 the same seed is the same order of events', async () => {
  for (const seed of [1, 2, 3]) expect(await happenings(seed)).toEqual(await happenings(seed));
});

test('seeds differ in the order between actors, and agree on what each of them gets, and in which order', async () => {
  const ofEach = (log: readonly string[]) =>
    ['a', 'b', 'c', 'd', 'e'].map((id) => log.filter((line) => line.includes(id)));
  const byTurns = await happenings();
  const seeds = Array.from({ length: 20 }, (_, seed) => seed);
  const orders = new Set<string>();
  for (const seed of seeds) {
    const log = await happenings(seed);
    orders.add(log.join('\n'));
    expect(ofEach(log)).toEqual(ofEach(byTurns));
  }
  expect(orders.size).toBeGreaterThan(seeds.length / 2);
});

test('an order picks every place, and none beyond', () => {
  const order = seededOrder(7);
  const picked = Array.from({ length: 200 }, () => order.pick(5));
  expect([...new Set(picked)].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
});

test('seeded numbers are those of Mulberry32', () => {
  const random = seededRandom(0);
  expect([random(), random(), random()].map((number) => Math.floor(number * 2 ** 32))).toEqual([
    1_144_304_738, 1_416_247, 958_946_056,
  ]);
});
