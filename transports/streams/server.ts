/** All stream connections of this process, on whichever ports they come in. */
import type { Timer } from '../../runtime/clock.ts';
import type { AccountCommands } from '../account-commands.ts';
import type { Authenticate } from '../authenticate.ts';
import type { Action, Role } from '../services.ts';
import type { UpgradeOptions } from '../websocket/connection.ts';
import { AccountFeeds } from './feeds.ts';
import { pulseMs, StreamHub, type HubCounts } from './hub.ts';
import { TenantQuotas } from './quotas.ts';
import { StreamSession, type ConnectionFigures, type SessionContext, type StreamLimits } from './session.ts';
import { Tickets } from './tickets.ts';

export interface StreamServerOptions {
  readonly services: SessionContext['services'];
  readonly commands: AccountCommands;
  readonly authenticate: Authenticate;
  isAllowed(role: Role, action: Action): boolean;
  readonly limits: StreamLimits;
}

/** The streams as one port sees them. */
export interface Entrance extends UpgradeOptions {
  /** Takes no more connections and closes those that came in here, each once its commands are answered; clients are told to come back. May be called twice. */
  drain(): void;
}

/** Totals since the start, for metrics. */
export interface StreamCounts extends HubCounts {
  readonly connections: number;
  /** Connections that there have been. */
  readonly opened: number;
  readonly acknowledgements: number;
  /** Connections that we have ended, by close code. */
  readonly ended: ReadonlyMap<number, number>;
}

export class StreamServer {
  readonly tickets: Tickets;
  readonly #limits: StreamLimits;
  readonly #hub: StreamHub;
  readonly #context: SessionContext;
  readonly #sessions = new Set<StreamSession>();
  readonly #ended = new Map<number, number>();
  #opened = 0;
  #acknowledgements = 0;
  #beats = 0;
  #heartbeat: Timer | undefined;

  constructor(options: StreamServerOptions) {
    const { services, limits } = options;
    const { bus, clock } = services;
    this.#limits = limits;
    this.#hub = new StreamHub(clock, limits);
    this.tickets = new Tickets(clock, limits);
    this.#context = {
      ...options,
      ...{ hub: this.#hub, tickets: this.tickets },
      feeds: new AccountFeeds(bus, clock, limits),
      quotas: new TenantQuotas(limits.tenant, clock),
      onAcknowledge: () => void this.#acknowledgements++,
      onEnded: (code) => void this.#ended.set(code, (this.#ended.get(code) ?? 0) + 1),
    };
  }

  /** What an engine needs to take connections at `/stream` for one port. */
  entrance(): Entrance {
    const sessions = new Set<StreamSession>();
    let isDraining = false;
    const accept: UpgradeOptions['accept'] = (connection, handshake) => {
      const session = new StreamSession(this.#context, connection, ++this.#opened, handshake, () => {
        sessions.delete(session);
        this.#leave(session);
      });
      sessions.add(session);
      this.#join(session);
      return session;
    };
    return {
      ...{ path: '/stream', maxPayloadBytes: this.#limits.maxPayloadBytes, accept },
      refuses: () => {
        if (isDraining) return 'restarting';
        return this.#sessions.size < this.#limits.connections ? undefined : 'as many connections as there may be';
      },
      drain() {
        isDraining = true;
        for (const session of sessions) session.drain();
      },
    };
  }

  get counts(): StreamCounts {
    return {
      ...this.#hub.counts,
      ...{ connections: this.#sessions.size, opened: this.#opened },
      ...{ acknowledgements: this.#acknowledgements, ended: this.#ended },
    };
  }

  connections(): ConnectionFigures[] {
    return [...this.#sessions].map(({ figures }) => figures);
  }

  #join(session: StreamSession): void {
    this.#sessions.add(session);
    this.#heartbeat ??= this.#context.services.clock.every(pulseMs, () => this.#beat());
  }

  #leave(session: StreamSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    this.#heartbeat?.cancel();
    this.#heartbeat = undefined;
  }

  /** Each connection in its turn, so that a thousand of them do not beat at once. */
  #beat(): void {
    this.#beats += 1;
    const turns = Math.max(1, Math.round(this.#limits.heartbeatMs / pulseMs));
    for (const session of this.#sessions) if ((session.number - 1 + this.#beats) % turns === 0) session.beat();
  }
}
