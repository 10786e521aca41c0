/**
 * What OTP's supervisor does, as a small model: children in start order, and a trace of starts and stops. Facts are those of
 * `supervisor.erl`: only what restarts something counts, the window includes its edge, a group is stopped in reverse and started
 * in order, with those that are down and without those that are temporary, and a start that fails is one more restart of the child
 * that failed.
 *
 * Ours differs on purpose in two places, and so does the model: a transient child that is added and does not start is tried again
 * (OTP forgets it), and below a `dynamic` supervisor each child has a budget of its own, and up on the one that spends it.
 */
export type Strategy = 'one-for-one' | 'rest-for-one' | 'one-for-all' | 'dynamic';
export type RestartType = 'permanent' | 'transient' | 'temporary';

export interface ModelSpec {
  readonly strategy: Strategy;
  readonly intensity: number;
  readonly periodMs: number;
  readonly autoShutdown: 'never' | 'any-significant' | 'all-significant';
}

export interface ModelChildSpec {
  readonly id: string;
  readonly restart: RestartType;
  readonly significant: boolean;
}

/** What a start comes to. */
export type StartOutcome = 'well' | 'fail' | 'decline';

/** What a call of an administrator comes to. */
export type Answer = 'ok' | 'duplicate' | 'running' | 'not found' | 'dynamic' | 'failed';

interface ModelChild {
  readonly spec: ModelChildSpec;
  /** `dead`: the supervisor has not heard of it yet. `given up`: it has spent a budget of its own. */
  state: 'up' | 'dead' | 'down' | 'given up';
  /** What its next starts come to; all later ones go well. */
  plan: StartOutcome[];
  restartsMs: number[];
}

export class OtpModel {
  readonly trace: string[] = [];
  /** Why the supervisor has ended. */
  end: 'gave up' | 'shut down' | undefined;
  #children: ModelChild[] = [];
  #restartsMs: number[] = [];
  readonly #spec: ModelSpec;

  constructor(spec: ModelSpec) {
    this.#spec = spec;
  }

