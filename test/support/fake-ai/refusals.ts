/** Answers with a status that says no, in the vendor's words or in none. */
import { errorStatus, type ErrorKind } from './dialect.ts';
import { sized, type Headers } from './http.ts';
import type { Script } from './server.ts';

export interface Refusal {
  readonly headers?: Headers;
  /** Becomes part of the message. */
  readonly detail?: string;
}

/** As the vendor says it. A message repeats the key, as a careless host's would. */
export function refusing(kind: ErrorKind, { headers, detail = '' }: Refusal = {}): Script {
  return ({ dialect, asked, reply }) => {
    const body = dialect.error(kind, `(key ${asked.key}) ${detail}`);
    reply.raw(sized(errorStatus[kind], { 'content-type': 'application/json', ...headers }, body));
  };
}

/** In these very words. */
export function saying(status: number, body: unknown): Script {
  return ({ reply }) => reply.raw(sized(status, { 'content-type': 'application/json' }, JSON.stringify(body)));
}

/** By what stands between us and the vendor. */
export const oddRefusals = {
  'a page with 502': ({ reply }) => {
    reply.raw(sized(502, { 'content-type': 'text/html' }, '<html><h1>502 Bad Gateway</h1><hr>nginx</html>'));
  },
  'nothing with 503': ({ reply }) => reply.raw(sized(503, {}, '')),
  'an object for a text with 500': ({ dialect, reply }) => {
    const message = { text: { en: 'no' } };
    const error = dialect.name === 'ollama' ? message : { message, type: message, code: message, status: message };
    reply.raw(sized(500, { 'content-type': 'application/json' }, JSON.stringify({ error })));
  },
  'a list with 500': ({ reply }) => {
    reply.raw(sized(500, { 'content-type': 'application/json' }, '[{"error":null},null,7]'));
  },
  'an error without end with 500': async ({ reply }) => {
    reply.open(500, { 'content-type': 'application/json' });
    reply.chunk('{"error":{"message":"');
    while (!reply.isOver) {
      reply.chunk('a'.repeat(65_536));
      await reply.sent();
    }
  },
  'silence after the headers of a 500': ({ reply }) => reply.open(500, { 'content-type': 'application/json' }),
} satisfies Record<string, Script>;

/** Sends the caller elsewhere. */
export function redirecting(location: string): Script {
  return ({ reply }) => reply.raw(sized(307, { location }, ''));
}
