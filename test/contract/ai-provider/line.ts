import type { Clock } from '../../../runtime/clock.ts';
import { ProviderLine } from '../../../transports/drivers/ai-call.ts';

/** With a small bound, so that a body without end is soon above it. */
export function lineFor(clock: Clock): ProviderLine {
  return new ProviderLine({ clock, maxSockets: 64, maxBodyBytes: 300_000 });
}