  /** Every child that is known, and whether it runs. */
  get children(): Record<string, 'running' | 'down' | 'stopped'> {
    const shown = { up: 'running', dead: 'running', down: 'down', 'given up': 'stopped' } as const;
    return Object.fromEntries(this.#children.map(({ spec, state }) => [spec.id, shown[state]]));
  }

  /** @param plan what its next starts come to, this one first */
  add(spec: ModelChildSpec, plan: readonly StartOutcome[], nowMs: number): Answer {
    if (this.#find(spec.id)) return 'duplicate';
    const child: ModelChild = { spec, state: 'down', plan: [...plan], restartsMs: [] };
    this.#children.push(child);
    const outcome = this.#start(child);
    if (outcome === 'fail' && spec.restart === 'transient') this.#restart(child, nowMs);
    else if (outcome === 'fail') this.#forget(child);
    return outcome === 'fail' && spec.restart === 'permanent' ? 'failed' : 'ok';
  }

  plan(id: string, outcomes: readonly StartOutcome[]): void {
    const child = this.#find(id);
    if (child) child.plan = [...outcomes];
  }

  /** These crash together: the supervisor hears of one after another. */
  crash(ids: readonly string[], nowMs: number): void {
    const crashed = ids.flatMap((id) => this.#find(id) ?? []).filter(({ state }) => state === 'up');
    for (const child of crashed) this.#die(child, 'crash');
    for (const child of crashed) {
      if (this.end || child.state !== 'dead' || !this.#children.includes(child)) continue;
      if (child.spec.restart === 'temporary') this.#retire(child);
      else this.#restart(child, nowMs);
    }
  }

  /** It ends by itself without a failure, as with the reasons `normal` and `shutdown`. */
  endByItself(id: string, nowMs: number): void {
    const child = this.#find(id);
    if (child?.state !== 'up') return;
    this.#die(child, 'normal');
    if (child.spec.restart === 'permanent') this.#restart(child, nowMs);
    else this.#retire(child);
  }

  terminate(id: string): Answer {
    const child = this.#find(id);
    if (!child) return 'not found';
    this.#stop(child);
    this.#leave(child);
    return 'ok';
  }

  restart(id: string): Answer {
    const child = this.#find(id);
    if (!child) return 'not found';
    if (child.state !== 'down' && child.state !== 'given up') return 'running';
    child.restartsMs = [];
    return this.#start(child) === 'fail' ? 'failed' : 'ok';
  }

  delete(id: string): Answer {
    const child = this.#find(id);
    if (!child) return 'not found';
    if (this.#spec.strategy === 'dynamic') return 'dynamic';
    if (child.state !== 'down') return 'running';
    this.#forget(child);
    return 'ok';
  }

  /** As terminate and delete. */
  remove(id: string): Answer {
    const child = this.#find(id);
    if (!child) return 'ok';
    this.#stop(child);
    this.#forget(child);
    return 'ok';
  }

  #restart(failed: ModelChild, nowMs: number): void {
    if (this.#spec.strategy === 'dynamic') {
      failed.restartsMs = this.#counted(failed.restartsMs, nowMs);
      if (this.#isTooMuch(failed.restartsMs)) return this.#giveUpChild(failed, nowMs);
    } else {
      this.#restartsMs = this.#counted(this.#restartsMs, nowMs);
      if (this.#isTooMuch(this.#restartsMs)) return this.#end('gave up');
    }
    for (const child of this.#groupOf(failed).toReversed()) {
      this.#stop(child);
      if (child.spec.restart === 'temporary') this.#forget(child);
    }
    for (const child of this.#groupOf(failed)) {
      if (this.#start(child) === 'fail') return this.#restart(child, nowMs);
    }
  }

  #giveUpChild(child: ModelChild, nowMs: number): void {
    child.state = 'given up';
    this.#restartsMs = this.#counted(this.#restartsMs, nowMs);
    if (this.#isTooMuch(this.#restartsMs)) this.#end('gave up');
  }

  #counted(restartsMs: readonly number[], nowMs: number): number[] {
    return [...restartsMs.filter((atMs) => atMs >= nowMs - this.#spec.periodMs), nowMs];
  }

  #isTooMuch(restartsMs: readonly number[]): boolean {
    return restartsMs.length > this.#spec.intensity;
  }

  /** It has ended by itself and is not started again. */
  #retire(child: ModelChild): void {
    this.#leave(child);
    const { autoShutdown } = this.#spec;
    if (autoShutdown === 'never' || !child.spec.significant) return;
    const isOneLeft = this.#children.some(({ spec, state }) => spec.significant && state !== 'down');
    if (autoShutdown === 'any-significant' || !isOneLeft) this.#end('shut down');
  }

  /** Its spec is kept, unless it is temporary or dynamic. */
  #leave(child: ModelChild): void {
    if (child.spec.restart === 'temporary' || this.#spec.strategy === 'dynamic') this.#forget(child);
    else child.state = 'down';
  }

  #end(why: 'gave up' | 'shut down'): void {
    for (const child of this.#children.toReversed()) this.#stop(child);
    this.end = why;
  }

  #groupOf(failed: ModelChild): ModelChild[] {
    switch (this.#spec.strategy) {
      case 'one-for-one':
      case 'dynamic':
        return [failed];
      case 'rest-for-one':
        return this.#children.slice(this.#children.indexOf(failed));
      case 'one-for-all':
        return [...this.#children];
    }
  }

  #start(child: ModelChild): StartOutcome {
    const outcome = child.plan.shift() ?? 'well';
    this.trace.push(`start ${child.spec.id}`);
    child.state = outcome === 'well' ? 'up' : 'down';
    if (outcome !== 'decline') return outcome;
    this.trace.push(`stop ${child.spec.id} normal`);
    this.#leave(child);
    return outcome;
  }

  #die(child: ModelChild, reason: 'crash' | 'normal'): void {
    child.state = 'dead';
    this.trace.push(`stop ${child.spec.id} ${reason}`);
  }

  #stop(child: ModelChild): void {
    if (child.state === 'up') this.trace.push(`stop ${child.spec.id} shutdown`);
    if (child.state !== 'given up') child.state = 'down';
  }

  #forget(child: ModelChild): void {
    this.#children = this.#children.filter((other) => other !== child);
  }

  #find(id: string): ModelChild | undefined {
    return this.#children.find(({ spec }) => spec.id === id);
  }
}
