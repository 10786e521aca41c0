import { expect, test } from 'vitest';
import { Progress, type ProgressTarget } from '../../bin/progress.ts';

function target(terminal: Partial<Omit<ProgressTarget, 'write'>> = {}) {
  const written: string[] = [];
  return { written, ...terminal, write: (text: string) => written.push(text) };
}

test('where nobody watches, progress is a line every tenth of the way', () => {
  const file = target();
  const progress = new Progress('replay', 2_000, { unit: 'ticks', target: file });
  for (let done = 0; done <= 2_000; done += 1) progress.report(done);
  progress.finish();
  expect(file.written).toHaveLength(11);
  expect(file.written.at(0)).toBe('  0 % replay: 0 of 2,000 ticks\n');
  expect(file.written.at(5)).toBe(' 50 % replay: 1,000 of 2,000 ticks\n');
  expect(file.written.at(-1)).toBe('100 % replay: 2,000 of 2,000 ticks\n');
});

test('on a terminal one line is redrawn, once a percent at most, and ended', () => {
  const terminal = target({ isTTY: true, columns: 80 });
  const progress = new Progress('replay', 10_000, { target: terminal });
  for (let done = 0; done <= 10_000; done += 1) progress.report(done);
  progress.finish();
  expect(terminal.written).toHaveLength(102);
  expect(terminal.written.slice(0, -1).every((text) => text.startsWith('\r') && !text.includes('\n'))).toBe(true);
  expect(terminal.written.at(50)).toContain('████████████░░░░░░░░░░░░  50 % replay');
  expect(terminal.written.at(-1)).toBe('\n');
});

test('a narrow terminal gets a line that does not wrap', () => {
  const terminal = target({ isTTY: true, columns: 30 });
  new Progress('a label that is far too long for it', 10, { target: terminal }).report(5);
  expect(terminal.written.join('').replace('\r\u001B[K', '').length).toBeLessThan(30);
});

test.each([
  { done: 25, total: 10, shown: '100 % x: 10 of 10' },
  { done: -1, total: 10, shown: '  0 % x' },
])('$done of $total is shown as $shown', ({ done, total, shown }) => {
  const file = target();
  new Progress('x', total, { target: file }).report(done);
  expect(file.written.join('')).toContain(shown);
});

test('progress never goes back, and nothing is drawn after the end', () => {
  const file = target();
  const progress = new Progress('x', 10, { target: file });
  progress.report(5);
  progress.report(2);
  progress.finish();
  progress.report(10);
  expect(file.written).toHaveLength(1);
});
