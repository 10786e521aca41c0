/** Tickets: what a browser, which can set no header on a WebSocket, shows in place of its credential. Good once, and for a short while. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';

export interface TicketLimits {
  readonly ticketMs: number;
  /** Those that are out; beyond it the oldest is good no more. */
  readonly tickets: number;
}

export class Tickets {
  readonly #clock: Clock;
  readonly #limits: TicketLimits;
  /** In order of issue. */
  readonly #issued = new Map<string, { readonly token: string; readonly expiresMs: number }>();

  constructor(clock: Clock, limits: TicketLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** @param token the credential that the ticket stands for */
  issue(token: string): { readonly ticket: string; readonly expiresInSeconds: number } {
    const { ticketMs, tickets } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    for (const [old, { expiresMs }] of this.#issued) {
      if (expiresMs > nowMs && this.#issued.size < tickets) break;
      this.#issued.delete(old);
    }
    const ticket = randomBytes(24).toString('base64url');
    this.#issued.set(ticket, { token, expiresMs: nowMs + ticketMs });
    return { ticket, expiresInSeconds: ticketMs / 1_000 };
  }

  /** The credential behind a ticket, which is spent by it. */
  redeem(ticket: string): string | undefined {
    const found = this.#issued.get(ticket);
    this.#issued.delete(ticket);
    return found && found.expiresMs > this.#clock.monotonicMs() ? found.token : undefined;
  }
}
