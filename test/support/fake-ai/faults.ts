/** What goes wrong on the way: connections, streams and bodies. Each is one script for streams and for answers in one piece. */
import { bodyOf, headersOf, sayEvents, usualAnswer } from './answers.ts';
import { closingHead, sized } from './http.ts';
import type { Call, Script } from './server.ts';

/** Before the first header. */
export const silenceFaults = {
  'reset before headers': ({ reply }) => reply.reset(),
  'closed before headers': ({ reply }) => reply.halfClose(),
  'not HTTP': ({ reply }) => reply.raw('SSH-2.0-OpenSSH_9.2\r\n'),
  'headers without end': async (call) => {
    call.reply.raw('HTTP/1.1 200 OK\r\n');
    await pour(call, (line) => call.reply.raw(line), `x-filler: ${'a'.repeat(4000)}\r\n`);
  },
  'silent before headers': () => {},
  'silent after headers': (call) => begin(call),
} satisfies Record<string, Script>;

/** After the first content. */
export const brokenFaults = {
  'silent in the middle': (call) => void half(call),
  'cut in a chunk': async (call) => {
    call.reply.partOfChunk(half(call).next);
    await call.reply.reset();
  },
  'half-closed between chunks': (call) => {
    half(call);
    call.reply.halfClose();
  },
  'half-closed in a chunk': (call) => {
    call.reply.partOfChunk(half(call).next);
    call.reply.halfClose();
  },
  'clean end in the middle': (call) => {
    half(call);
    call.reply.end();
  },
  // A body that ends with its connection: HTTP cannot tell that there should have been more.
  'closed in the middle of a body without length': (call) => {
    const { opening, begun } = piecesOf(call);
    call.reply.raw(closingHead(200, headersOf(call.dialect, call.asked)));
    call.reply.raw(opening + begun);
    call.reply.halfClose();
  },
} satisfies Record<string, Script>;

/** Of streams of those vendors that have pings. */
export const pingFaults = {
  'nothing but pings': async (call) => {
    begin(call);
    await ping(call);
  },
} satisfies Record<string, Script>;

export const latePingFaults = {
  'nothing but pings in the middle': async (call) => {
    half(call);
    await ping(call);
  },
} satisfies Record<string, Script>;

/** Of streams alone: HTTP finds nothing wrong. */
export const streamFaults = {
  'all content without the finish': (call) => {
    const { opening, content } = call.dialect.stream(usualAnswer, call.asked);
    sayEvents(call, [...opening, ...content]);
  },
  'all content and the finish without the sentinel': (call) => {
    const { opening, content, finish, usage } = call.dialect.stream(usualAnswer, call.asked);
    sayEvents(call, [...opening, ...content, ...finish, ...usage]);
  },
  'nothing at all': (call) => sayEvents(call, []),
  'half an event among whole ones': (call) => {
    const { opening, content, ...rest } = call.dialect.stream(usualAnswer, call.asked);
    const [first = '', second = '', ...others] = content;
    // What ends an event stays, so that the next is whole again.
    const ending = /\s+$/.exec(second)![0];
    const broken = second.slice(0, second.length / 2) + ending;
    sayEvents(call, [...opening, first, broken, ...others, ...rest.finish, ...rest.usage, ...rest.sentinel]);
  },
  'overloaded before the first token': (call) => sayEvents(call, [errorEvent(call, 'overloaded')]),
  'overloaded in the middle': (call) => {
    half(call);
    call.reply.chunk(errorEvent(call, 'overloaded'));
    call.reply.end();
  },
  'failed in the middle': (call) => {
    half(call);
    call.reply.chunk(errorEvent(call, 'server-error'));
    call.reply.end();
  },
} satisfies Record<string, Script>;

/** Of bodies with status 200. */
export const bodyFaults = {
  'a page instead of an answer': ({ reply }) => reply.raw(sized(200, { 'content-type': 'text/html' }, page)),
  'an empty body': (call) => call.reply.raw(sized(200, headersOf(call.dialect, call.asked), '')),
  'bytes that are no UTF-8': (call) => {
    const body = Buffer.from(bodyOf(call.dialect, usualAnswer, call.asked));
    body[body.indexOf(Buffer.from('€')) + 1] = 0x28;
    call.reply.raw(sized(200, headersOf(call.dialect, call.asked), body));
  },
  'fewer bytes than announced': (call) => {
    const whole = sized(200, headersOf(call.dialect, call.asked), bodyOf(call.dialect, usualAnswer, call.asked));
    const headBytes = whole.indexOf('\r\n\r\n') + 4;
    call.reply.raw(whole.subarray(0, headBytes + (whole.length - headBytes) / 2));
    call.reply.halfClose();
  },
  'a body without end': async (call) => {
    const { asked, dialect, reply } = call;
    const text = usualAnswer.text.repeat(1000);
    const { content } = dialect.stream({ ...usualAnswer, text, pieces: 1 }, asked);
    begin(call);
    if (!asked.isStreamed) reply.chunk(piecesOf(call).opening);
    await pour(call, (piece) => reply.chunk(piece), asked.isStreamed ? content.join('') : text);
  },
} satisfies Record<string, Script>;

const page = '<!doctype html><title>Sign in</title><p>Welcome to the hotel’s network.';

/** What some hosts do when their own provider fails. */
export const errorAsAnswer: Script = ({ dialect, asked, reply }) =>
  reply.raw(sized(200, headersOf(dialect, asked), dialect.error('overloaded', '')));

function errorEvent({ dialect }: Call, kind: 'overloaded' | 'server-error'): string {
  return dialect.errorEvent(kind, '');
}

interface Pieces {
  /** Without content. */
  readonly opening: string;
  /** With content, and not all of it. */
  readonly begun: string;
  /** What would come next. */
  readonly next: string;
}

function piecesOf({ dialect, asked }: Call): Pieces {
  if (!asked.isStreamed) {
    const body = dialect.whole(usualAnswer, asked);
    const [text, half] = [body.indexOf(usualAnswer.text), body.indexOf(' bulls')];
    return { opening: body.slice(0, text), begun: body.slice(text, half), next: body.slice(half) };
  }
  const { opening, content } = dialect.stream(usualAnswer, asked);
  const middle = Math.ceil(content.length / 2);
  return { opening: opening.join(''), begun: content.slice(0, middle).join(''), next: content[middle]! };
}

/** Headers, and in a stream what comes before its content. */
function begin(call: Call): void {
  call.reply.open(200, headersOf(call.dialect, call.asked));
  if (call.asked.isStreamed) call.reply.chunk(piecesOf(call).opening);
}

function half(call: Call): Pieces {
  const pieces = piecesOf(call);
  begin(call);
  call.reply.chunk(call.asked.isStreamed ? pieces.begun : pieces.opening + pieces.begun);
  return pieces;
}

/** As long as somebody listens. */
async function ping({ reply, gone, dialect }: Call): Promise<void> {
  const timer = setInterval(() => reply.chunk(dialect.ping ?? ''), 10);
  await gone;
  clearInterval(timer);
}

/** The same again and again, as long as somebody listens. */
async function pour({ reply }: Call, write: (data: string) => void, data: string): Promise<void> {
  while (!reply.isOver) {
    write(data);
    await reply.sent();
  }
}
