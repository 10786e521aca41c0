/** Ways of saying an answer that are unusual and right. */
import { answering, bodyOf, eventsOf, headersOf, sayEvents, usualAnswer } from './answers.ts';
import { closingHead } from './http.ts';
import type { Call, Script } from './server.ts';

export const oddities = {
  'one byte at a time': answering({}, { cuts: Array.from({ length: 8192 }, (_, index) => index) }),
  'characters cut in two': (call) => {
    const body = Buffer.from(bodyOf(call.dialect, usualAnswer, call.asked));
    // The last bytes of its characters are cut off.
    const cuts = [...body.keys()].filter((at) => (body[at]! & 0xc0) === 0x80);
    return answering({}, { cuts })(call);
  },
  'pings between events': (call) => between(call, call.dialect.ping ?? ''),
  'a hint before the headers': (call) => {
    call.reply.raw('HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n');
    return answering()(call);
  },
  'a body that ends with its connection': (call) => {
    call.reply.raw(closingHead(200, headersOf(call.dialect, call.asked)));
    call.reply.raw(bodyOf(call.dialect, usualAnswer, call.asked));
    call.reply.halfClose();
  },
  'lines that end with CR LF': (call) =>
    answering({}, { edit: (body) => (call.asked.isStreamed ? body.replaceAll(/\r?\n/g, '\r\n') : body) })(call),
  'usage beside the last choice': (call) => {
    if (!call.asked.isStreamed) return answering()(call);
    const { opening, content, finish, usage, sentinel } = call.dialect.stream(usualAnswer, call.asked);
    const last = usage.length > 0 ? [event({ ...dataOf(finish[0]!), usage: dataOf(usage[0]!)['usage'] })] : finish;
    return sayEvents(call, [...opening, ...content, ...last, ...sentinel]);
  },
} satisfies Record<string, Script>;

/** `begun` at once, or nothing but headers and what opens a stream; the rest waits for `gate`. Only a stream begins with content. */
export function answeringLate(gate: Promise<unknown>, begun: 'no content' | 'half of it' = 'no content'): Script {
  return async ({ dialect, asked, reply }) => {
    const { opening, content, finish, usage, sentinel } = dialect.stream(usualAnswer, asked);
    const half = begun === 'half of it' ? Math.ceil(content.length / 2) : 0;
    const [before, after] = asked.isStreamed
      ? [
          [...opening, ...content.slice(0, half)],
          [...content.slice(half), ...finish, ...usage, ...sentinel],
        ]
      : [[], [dialect.whole(usualAnswer, asked)]];
    reply.open(200, headersOf(dialect, asked));
    for (const event of before) reply.chunk(event);
    await gate;
    for (const event of after) reply.chunk(event);
    reply.end();
  };
}

function between(call: Call, ping: string): void | Promise<void> {
  if (!call.asked.isStreamed) return answering()(call);
  return sayEvents(
    call,
    eventsOf(call.dialect, usualAnswer, call.asked).flatMap((event) => [ping, event]),
  );
}

function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function dataOf(event: string): Record<string, unknown> {
  return JSON.parse(event.slice('data: '.length)) as Record<string, unknown>;
}
