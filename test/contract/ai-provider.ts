/** What every AI provider does, whichever driver speaks to it: answers whole or not at all, one request a call, no key told. */
import { describe } from 'vitest';
import type { AiProvider } from '../../actors/ai/provider.ts';
import type { Clock } from '../../runtime/clock.ts';
import { answersContract } from './ai-provider/answers.ts';
import { callsContract } from './ai-provider/calls.ts';
import { faultsContract } from './ai-provider/faults.ts';
import { refusalsContract } from './ai-provider/refusals.ts';
import { requestsContract } from './ai-provider/requests.ts';
import type { Dialect } from '../support/fake-ai/dialect.ts';
import { dialects } from '../support/fake-ai/dialects.ts';

/** Where the driver finds its vendor. */
export interface Place {
  readonly baseUrl: string;
  readonly key: string;
  readonly clock: Clock;
}

export function aiProviderContract(name: Dialect['name'], start: (place: Place) => AiProvider): void {
  const dialect = dialects[name];
  const parts = { answersContract, callsContract, requestsContract, faultsContract, refusalsContract };
  describe.each(Object.entries(parts))('%s', (_, contract) => {
    contract(dialect, start);
  });
}
