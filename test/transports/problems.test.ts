import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { STATUS_CODES } from 'node:http';
import { expect, test } from 'vitest';
import { kindOf, problemBody, problemKinds, type Code } from '../../transports/problems.ts';

const pages = join(import.meta.dirname, '../../docs/errors');
const codes = Object.keys(problemKinds) as Code[];

test.each(codes)('%s has a page, a known status and a title of one line', (code) => {
  const { status, title, closeCode } = kindOf(code);
  expect(existsSync(join(pages, `${code}.md`))).toBe(true);
  expect(STATUS_CODES[status]).toBeDefined();
  expect(title).toMatch(/^[A-Z][^\n]{5,79}$/);
  if (closeCode !== undefined) expect([1009, 1012, 4001, 4003, 4008, 4009, 4029]).toContain(closeCode);
});

test('every page belongs to a code', () => {
  const named = readdirSync(pages).filter((file) => /^[A-Z_]+\.md$/.test(file));
  expect(named.map((file) => file.slice(0, -3)).toSorted()).toEqual(codes.toSorted());
});

test('a problem document has the members of RFC 9457 and no empty ones', () => {
  expect(problemBody({ code: 'NOT_FOUND' }, 't-1')).toEqual({
    ...{ type: '/docs/errors/NOT_FOUND', title: problemKinds.NOT_FOUND.title },
    ...{ status: 404, code: 'NOT_FOUND', traceId: 't-1' },
  });
});
