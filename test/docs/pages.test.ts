/** The pages hold together: links lead somewhere, and what they name exists. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { actions, isAllowed, roles, type Action } from '../../config/roles.ts';
import { limits } from '../../config/limits.ts';
import { anchors, project, readPage, section, tableRows, withoutCodeBlocks } from './markdown.ts';

const exclude = ['node_modules/**', '**/node_modules/**', '.aitrading/**'];
const pages = globSync('**/*.md', { cwd: project, exclude }).toSorted();

test.each(pages)('every relative link of %s leads to a file, and to a heading of it', (path) => {
  const links = [...withoutCodeBlocks(readPage(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  expect(links.filter((link) => !/^https?:/.test(link) && !leadsSomewhere(path, link))).toEqual([]);
});

function leadsSomewhere(page: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? page : relative(project, join(project, dirname(page), file));
  if (target.startsWith('..') || !existsSync(join(project, target))) return false;
  if (anchor === undefined) return true;
  return statSync(join(project, target)).isFile() && anchors(readPage(target)).includes(anchor);
}

test('every command of the command line that a page shows exists', () => {
  const commands = readdirSync(join(project, 'bin/commands')).map((file) => file.replace(/\.ts$/, ''));
  const shown = pages.flatMap((path) =>
    [...readPage(path).matchAll(/npx aitrading ([a-z-]+)/g)].map(([, name]) => name),
  );
  expect(shown.filter((name) => !name!.startsWith('-') && !commands.includes(name!))).toEqual([]);
});

test('every benchmark that a page shows exists', () => {
  const shown = pages.flatMap((path) => [...readPage(path).matchAll(/bench -- ([a-z]+)/g)].map(([, suite]) => suite));
  expect(shown.filter((suite) => !existsSync(join(project, `bench/${suite}.ts`)))).toEqual([]);
});

test('the limits of docs/protocol.md are those of config/limits.ts', () => {
  const rows = tableRows(section(readPage('docs/protocol.md'), 'Limits'));
  expect(rows.length).toBeGreaterThan(10);
  const wrong = rows.flatMap(([what, value, , path]) => {
    const name = path!.replaceAll('`', '');
    const actual = shown(name, boundAt(name));
    return value === actual ? [] : [`${what} (${name}) is ${actual}, not ${value}`];
  });
  expect(wrong).toEqual([]);
});

function boundAt(path: string): number {
  const found = path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], limits);
  assert(typeof found === 'number', `there is no limit ${path}`);
  return found;
}

/** A bound in the unit that a person would use. */
function shown(path: string, bound: number): string {
  if (path.endsWith('Bytes')) return bound % 2 ** 20 === 0 ? `${bound / 2 ** 20} MiB` : `${bound / 2 ** 10} KiB`;
  if (path.endsWith('Ms')) return `${bound / 1_000} s`;
  return bound.toLocaleString('en-US');
}

test('who may do what in docs/protocol.md is what config/roles.ts says', () => {
  const rows = tableRows(section(readPage('docs/protocol.md'), 'Who may do what'));
  const told = rows.map(([, action, ...marks]) => [
    action!.replaceAll('`', ''),
    ...marks.map((mark) => mark === 'yes'),
  ]);
  const actual = (action: Action): unknown[] => [action, ...roles.map((role) => isAllowed(role, action))];
  // No route asks for it yet.
  const inUse = actions.filter((action) => action !== 'actors:control');
  expect(told).toEqual(inUse.map(actual));
});

test('docs/operations.md explains every step of the start', () => {
  const steps = [...readPage('bin/platform.ts').matchAll(/doing: (.+)/g)].flatMap(([, rest]) =>
    [...rest!.matchAll(/'([^']+)'/g)].map(([, step]) => step!),
  );
  expect(steps.length).toBeGreaterThan(5);
  const explained = tableRows(section(readPage('docs/operations.md'), 'Not ready')).map(([reason]) =>
    reason!.replaceAll('`', ''),
  );
  expect(steps.filter((step) => !explained.includes(step))).toEqual([]);
});
