import { Secret } from '../../config/secret.ts';
import { anthropic } from '../../transports/drivers/anthropic.ts';
import { lineFor } from './ai-provider/line.ts';
import { aiProviderContract } from './ai-provider.ts';

aiProviderContract('anthropic', ({ baseUrl, key, clock }) =>
  anthropic({ apiKey: new Secret(key), baseUrl, line: lineFor(clock) }),
);
