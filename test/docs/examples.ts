/** Examples of docs/protocol.md: what is sent, what comes back, and whether an answer is like the one that the page shows. */
import assert from 'node:assert/strict';
import type { Frame } from '../support/platform-process.ts';
import { codeBlocks } from './markdown.ts';

export interface HttpExample {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
  readonly status: number;
  readonly answer: unknown;
}

/** `POST /path`, a body, an empty line, the status, the answer. */
export function httpExamples(page: string): HttpExample[] {
  return codeBlocks(page, 'http').map((text) => {
    const match = /^([A-Z]+) (\S+)\n(.*?)\n?\n(\d{3})\n(.*)$/s.exec(text);
    assert(match, `an example must be a request and its answer, was ${text}`);
    const [, method, path, body, status, answer] = match;
    return {
      method: method!,
      path: path!,
      body: body || undefined,
      status: Number(status),
      answer: JSON.parse(answer!),
    };
  });
}

export interface StreamLine {
  readonly isSent: boolean;
  readonly frame: Frame;
}

/** Lines that begin with `→` are sent, those with `←` come back. */
export function conversationOf(page: string): StreamLine[] {
  const [text] = codeBlocks(page, 'text').filter((block) => block.startsWith('←'));
  assert(text, 'there must be a conversation');
  const lines = text.trim().split('\n');
  return lines.map((line) => ({ isSent: line.startsWith('→'), frame: JSON.parse(line.slice(2)) as Frame }));
}

/** Whether a frame is the one that the page shows here: of the same channel, or the reply to the same message. */
export function isSameKind(shown: Frame, found: Frame): boolean {
  return (
    ['type', 'id', 'channel'].every((name) => shown[name] === found[name]) && dataTypeOf(shown) === dataTypeOf(found)
  );
}

function dataTypeOf(frame: Frame): unknown {
  return (frame['data'] as { type?: unknown } | null | undefined)?.type;
}

/** Members whose text is part of what the page says; of all others it is the type alone. */
const literal: ReadonlySet<string> = new Set([
  ...['type', 'channel', 'code', 'state', 'mode', 'symbol', 'side', 'reason', 'currency', 'clientOrderId', 'provider'],
  ...['ok', 'duplicate', 'status', 'detail', 'path', 'role', 'tenant'],
]);

/** Where an answer differs from the one that is shown: in its members and their order, in their types, in literal texts. */
export function differences(shown: unknown, found: unknown, at = ''): string[] {
  if (kindOf(shown) !== kindOf(found)) return [`${at} is shown as ${kindOf(shown)} and is ${kindOf(found)}`];
  if (Array.isArray(shown)) {
    return shown.flatMap((item, i) => differences(item, (found as unknown[])[i], `${at}[${i}]`));
  }
  if (typeof shown === 'object' && shown !== null) {
    const [wanted, was] = [shown, found].map((value) => Object.keys(value as object).join(' '));
    if (wanted !== was) return [`${at} is shown with ${wanted} and has ${was}`];
    return Object.entries(shown).flatMap(([name, value]) =>
      differences(value, (found as Record<string, unknown>)[name], `${at}.${name}`),
    );
  }
  const name = at.slice(at.lastIndexOf('.') + 1);
  return literal.has(name) && shown !== found ? [`${at} is shown as ${String(shown)} and is ${String(found)}`] : [];
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
