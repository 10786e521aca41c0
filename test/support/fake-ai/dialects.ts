/** The four wire formats by name. */
import { anthropicDialect } from './anthropic.ts';
import type { Dialect } from './dialect.ts';
import { googleDialect } from './google.ts';
import { ollamaDialect } from './ollama.ts';
import { openAiDialect } from './openai.ts';

export const dialects: Readonly<Record<Dialect['name'], Dialect>> = {
  ...{ openai: openAiDialect, anthropic: anthropicDialect, google: googleDialect, ollama: ollamaDialect },
};
