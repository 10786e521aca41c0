/** Refusals that vendors word in another way than usual, as they were seen. */
import type { CompletionFailureCode } from '../../../actors/ai/provider.ts';
import type { Dialect } from '../../support/fake-ai/dialect.ts';

export interface Wording {
  readonly name: string;
  readonly status: number;
  readonly body: unknown;
  readonly code: CompletionFailureCode;
}

export const wordings: Readonly<Record<Dialect['name'], readonly Wording[]>> = {
  openai: [
    {
      ...{ name: 'credit that is used up', status: 429, code: 'quota-exhausted' },
      body: {
        error: {
          ...{ message: 'Your credit balance is exhausted.', type: 'billing_error', param: null },
          code: 'credit_balance_exhausted',
        },
      },
    },
    {
      ...{ name: 'a compatible host whose error is not below `error`', status: 400, code: 'context-too-long' },
      body: {
        object: 'error',
        message: "This model's maximum context length is 2048 tokens. However, you requested 6009 tokens",
        ...{ type: 'BadRequestError', param: null, code: 400 },
      },
    },
  ],
  anthropic: [
    {
      ...{ name: 'credit that is too low', status: 400, code: 'payment-required' },
      body: anthropic('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
    },
    {
      ...{ name: 'a limit of the contract', status: 429, code: 'quota-exhausted' },
      body: anthropic('rate_limit_error', 'Limit reached.', 'contract_spend_limit_reached'),
    },
    {
      ...{ name: 'a limit of growth', status: 429, code: 'rate-limited' },
      body: anthropic('rate_limit_error', 'Usage grows too fast.', 'ramp_limit_exceeded'),
    },
    {
      ...{ name: 'no room for the output', status: 400, code: 'context-too-long' },
      body: anthropic(
        'invalid_request_error',
        'input length and `max_tokens` exceed context limit: 174167 + 64000 > 200000, decrease input length',
      ),
    },
  ],
  google: [
    {
      ...{ name: 'a key that is none', status: 400, code: 'unauthenticated' },
      body: google(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' },
      ]),
    },
    {
      ...{ name: 'quotas of a minute and of a day at once', status: 429, code: 'quota-exhausted' },
      body: google(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota, please check your plan.', [
        {
          '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
          violations: [
            { quotaId: 'GenerateContentInputTokensPerModelPerMinute-FreeTier' },
            { quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier' },
          ],
        },
      ]),
    },
    {
      ...{ name: 'an error in a list', status: 429, code: 'rate-limited' },
      body: [google(429, 'RESOURCE_EXHAUSTED', 'Resource exhausted. Please try again later.', [])],
    },
  ],
  ollama: [
    {
      ...{ name: 'a limit of usage that is over in an hour', status: 429, code: 'quota-exhausted' },
      body: { error: "you've reached your hourly usage limit, please wait or upgrade to continue" },
    },
    {
      ...{ name: 'a model without tools', status: 400, code: 'bad-request' },
      body: { error: 'registry.ollama.ai/library/gemma:2b does not support tools' },
    },
  ],
};

function anthropic(type: string, message: string, error_code?: string): object {
  const details = error_code === undefined ? null : { error_code };
  return { type: 'error', error: { type, message, details }, request_id: 'req_011' };
}

function google(code: number, status: string, message: string, details: readonly object[]): object {
  return { error: { code, message, status, details } };
}
