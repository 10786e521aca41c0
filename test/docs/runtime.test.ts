/** docs/README.md and docs/runtime.md are true: the example prints what is shown, the tables are those of the code. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { defaultStashCapacity } from '../../runtime/inbox.ts';
import { controlLimit, defaultMailbox, type MailboxSpec } from '../../runtime/mailbox.ts';
import { crash, incarnations, life } from '../support/lives.ts';
import { handler, startTestSystem, supervisor, worker } from '../support/test-system.ts';
import { codeBlocks, project, readPage, section, tableRows } from './markdown.ts';

const page = readPage('docs/runtime.md');

describe('the example', () => {
  const shown = section(readPage('docs/README.md'), 'An actor in thirty lines');
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'example-'));
    const here = codeBlocks(shown, 'ts')[0]!.replaceAll(`'../runtime/`, `'${project}/runtime/`);
    writeFileSync(join(folder, 'example.mts'), here);
    return () => rmSync(folder, { recursive: true });
  });

  test('prints what the page shows', () => {
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'example.mts')], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toBe(codeBlocks(shown, 'text')[0]);
  });

  test('compiles as strictly as the project does', () => {
    const options = { noEmit: true, typeRoots: [join(project, 'node_modules/@types')] };
    const config = {
      extends: join(project, 'tsconfig.json'),
      compilerOptions: options,
      include: ['*.mts'],
      exclude: [],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(project, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });

  test('is short', () => {
    const lines = codeBlocks(shown, 'ts')[0]!
      .split('\n')
      .filter((line) => line !== '');
    expect(lines.length).toBeLessThanOrEqual(30);
  });
});

test('the policies of mailboxes do what the page says', async () => {
  const rows = tableRows(section(page, 'The way of a message'));
  const hangs = handler<string>(() => new Promise(() => {}));
  const told: string[] = [];
  for (const [policy] of rows) {
    const whenFull = policy!.replace(' (default)', '').replaceAll('`', '') as MailboxSpec<string>['whenFull'];
    const { ref, settle } = await startTestSystem([
      worker('a', hangs, { mailbox: { capacity: 1, whenFull, keyOf: () => 'same' } }),
    ]);
    ref<string>('/a').tell('in hand');
    await settle();
    ref<string>('/a').tell('waits');
    told.push(`\`${ref<string>('/a').tell('too much')}\``);
  }
  expect(rows.map(([, , result]) => result)).toEqual(told);
  expect(rows).toHaveLength(6);
  expect(rows[0]![0]).toBe(`\`${defaultMailbox.whenFull}\` (default)`);
});

test('the strategies restart whom the page says', async () => {
  const others: Record<string, string> = {
    nobody: '1 2 1',
    'those started after it': '1 2 2',
    all: '2 2 2',
    "nobody; children come and go, each with a budget of its own (`spec.policy`, or the supervisor's)": '1 2 1',
  };
  const rows = tableRows(section(page, 'The way of a crash'));
  for (const [strategy, who] of rows) {
    const children = [life('a'), life('b'), life('c')];
    const name = strategy!.replaceAll('`', '') as 'dynamic';
    const running = await startTestSystem(supervisor('root', name, children));
    await crash(running, '/b');
    expect(`${name}: ${Object.values(incarnations(running.system)).join(' ')}`).toBe(`${name}: ${others[who!]}`);
  }
  expect(rows).toHaveLength(4);
});

test('every typed error of the runtime is on the page, with its class', () => {
  const sources = readdirSync(join(project, 'runtime')).map((file) => readPage(`runtime/${file}`));
  const classes = sources.flatMap((source) => [
    ...source.matchAll(/^export class (\w+) extends (Retryable|Terminal)/gm),
  ]);
  const actual = classes.map(([, name, base]) => `${name} ${base}`).toSorted();
  const told = tableRows(section(page, 'What fails how')).flatMap(([cell]) => {
    // `A`, `B` (both retryable), `C`: what stands in brackets is said of the names before it.
    const retryable = cell!.includes('retryable') ? cell!.slice(0, cell!.indexOf('(')) : '';
    return [...cell!.matchAll(/`(\w+)`/g)].map(
      ([quoted, name]) => `${name} ${retryable.includes(quoted) ? 'Retryable' : 'Terminal'}`,
    );
  });
  expect(told.toSorted()).toEqual(actual);
});

test('the limits of the page are those of the code', () => {
  const defaults = new Map(tableRows(section(page, 'Limits')).map(([what, value]) => [what, value]));
  const shown = (count: number): string => count.toLocaleString('en-US');
  expect(defaults.get('ordinary messages in a mailbox; of other actors parked before it')).toBe(
    `${shown(defaultMailbox.capacity)}; as many`,
  );
  expect(defaults.get('control messages; beyond it the actor gives up its mail and crashes')).toBe(shown(controlLimit));
  expect(defaults.get('messages in the stash')).toBe(shown(defaultStashCapacity));
});

test('every file that the page names is there', () => {
  const named = [...page.matchAll(/`((?:[a-z-]+\/)*[a-z-]+\.ts)`/g)].map(([, file]) => file!);
  const folders = ['', 'runtime/', 'test/support/'];
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((file) => !folders.some((folder) => existsSync(join(project, folder, file))))).toEqual([]);
});
