import { Secret } from '../../config/secret.ts';
import { ollama } from '../../transports/drivers/ollama.ts';
import { lineFor } from './ai-provider/line.ts';
import { aiProviderContract } from './ai-provider.ts';

aiProviderContract('ollama', ({ baseUrl, key, clock }) =>
  ollama({ host: baseUrl, apiKey: new Secret(key), line: lineFor(clock) }),
);
