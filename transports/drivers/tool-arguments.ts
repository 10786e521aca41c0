import { ProviderFault } from './ai-failure.ts';

/** The arguments of a tool call, for vendors that take them as an object. @throws ProviderFault they are none: the vendor would refuse the request */
export function argumentsOf(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new ProviderFault('bad-request', 'the arguments of a tool call are not JSON', { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ProviderFault('bad-request', 'the arguments of a tool call are no object');
}
