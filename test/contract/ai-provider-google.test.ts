import { Secret } from '../../config/secret.ts';
import { google } from '../../transports/drivers/google.ts';
import { lineFor } from './ai-provider/line.ts';
import { aiProviderContract } from './ai-provider.ts';

aiProviderContract('google', ({ baseUrl, key, clock }) =>
  google({ apiKey: new Secret(key), baseUrl, line: lineFor(clock) }),
);
