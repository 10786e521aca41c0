/** What stands between this node and serving, by component, each with its reason and since when. */
import type { Clock } from './clock.ts';

/** `degraded`: not as it should be, but traffic may come. */
export type ReadinessState = 'starting' | 'ready' | 'degraded' | 'down';

export interface ComponentReadiness {
  readonly state: ReadinessState;
  readonly reason: string | undefined;
  readonly sinceMicros: number;
}

export class Readiness {
  readonly #clock: Clock;
  readonly #components = new Map<string, ComponentReadiness>();
  #waiters: (() => void)[] = [];
  #hasStarted = false;

  /** `components` are known from the beginning, so that nothing is ready before it has said so. */
  constructor(clock: Clock, components: readonly string[]) {
    this.#clock = clock;
    for (const component of components) this.set(component, 'starting', 'not started yet');
  }

  set(component: string, state: ReadinessState, reason?: string): void {
    const before = this.#components.get(component);
    const sinceMicros = before?.state === state ? before.sinceMicros : this.#clock.wallMicros();
    this.#components.set(component, { state, reason, sinceMicros });
    if (!this.isReady) return;
    this.#hasStarted = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  get isReady(): boolean {
    for (const { state } of this.#components.values()) if (!isServing(state)) return false;
    return true;
  }

  /** Whether it was ready at any time. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** Why it is not ready: `component: reason`. */
  get reasons(): string[] {
    return [...this.#components]
      .filter(([, { state }]) => !isServing(state))
      .map(([component, { state, reason }]) => `${component}: ${reason ?? state}`);
  }

  get components(): ReadonlyMap<string, ComponentReadiness> {
    return this.#components;
  }

  /** Resolves when everything is ready, at once if it is. */
  whenReady(): Promise<void> {
    if (this.isReady) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}

function isServing(state: ReadinessState): boolean {
  return state === 'ready' || state === 'degraded';
}
