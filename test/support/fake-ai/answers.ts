/** Answers that are right, however they are cut up on their way. */
import type { Answer, Asked, Dialect } from './dialect.ts';
import { chunk, chunkedHead, lastChunk, sized, type Headers, type Reply } from './http.ts';
import type { Call, Script } from './server.ts';

/** What is answered unless something else is said. */
export const usualAnswer: Answer = {
  ...{ id: 'answer-1', toolCalls: [], finish: 'stop', pieces: 4 },
  text: 'EURUSD holds above 1.0850 — €uro bulls 📈 stay in charge; no trade.',
  usage: {
    ...{ inputTokens: 180, cachedInputTokens: 64, cacheWriteTokens: 32, cacheWrite1hTokens: 16 },
    ...{ outputTokens: 42, reasoningTokens: 7 },
  },
};

export interface Way {
  readonly headers?: Headers;
  /** Each cuts the body at this byte, modulo its length; what is between two cuts is one chunk and one write. */
  readonly cuts?: readonly number[];
  /** The text of a body, changed. */
  edit?(body: string): string;
}

/** The same bytes for the same question: they are made once. */
export function answering(change: Partial<Answer> = {}, way: Way = {}): Script {
  const answer = { ...usualAnswer, ...change };
  const made = new Map<string, Buffer>();
  return ({ dialect, asked, reply }) => {
    const question = `${asked.isStreamed}${asked.wantsUsage}${asked.model}`;
    let bytes = made.get(question);
    if (!bytes) made.set(question, (bytes = bytesOf(dialect, answer, asked, way)));
    if (!way.cuts) return reply.raw(bytes);
    return sendInPieces(reply, bytes, way.cuts, headersOf(dialect, asked, way));
  };
}

/** The body alone when it is to be cut, else all of it. */
function bytesOf(dialect: Dialect, answer: Answer, asked: Asked, way: Way): Buffer {
  const edit = way.edit ?? ((body: string) => body);
  const bodies = (asked.isStreamed ? eventsOf(dialect, answer, asked) : [dialect.whole(answer, asked)]).map(edit);
  if (way.cuts) return Buffer.from(bodies.join(''));
  const headers = headersOf(dialect, asked, way);
  if (!asked.isStreamed) return sized(200, headers, bodies.join(''));
  return Buffer.concat([chunkedHead(200, headers), ...bodies.map(chunk), lastChunk]);
}

export function eventsOf(dialect: Dialect, answer: Answer, asked: Asked): string[] {
  const { opening, content, finish, usage, sentinel } = dialect.stream(answer, asked);
  return [...opening, ...content, ...finish, ...usage, ...sentinel];
}

/** What is sent, without headers and without chunks. */
export function bodyOf(dialect: Dialect, answer: Answer, asked: Asked): string {
  return asked.isStreamed ? eventsOf(dialect, answer, asked).join('') : dialect.whole(answer, asked);
}

export function headersOf(dialect: Dialect, asked: Asked, { headers }: Pick<Way, 'headers'> = {}): Headers {
  return { 'content-type': asked.isStreamed ? dialect.streamType : 'application/json', ...headers };
}

/** Each in a chunk of its own, and a clean end after them. */
export function sayEvents({ dialect, asked, reply }: Call, events: readonly string[]): void {
  reply.open(200, headersOf(dialect, asked));
  for (const event of events) reply.chunk(event);
  reply.end();
}

function sendInPieces(reply: Reply, body: Buffer, cuts: readonly number[], headers: Headers): void {
  reply.open(200, headers);
  const places = [...new Set(cuts.map((cut) => cut % body.length))].toSorted((a, b) => a - b);
  for (const [index, place] of [0, ...places].entries()) reply.chunk(body.subarray(place, places[index]));
  reply.end();
}
