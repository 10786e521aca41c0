import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { problemKinds, type ProblemKind } from '../../transports/problems.ts';

const docs = join(import.meta.dirname, '../../docs');
const kinds = Object.entries(problemKinds).map(([code, kind]: [string, ProblemKind]) => ({ code, ...kind }));

test('every code has a page, and every page has a code', () => {
  const pages = readdirSync(join(docs, 'errors')).map((file) => file.replace(/\.md$/, ''));
  expect(pages.toSorted()).toEqual(Object.keys(problemKinds).toSorted());
});

test.each(kinds)('the page of $code names its status and says what to do', ({ code, status }) => {
  const page = readFileSync(join(docs, 'errors', `${code}.md`), 'utf8');
  expect(page).toMatch(new RegExp(`^# ${code}\n\n\`${status}\``));
  expect(page).toContain('## What to do\n\n');
});

test.each(kinds.filter((kind) => kind.closeCode !== undefined))(
  'close code $closeCode of $code is explained',
  ({ closeCode }) => {
    const page = readFileSync(join(docs, 'close-codes.md'), 'utf8');
    expect(page).toMatch(new RegExp(`^\\| ${closeCode} \\| .+ \\| (yes|no) \\| .+ \\|$`, 'm'));
  },
);
