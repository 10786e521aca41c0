/** Lists as CSV (RFC 4180), a page at a time: however long a list is, no more of it than two pages is in memory. */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Page } from './services.ts';

/** A cell begins with one of these where a spreadsheet would take it for a formula. */
const FORMULA = /^[=+\-@\t\r]/;
const PLAIN_NUMBER = /^-?[0-9]+(\.[0-9]+)?$/;

/** @param value text, a number or nothing */
export function cellOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const harmless = FORMULA.test(text) && !PLAIN_NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export function rowOf(columns: readonly string[], item: object): string {
  const of = item as Readonly<Record<string, unknown>>;
  return `${columns.map((column) => cellOf(of[column])).join(',')}\r\n`;
}

/** The head, then all pages from the first on; the first page is read before anything is sent, so that its failure is still a problem. */
export async function sendCsv(
  reply: FastifyReply,
  name: string,
  columns: readonly string[],
  readPage: (cursor: string | undefined) => Promise<Page<object>>,
): Promise<FastifyReply> {
  const first = await readPage(undefined);
  void reply
    .header('content-type', 'text/csv; charset=utf-8; header=present')
    .header('content-disposition', `attachment; filename="${name}.csv"`)
    .header('cache-control', 'no-store');
  return reply.send(Readable.from(textOf(columns, first, readPage), { objectMode: false }));
}

async function* textOf(
  columns: readonly string[],
  first: Page<object>,
  readPage: (cursor: string | undefined) => Promise<Page<object>>,
): AsyncGenerator<string> {
  yield rowOf(columns, Object.fromEntries(columns.map((column) => [column, column])));
  for (let page = first; ; page = await readPage(page.nextCursor)) {
    if (page.items.length > 0) yield page.items.map((item) => rowOf(columns, item)).join('');
    if (page.nextCursor === undefined) return;
  }
}
