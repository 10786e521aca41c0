/** All stream connections of this process, on whichever ports they come in. */
import type { Server } from 'node:http';
import type { Timer } from '../runtime/clock.ts';
import type { AccountCommands } from './account-commands.ts';
import { bearerToken, type Authenticate } from './authenticate.ts';
import type { Action, Role, Services } from './services.ts';
import { StreamHub, type StreamCounts } from './stream-hub.ts';
import { StreamSession, type SessionContext, type StreamLimits } from './stream-session.ts';
import { acceptWebSockets } from './websocket.ts';

export interface StreamServerOptions {
  readonly services: Services;
  readonly commands: AccountCommands;
  readonly authenticate: Authenticate;
  isAllowed(role: Role, action: Action): boolean;
  readonly limits: StreamLimits;
}

export class StreamServer {
  readonly #options: StreamServerOptions;
  readonly #hub: StreamHub;
  readonly #sessions = new Set<StreamSession>();
  readonly #heartbeat: Timer;
  #connections = 0;
  #acknowledgements = 0;
  #isDraining = false;

  constructor(options: StreamServerOptions) {
    this.#options = options;
    this.#hub = new StreamHub(options.services, options.limits);
    this.#heartbeat = options.services.clock.every(options.limits.heartbeatMs, () => {
      for (const session of this.#sessions) session.beat();
    });
  }

  /** Takes connections at `/stream` of a server. */
  attach(server: Server): void {
    const { services, limits } = this.#options;
    const context: SessionContext = {
      ...this.#options,
      hub: this.#hub,
      onAcknowledge: () => void this.#acknowledgements++,
    };
    acceptWebSockets(server, {
      ...{ path: '/stream', maxPayloadBytes: limits.maxPayloadBytes, clock: services.clock },
      refuses: () => (this.#isDraining ? 'restarting' : undefined),
      accept: (connection, request) => {
        this.#connections += 1;
        const token = bearerToken(request.headers.authorization);
        const session = new StreamSession(context, connection, `c-${this.#connections}`, token, () =>
          this.#sessions.delete(session),
        );
        this.#sessions.add(session);
        return session;
      },
    });
  }

  get counts(): StreamCounts & { readonly connections: number; readonly acknowledgements: number } {
    return { ...this.#hub.counts, connections: this.#sessions.size, acknowledgements: this.#acknowledgements };
  }

  /** Takes no more connections and closes those there are, each once its commands are answered; clients are told to come back. May be called twice. */
  drain(): void {
    this.#isDraining = true;
    this.#heartbeat.cancel();
    this.#hub.stop();
    for (const session of this.#sessions) session.drain();
  }
}
