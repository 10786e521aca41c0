import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { encodeName, TreeNode } from '../../runtime/nact.ts';

async function turns(count = 10): Promise<void> {
  for (let done = 0; done < count; done++) await turn();
}

function treeOf(): { root: TreeNode; crashes: unknown[]; spawn(id: string, siblings?: 'few' | 'many'): TreeNode } {
  const { node: root } = TreeNode.root('test');
  const crashes: unknown[] = [];
  return {
    root,
    crashes,
    spawn: (id, siblings = 'few') => root.spawn(id, siblings, { fallen: (error) => void crashes.push(error) }),
  };
}

test('a crash comes out at the parent once, in a turn of its own', async () => {
  const { crashes, spawn } = treeOf();
  const error = new Error('boom');
  spawn('child').crash(error);
  expect(crashes).toEqual([]);
  await turns();
  expect(crashes).toEqual([error]);
});

test('a crashed node can be respawned under the same id at once', async () => {
  const { root, crashes } = treeOf();
  const respawn = (error: unknown): void => {
    crashes.push(error);
    if (crashes.length < 3) root.spawn('child', 'few', { fallen: respawn }).crash(`crash ${crashes.length}`);
  };
  root.spawn('child', 'few', { fallen: respawn }).crash('crash 0');
  await turns(20);
  expect(crashes).toEqual(['crash 0', 'crash 1', 'crash 2']);
});

test.each([0, 1, 2, 3])('a stop that comes %i turns after a crash leaves nothing open', async (delay) => {
  const { root, crashes, spawn } = treeOf();
  const child = spawn('child');
  child.crash(new Error('boom'));
  await turns(delay);
  child.stop();
  child.stop();
  await turns();
  expect(crashes.length).toBeLessThanOrEqual(delay >= 2 ? 1 : 0);
  root.stop();
  await turns();
});

test('children of a crowded parent crash one by one through their buckets', async () => {
  const { root, crashes, spawn } = treeOf();
  const children = Array.from({ length: 1_000 }, (_, at) => spawn(`child ${at}`, 'many'));
  for (const [at, child] of children.entries()) if (at % 3 === 0) child.crash(at);
  await turns(20);
  expect(crashes).toEqual(children.map((_, at) => at).filter((at) => at % 3 === 0));
  for (const child of children) child.stop();
  root.stop();
});

test.each(['EUR/USD', 'a b', 'Ümlaut', '漢字 🙂', '', 'user@host:1', '_', '..'])('any id can be spawned: %j', (id) => {
  const { root } = treeOf();
  expect(() => root.spawn(id, 'few', { fallen() {} })).not.toThrow();
  root.stop();
});

test('different ids have different names', () => {
  const ids = ['a_b', 'a b', 'a_20_b', 'A', 'a', '_41_', 'ab'];
  expect(new Set(ids.map(encodeName)).size).toBe(ids.length);
});
