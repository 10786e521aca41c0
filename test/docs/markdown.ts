/** Pages as their tests read them: sections, code blocks, tables. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const project = join(import.meta.dirname, '../..');

export function readPage(path: string): string {
  return readFileSync(join(project, path), 'utf8');
}

/** What stands below a heading, up to the next of its level or above. A line of code may look like a heading and is none. */
export function section(page: string, title: string): string {
  const lines = page.split('\n');
  const levels = headingLevels(lines);
  const start = lines.findIndex((line, at) => levels[at]! > 0 && line.replace(/^#+ /, '') === title);
  assert(start >= 0, `there must be a section ${title}`);
  const end = levels.findIndex((level, at) => at > start && level > 0 && level <= levels[start]!);
  return lines.slice(start + 1, end < 0 ? undefined : end).join('\n');
}

/** The headings of a page as GitHub names them in links: `#who-may-do-what`. */
export function anchors(page: string): string[] {
  const lines = page.split('\n');
  const levels = headingLevels(lines);
  return lines
    .filter((_, at) => levels[at]! > 0)
    .map((line) =>
      line
        .replace(/^#+ /, '')
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
}

/** The text of each code block in a language, without its fences. */
export function codeBlocks(page: string, language: string): string[] {
  const blocks = page.matchAll(/^```(\S*)\n(.*?)^```$/gms);
  return [...blocks].filter(([, found]) => found === language).map(([, , text]) => text!);
}

export function withoutCodeBlocks(page: string): string {
  return page.replaceAll(/^```.*?^```$/gms, '');
}

/** The cells of each row of all tables, without their headings. */
export function tableRows(page: string): string[][] {
  const lines = page.split('\n');
  const rows: string[][] = [];
  for (const [at, line] of lines.entries()) {
    const isRow = line.startsWith('| ') && !line.startsWith('| ---') && !lines[at + 1]?.startsWith('| ---');
    if (!isRow) continue;
    rows.push(
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  }
  return rows;
}

/** By line; zero where it is no heading. */
function headingLevels(lines: readonly string[]): number[] {
  let isCode = false;
  return lines.map((line) => {
    if (line.startsWith('```')) isCode = !isCode;
    return isCode ? 0 : (/^(#+) /.exec(line)?.[1]?.length ?? 0);
  });
}
