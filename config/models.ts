/** The models that callers may ask for, by provider, and what each can do. A lower priority is asked first where any will do. */

export type ProviderName = 'openai' | 'anthropic' | 'google' | 'ollama' | 'local';

export interface ModelTerms {
  /** As its provider names it. */
  readonly model: string;
  readonly priority: number;
  /** Tokens that question and answer may have together. */
  readonly contextTokens: number;
  readonly canCallTools: boolean;
  readonly canFollowSchema: boolean;
}

const whole = { canCallTools: true, canFollowSchema: true } as const;

export const models: Readonly<Record<ProviderName, readonly ModelTerms[]>> = {
  openai: [
    { model: 'gpt-4o-mini', priority: 10, contextTokens: 128_000, ...whole },
    { model: 'gpt-4.1-mini', priority: 11, contextTokens: 1_000_000, ...whole },
    { model: 'gpt-5-mini', priority: 12, contextTokens: 400_000, ...whole },
    { model: 'gpt-5', priority: 13, contextTokens: 400_000, ...whole },
  ],
  anthropic: [
    { model: 'claude-haiku-4-5', priority: 20, contextTokens: 200_000, ...whole },
    { model: 'claude-sonnet-5', priority: 21, contextTokens: 200_000, ...whole },
    { model: 'claude-opus-5', priority: 22, contextTokens: 200_000, ...whole },
  ],
  google: [
    { model: 'gemini-2.5-flash-lite', priority: 30, contextTokens: 1_000_000, ...whole },
    { model: 'gemini-2.5-flash', priority: 31, contextTokens: 1_000_000, ...whole },
    { model: 'gemini-2.5-pro', priority: 32, contextTokens: 1_000_000, ...whole },
  ],
  ollama: [{ model: 'llama3.2', priority: 40, contextTokens: 128_000, ...whole }],
  // Technical analysis as a model: it answers about candles and nothing else, so it is the last resort.
  local: [
    {
      model: 'technical-analysis-1',
      priority: 90,
      contextTokens: 1_000_000,
      canCallTools: false,
      canFollowSchema: false,
    },
  ],
};
