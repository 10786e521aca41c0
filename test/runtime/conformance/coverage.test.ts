/** Every number of the conformance list has a test whose name begins with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const numbers = [
  ...Array.from({ length: 104 }, (_, at) => `C${at + 1}`),
  ...Array.from({ length: 8 }, (_, at) => `S${at + 1}`),
  ...Array.from({ length: 7 }, (_, at) => `P${at + 1}`),
];

test('every number of the conformance list has a test', () => {
  const folder = new URL('./', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.test.ts') && file !== 'coverage.test.ts');
  const named = new Set<string>();
  for (const file of files) {
    // At the beginning of a text: the name of a test or of a group of tests, or the first column of a table of them.
    const starts = readFileSync(new URL(file, folder), 'utf8').matchAll(/['"`]([CSP]\d+)(?=['"`: ])/g);
    for (const [, number] of starts) named.add(number!);
  }
  expect(numbers.filter((number) => !named.has(number))).toEqual([]);
  expect([...named].filter((number) => !numbers.includes(number))).toEqual([]);
});
