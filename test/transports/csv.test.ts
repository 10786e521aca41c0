import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cellOf, rowOf } from '../../transports/csv.ts';

test.each([
  ['plain', 'plain'],
  ['', ''],
  [undefined, ''],
  [null, ''],
  ['-1.50', '-1.50'],
  [12, '12'],
  ['a,b', '"a,b"'],
  ['a"b', '"a""b"'],
  ['two\nlines', '"two\nlines"'],
  ['=1+1', "'=1+1"],
  ['+49', "'+49"],
  ['-1+1', "'-1+1"],
  ['@sum', "'@sum"],
  ['\t=1', "'\t=1"],
  ['=a,"b"', `"'=a,""b"""`],
])('%j is the cell %j', (value, cell) => {
  expect(cellOf(value)).toBe(cell);
});

/** By the grammar of RFC 4180. */
function read(text: string): string[][] {
  const rows: string[][] = [[]];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at += 1) {
        cell += text[at];
        if (text[at] === '"') at += 1;
      }
      at += 1;
    } else {
      while (at < text.length && !',\r\n'.includes(text[at]!)) cell += text[at++];
    }
    rows.at(-1)!.push(cell);
    if (text[at] === ',') {
      at += 1;
    } else {
      at += 2;
      rows.push([]);
    }
  }
  rows.pop();
  return rows;
}

test('whatever the cells hold, they are read as they were, but for what a spreadsheet would reckon', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('"', ',', '\r\n', '=', '-1', 'a"",b'));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 10 }), (rows) => {
      const written = rows.map(([a, b]) => rowOf(['a', 'b'], { a, b })).join('');
      const expected = rows.map((cells) =>
        cells.map((cell) => (/^[=+\-@\t\r]/.test(cell) && !/^-?\d+(\.\d+)?$/.test(cell) ? `'${cell}` : cell)),
      );
      expect(read(written)).toEqual(expected);
    }),
  );
});
