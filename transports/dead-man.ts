/** Setting a dead man's switch, over HTTP and on streams. */
import { formatTime } from '../actors/trading/time.ts';
import { refuse, type Outcome } from './problems.ts';
import type { Principal, Services } from './services.ts';

export interface DeadManResult {
  readonly account: string;
  /** 0: it is off. */
  readonly timeoutMs: number;
  /** When the orders are withdrawn, unless it is set anew before. */
  readonly expiresAt?: string;
}

export async function setDeadMan(
  { deadMan }: Pick<Services, 'deadMan'>,
  principal: Principal,
  account: string,
  timeoutMs: number,
): Promise<Outcome<DeadManResult>> {
  const answer = await deadMan.set(principal, account, timeoutMs);
  switch (answer?.type) {
    case undefined:
      return refuse({ code: 'NOT_FOUND', detail: `there is no account ${account}` });
    case 'unavailable':
      return refuse({ code: 'NOT_READY', retryAfterMs: 1_000 });
    case 'off':
      return { ok: true, result: { account, timeoutMs: 0 } };
    case 'on':
      return { ok: true, result: { account, timeoutMs, expiresAt: formatTime(answer.expiresMicros) } };
  }
}
