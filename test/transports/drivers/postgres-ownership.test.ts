import { beforeEach, expect, test } from 'vitest';
import { slotCount } from '../../../runtime/cluster.ts';
import { claimAllSlots } from '../../../transports/drivers/postgres-ownership.ts';
import type { Database } from '../../../transports/drivers/postgres.ts';
import { usePostgres } from '../../support/postgres.ts';

const postgres = usePostgres();
let database: Database;
beforeEach(async () => {
  database = await postgres.platformDatabase();
});

const slots = Array.from({ length: slotCount }, (_, slot) => slot);

test('each claim of a node is a new incarnation with a higher epoch of every slot', async () => {
  const first = await claimAllSlots(database, { nodeId: 'one', version: '1' });
  const second = await claimAllSlots(database, { nodeId: 'one', version: '2' });
  expect([first.incarnation, second.incarnation]).toEqual([1, 2]);
  for (const slot of slots) expect(second.epochOf(slot)).toBe(first.epochOf(slot) + 1);
  const { rows } = await database.query('select node_id, incarnation, state, version from platform.node');
  expect(rows).toEqual([{ node_id: 'one', incarnation: 2, state: 'up', version: '2' }]);
});

test('an epoch lies above the timeline of the server, so that a promoted standby starts above its primary', async () => {
  const { epochOf } = await claimAllSlots(database, { nodeId: 'one', version: '1' });
  expect(epochOf(0)).toBe(2 ** 32 + 1);
});

test('a lower epoch is never given out, also when the timeline is behind', async () => {
  await database.query('update platform.slot set epoch = $1 where slot = 5', [9 * 2 ** 32]);
  const { epochOf } = await claimAllSlots(database, { nodeId: 'one', version: '1' });
  expect(epochOf(5)).toBe(9 * 2 ** 32 + 1);
});

test('of nodes that claim at once the last one owns everything and none waits for ever', async () => {
  const nodes = ['one', 'two', 'three', 'four'];
  const claims = await Promise.all(nodes.map((nodeId) => claimAllSlots(database, { nodeId, version: '1' })));
  const epochs = claims.map(({ epochOf }) => epochOf(7));
  expect(new Set(epochs).size).toBe(nodes.length);
  const { rows } = await database.query<{ owner: string; epoch: number }>(
    'select distinct owner, epoch from platform.slot',
  );
  expect(rows).toEqual([{ owner: nodes[epochs.indexOf(Math.max(...epochs))], epoch: Math.max(...epochs) }]);
});

test.each(['one', 'two'])('a claim is lost to a later one of node %s, and known to be', async (nodeId) => {
  const first = await claimAllSlots(database, { nodeId: 'one', version: '1' });
  await expect(first.check(database)).resolves.toBeUndefined();
  const second = await claimAllSlots(database, { nodeId, version: '1' });
  await expect(first.check(database)).rejects.toThrow(`another platform, on ${nodeId}, has claimed the journal`);
  await expect(second.check(database)).resolves.toBeUndefined();
});

test('there is no epoch of a slot that does not exist', async () => {
  const { epochOf } = await claimAllSlots(database, { nodeId: 'one', version: '1' });
  expect(() => epochOf(slotCount)).toThrow('slot must be 0 to 1023, was 1024');
});
