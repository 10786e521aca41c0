/** A message as it may be seen. */
import type { Envelope } from './envelope.ts';
import { showMessage, typeOf } from './redaction.ts';
import { ageMs } from './ticks.ts';

/** Without its body, unless the actor's spec shows it. */
export interface MessageInfo {
  readonly type: string;
  readonly shown: unknown;
  readonly traceId?: string;
  /** How long it waited in the mailbox, or has waited. */
  readonly waitedMs: number;
}

/** What a spec shows of a message. */
export type Show = (message: never) => unknown;

/** @param tick now */
export function messageInfo(
  { message, traceId, sentTick }: Envelope<unknown>,
  show: Show | undefined,
  tick: number,
): MessageInfo {
  const waitedMs = Math.max(0, ageMs(sentTick, tick));
  return {
    type: typeOf(message),
    shown: showMessage(message, show),
    waitedMs,
    ...(traceId !== undefined && { traceId }),
  };
}
