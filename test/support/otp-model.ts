/**
 * What OTP's supervisor does, as a small model: child specs in start order, and a trace of starts and stops.
 * Facts are those of `supervisor.erl`: only failures that restart something count, the window includes its edge,
 * a group is stopped in reverse and started in order, temporary children of a group are dropped, and a start
 * that fails is one more restart of the child that failed.
 */
export interface ModelPolicy {
  readonly intensity: number;
  readonly periodMs: number;
}

export type Strategy = 'one-for-one' | 'rest-for-one' | 'one-for-all';
export type RestartType = 'permanent' | 'transient' | 'temporary';

interface ModelChild {
  readonly id: string;
  readonly restart: RestartType;
  isUp: boolean;
  /** How many of its next starts fail. */
  failures: number;
}

export class OtpModel {
  readonly trace: string[] = [];
  hasEnded = false;
  #children: ModelChild[] = [];
  #restartsMs: number[] = [];
  readonly #strategy: Strategy;
  readonly #policy: ModelPolicy;

  constructor(strategy: Strategy, policy: ModelPolicy) {
    this.#strategy = strategy;
    this.#policy = policy;
  }

  get alive(): string[] {
    return this.#children.filter(({ isUp }) => isUp).map(({ id }) => id);
  }

  add(id: string, restart: RestartType): void {
    const child = { id, restart, isUp: false, failures: 0 };
    this.#children.push(child);
    this.#start(child);
  }

  remove(id: string): void {
    const child = this.#find(id);
    if (!child) return;
    this.#stop(child);
    this.#forget(child);
  }

  /** The next `count` starts of a child fail. */
  spoil(id: string, count: number): void {
    const child = this.#find(id);
    if (child) child.failures = count;
  }

  crash(id: string, nowMs: number): void {
    const child = this.#find(id);
    if (!child?.isUp) return;
    child.isUp = false;
    this.trace.push(`stop ${id} crash`);
    if (child.restart === 'temporary') this.#forget(child);
    else this.#restart(child, nowMs);
  }

  #restart(failed: ModelChild, nowMs: number): void {
    this.#restartsMs = [...this.#restartsMs.filter((atMs) => atMs >= nowMs - this.#policy.periodMs), nowMs];
    if (this.#restartsMs.length > this.#policy.intensity) {
      for (const child of this.#children.toReversed()) this.#stop(child);
      this.hasEnded = true;
      return;
    }
    for (const child of this.#groupOf(failed).toReversed()) {
      this.#stop(child);
      if (child.restart === 'temporary') this.#forget(child);
    }
    for (const child of this.#groupOf(failed)) {
      if (!this.#start(child)) return this.#restart(child, nowMs);
    }
  }

  #groupOf(failed: ModelChild): ModelChild[] {
    switch (this.#strategy) {
      case 'one-for-one':
        return [failed];
      case 'rest-for-one':
        return this.#children.slice(this.#children.indexOf(failed));
      case 'one-for-all':
        return [...this.#children];
    }
  }

  #start(child: ModelChild): boolean {
    this.trace.push(`start ${child.id}`);
    child.isUp = child.failures === 0;
    if (!child.isUp) child.failures--;
    return child.isUp;
  }

  #stop(child: ModelChild): void {
    if (!child.isUp) return;
    child.isUp = false;
    this.trace.push(`stop ${child.id} shutdown`);
  }

  #forget(child: ModelChild): void {
    this.#children = this.#children.filter((other) => other !== child);
  }

  #find(id: string): ModelChild | undefined {
    return this.#children.find((child) => child.id === id);
  }
}
