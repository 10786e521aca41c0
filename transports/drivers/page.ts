/** Pages of a list, newest first, and the opaque cursors between them. */
import { Terminal } from '../../runtime/errors.ts';

/** `nextCursor` is absent on the last page. */
export interface Page {
  readonly items: readonly object[];
  readonly nextCursor?: string;
}

/** A cursor that no page of this list gave. */
export class InvalidCursor extends Terminal {
  constructor() {
    super('cursor must be one that this list has given');
  }
}

/** One row more than the page was asked for: its presence says that there is a next page. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  json: (row: Row) => object,
  place: (row: Row) => readonly (string | number)[],
): Page {
  const shown = rows.slice(0, limit);
  const items = shown.map(json);
  const last = shown.at(-1);
  if (rows.length <= limit || !last) return { items };
  return { items, nextCursor: Buffer.from(JSON.stringify(place(last))).toString('base64url') };
}

/** What tells the cursors of one list from those of another: orders, rows by seq, schemas, tables, candles. */
type List = 'o' | 's' | 'd' | 't' | 'c';

export function readCursor(cursor: string | undefined, list: 'o' | 'd' | 't' | 'c'): [number, string] | [];
export function readCursor(cursor: string | undefined, list: 's'): [number, number] | [];
export function readCursor(cursor: string | undefined, list: List): [number, unknown] | [] {
  if (cursor === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw new InvalidCursor();
  }
  const [kind, first, second, ...rest] = Array.isArray(parsed) ? (parsed as unknown[]) : [];
  const isSecond = list === 's' ? isSmallInteger(second) : typeof second === 'string' && !second.includes('\0');
  if (kind !== list || !Number.isSafeInteger(first) || !isSecond || rest.length > 0) throw new InvalidCursor();
  return [first as number, second];
}

function isSmallInteger(value: unknown): boolean {
  return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
}
