/** The wire format of Ollama's chat. */
import type { TokenUsage } from '../../../actors/ai/provider.ts';
import { inPieces, type Answer, type Asked, type Dialect, type ErrorKind } from './dialect.ts';
import { understandOllama } from './ollama-request.ts';

export const ollamaDialect: Dialect = {
  ...{ name: 'ollama', basePath: '', streamType: 'application/x-ndjson' },
  counts: ['inputTokens', 'outputTokens'],
  refusals: [],

  asked({ path, headers, body }) {
    if (path !== '/api/chat') return undefined;
    const { model, stream } = JSON.parse(body.toString()) as Record<string, unknown>;
    const key = headers['authorization']?.replace(/^Bearer /, '');
    // It streams unless it is told not to.
    return { model: String(model), isStreamed: stream !== false, key, wantsUsage: true };
  },

  understand: understandOllama,

  whole(answer, asked) {
    const calls = answer.toolCalls.map(toolCall);
    const message = { role: 'assistant', content: answer.text, ...(calls.length > 0 && { tool_calls: calls }) };
    return JSON.stringify({ ...frame(asked), message, ...ending(answer) });
  },

  stream(answer, asked) {
    const chunk = (message: object, rest: object): string =>
      line({ ...frame(asked), message: { role: 'assistant', content: '', ...message }, ...rest });
    return {
      opening: [],
      content: [
        ...inPieces(answer.text, answer.pieces).map((content) => chunk({ content }, { done: false })),
        ...answer.toolCalls.map((call) => chunk({ tool_calls: [toolCall(call)] }, { done: false })),
      ],
      finish: [chunk({}, ending(answer))],
      ...{ usage: [], sentinel: [] },
    };
  },

  error: (kind, detail) => JSON.stringify({ error: `${messages[kind]} ${detail}` }),
  errorEvent: (kind, detail) => line({ error: `${messages[kind]} ${detail}` }),
};

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

function frame({ model }: Asked): object {
  return { model, created_at: '2026-11-24T10:00:00.123456789Z' };
}

function toolCall({ name, arguments: text }: Answer['toolCalls'][number], index = 0): object {
  return { function: { index, name, arguments: JSON.parse(text) as object } };
}

// A call of a tool ends like any other answer.
function ending({ finish, finishWord, usage }: Answer): object {
  const done_reason = finishWord ?? (finish === 'length' ? 'length' : 'stop');
  return { done: true, done_reason, total_duration: 5_589_157_167, ...(usage && counts(usage)) };
}

function counts(usage: TokenUsage): object {
  return {
    ...{ prompt_eval_count: usage.inputTokens, prompt_eval_duration: 1_130_500_000 },
    ...{ eval_count: usage.outputTokens, eval_duration: 4_248_500_000 },
  };
}

const messages: Record<ErrorKind, string> = {
  'rate-limited': 'too many requests, please try again later',
  'out-of-money':
    'you (someone) have reached your weekly usage limit, upgrade for higher limits: https://ollama.com/upgrade',
  'bad-key': 'unauthorized',
  forbidden: 'forbidden',
  'payment-required': 'this model requires a subscription, upgrade for access: https://ollama.com/upgrade',
  'no-such-model': 'model "none" not found, try pulling it first',
  'request-timeout': 'request timed out',
  conflict: 'conflict',
  'bad-request': 'invalid options: temperature',
  'context-too-long': 'the input length exceeds the context length',
  'too-large': 'request body too large',
  'server-error': 'llama runner process has terminated: exit status 2',
  'bad-gateway': 'bad gateway',
  unavailable: 'server busy, please try again.  maximum pending requests exceeded',
  'gateway-timeout': 'gateway timeout',
  overloaded: 'server overloaded, please retry shortly',
};
