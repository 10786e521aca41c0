/** A provider that costs next to nothing: one fixed answer in the words of BENCH_DIALECT, or 503 while it is told to be down. */
import { createServer, type AddressInfo } from 'node:net';

const content = JSON.stringify({
  ...{
    side: 'buy',
    confidence: '0.62',
    stop: '1.08210',
    target: '1.08890',
    horizonSeconds: 3600,
    evidenceIds: ['c-1', 'c-2'],
  },
  rationale:
    'The last bar closed above its open, and the range of the last fourteen bars leaves room up to the target.',
});
const bodies = {
  openai: {
    ...{ id: 'chatcmpl-stub', object: 'chat.completion', created: 1_795_000_000, model: 'gpt-4o-mini-2024-07-18' },
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: {
      prompt_tokens: 180,
      completion_tokens: 42,
      total_tokens: 222,
      prompt_tokens_details: { cached_tokens: 0 },
    },
  },
  anthropic: {
    ...{ id: 'msg_stub', type: 'message', role: 'assistant', model: 'claude-haiku-4-5' },
    content: [{ type: 'text', text: content }],
    ...{ stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 180, output_tokens: 42 } },
  },
};
const body = JSON.stringify(bodies[process.env['BENCH_DIALECT'] as keyof typeof bodies]);
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);
const unavailable = Buffer.from(
  'HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}',
);
const headEnd = Buffer.from('\r\n\r\n');
let isDown = false;

const server = createServer({ noDelay: true }, (socket) => {
  let unread: Buffer = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    for (;;) {
      const end = unread.indexOf(headEnd);
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(unread.toString('latin1', 0, end))?.[1] ?? 0);
      if (unread.length < end + headEnd.length + length) return;
      unread = unread.subarray(end + headEnd.length + length);
      socket.write(isDown ? unavailable : answer);
    }
  });
});
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('message', (message: { isDown: boolean }) => {
  ({ isDown } = message);
  process.send!({});
});
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
