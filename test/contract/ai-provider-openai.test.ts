import { Secret } from '../../config/secret.ts';
import { openAi } from '../../transports/drivers/openai.ts';
import { lineFor } from './ai-provider/line.ts';
import { aiProviderContract } from './ai-provider.ts';

aiProviderContract('openai', ({ baseUrl, key, clock }) =>
  openAi({ apiKey: new Secret(key), baseUrl, line: lineFor(clock) }),
);
