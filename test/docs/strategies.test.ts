/** docs/strategies.md is true: its command runs, its example is a strategy, its kinds are those that there are. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { limitsOf, ruleOf } from '../../bin/strategies.ts';
import { strategies, strategyKinds, type StrategyKind } from '../../config/strategies.ts';
import { codeBlocks, project, readPage, section, tableRows } from './markdown.ts';

const page = readPage('docs/strategies.md');

test('the command of the page trades a recording', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strategies-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const ticks = Array.from({ length: 120 }, (_, minute) => {
    const bid = (1.08 + Math.sin(minute / 10) / 100).toFixed(5);
    return `${new Date(Date.UTC(2026, 0, 5) + minute * 60_000).toISOString()},${bid},${(Number(bid) + 0.0001).toFixed(5)}`;
  });
  writeFileSync(join(folder, 'ticks.csv.gz'), gzipSync(`time,bid,ask\n${ticks.join('\n')}\n`));
  const [command] = codeBlocks(section(page, 'Try one on recorded prices first'), 'sh');
  const here = command!.replace('npx aitrading', `'${process.execPath}' '${join(project, 'bin/aitrading.js')}'`);
  const { status, stdout } = spawnSync('bash', ['-c', here], { cwd: folder, encoding: 'utf8' });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^orders +[1-9]/m);
  expect(stdout).toMatch(/^max drawdown +\d+\.\d+ %$/m);
}, 30_000);

test('the example is a strategy, the kinds are those that there are, and none runs by itself', () => {
  const [example] = codeBlocks(section(page, 'Let one trade'), 'ts');
  const literals = (name: string) => new RegExp(`${name}: (\\{[^}]*\\})`).exec(example!)![1]!;
  const json = (text: string) => JSON.parse(text.replaceAll("'", '"').replaceAll(/(\w+):/g, '"$1":')) as never;
  expect(ruleOf('moving-average-cross', json(literals('parameters'))).warmUp).toBe(50);
  expect(limitsOf(json(literals('limits'))).maxDenials).toBe(3);
  const kinds = tableRows(section(page, 'Let one trade')).map(([kind]) => kind!.replaceAll('`', ''));
  expect(kinds).toEqual([...strategyKinds]);
  for (const kind of kinds) expect(ruleOf(kind as StrategyKind, {}).start).toBeTypeOf('function');
  expect(strategies).toEqual([]);
});

test.each<[StrategyKind, Record<string, string>, RegExp]>([
  ['moving-average-cross', { slow: '3', fast: '5' }, /slow must be a whole number/],
  ['moving-average-cross', { fast: 'x' }, /fast must be a whole number/],
  ['moving-average-cross', { lots: '1e3' }, /lots must be a decimal/],
  ['moving-average-cross', { lots: '0' }, /lots must be above zero/],
  ['moving-average-cross', { direction: 'up' }, /direction must be both or long-only/],
  ['moving-average-cross', { quorum: '1' }, /has no parameter quorum/],
  ['ai-ensemble', { minConfidence: '2' }, /minConfidence must be from 0 to 1/],
  ['ai-ensemble', { __proto__x: '2' }, /has no parameter __proto__x/],
])('%s with %o is refused in a line', (kind, parameters, message) => {
  expect(() => ruleOf(kind, parameters)).toThrow(message);
});
