import { expect, test } from 'vitest';
import type { Contender } from '../../../bench/runtime/contenders.ts';
import type { Step } from '../../../bench/runtime/plan.ts';
import { runRounds } from '../../../bench/runtime/rounds.ts';

const tells: Step = {
  ...{ request: 'tells', count: 10, window: { ms: 1, warmUpMs: 2, passes: 2 } },
  figures: [{ name: 'tells', unit: 'tells/s', direction: 'higher', value: 'perSecond' }],
};

/** A process that runs `answer` for each line it is sent. */
function contender(name: string, answer: string): Contender {
  const script = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => { ${answer} })`;
  return { name, command: [process.execPath, '-e', script] };
}

const platform = contender('platform', `console.log('values perSecond=10000')`);

function run(platform: Contender, ...peers: readonly Contender[]) {
  return runRounds({ platform, peers, plan: [[tells]], rounds: 2, deadlineMs: performance.now() + 20_000 });
}

test('each contender has a value for each pass of each round', async () => {
  const peer = contender('peer', `console.log('values perSecond=5000')`);
  const results = await run(platform, peer);
  expect(results.of('tells', platform)).toEqual([10_000, 10_000, 10_000, 10_000]);
  expect(results.of('tells', peer)).toEqual([5_000, 5_000, 5_000, 5_000]);
});

test.each<[string, Contender, string]>([
  ['has not got it', contender('peer', `console.log('lacks no mailbox')`), 'no mailbox'],
  ['fails', contender('peer', `console.log('failed 9 of 10 messages were handled')`), '9 of 10 messages were handled'],
  ['dies', contender('peer', 'process.exit(3)'), 'it ended with exit 3'],
  ['gives another figure', contender('peer', `console.log('values p50=1')`), 'it gave no perSecond'],
  ['cannot be started', { name: 'peer', command: ['no-such-program-here'] }, 'spawn no-such-program-here ENOENT'],
  ['is not installed', { name: 'peer', skipped: 'erl is not on PATH' }, 'erl is not on PATH'],
])('a peer that %s is skipped and says why', async (_what, peer, skipped) => {
  const results = await run(platform, peer);
  expect(results.of('tells', peer)).toEqual({ skipped });
  expect(results.of('tells', platform)).toHaveLength(4);
});

test('a peer is only asked for what it is there for', async () => {
  const peer: Contender = { ...contender('peer', 'process.exit(3)'), only: 'asks' };
  expect((await run(platform, peer)).of('tells', peer)).toBeUndefined();
});

test('our own runtime losing a message is no measurement', async () => {
  const broken = contender('platform', `console.log('failed 9 of 10 messages were handled')`);
  await expect(run(broken)).rejects.toThrow('tells 10: 9 of 10 messages were handled');
});
