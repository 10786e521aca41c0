/** Stops a process in phases, one after the other: each has a deadline, and what does not keep it is left behind and told of. */
import type { Clock } from './clock.ts';
import { describeError } from './redaction.ts';
import { Terminal } from './errors.ts';
import { InvalidSpec } from './spec.ts';

export interface ShutdownPhase<Name extends string> {
  readonly name: Name;
  /** For all tasks of the phase together, milliseconds, above zero; Infinity for none of its own. */
  readonly deadlineMs: number;
}

export interface ShutdownOptions<Name extends string> {
  readonly clock: Clock;
  /** In the order in which they run. */
  readonly phases: readonly ShutdownPhase<Name>[];
  /** For all phases together, milliseconds, above zero; Infinity for none. */
  readonly deadlineMs: number;
}

/** @param signal aborted, with PhaseOver as its reason, when the deadline passes: nobody waits for the task from then on */
export type ShutdownTask = (signal: AbortSignal) => Promise<void> | void;

/** Each task is in one of the lists, by its name. */
export interface PhaseReport<Name extends string> {
  readonly phase: Name;
  readonly tookMs: number;
  readonly done: readonly string[];
  readonly failed: readonly { readonly task: string; readonly error: unknown }[];
  /** Still under way when the deadline came. */
  readonly abandoned: readonly string[];
  /** Never begun: the overall deadline came first. */
  readonly skipped: readonly string[];
}

export interface ShutdownReport<Name extends string = string> {
  /** Of the first call of `run`. */
  readonly reason: string;
  readonly tookMs: number;
  /** Whether every task is done. */
  readonly isClean: boolean;
  readonly phases: readonly PhaseReport<Name>[];
}

/** The phase has begun or is behind: a task would come too late for it. */
export class PhaseOver extends Terminal {
  constructor(phase: string) {
    super(`the shutdown phase ${phase} has begun already, or is over`);
  }
}

/** There is no phase of that name. */
export class NoSuchPhase extends Terminal {
  constructor(phase: string) {
    super(`there is no shutdown phase ${phase}`);
  }
}

interface Task {
  readonly name: string;
  readonly run: ShutdownTask;
}

export class Shutdown<Name extends string> {
  readonly #clock: Clock;
  readonly #phases: readonly ShutdownPhase<Name>[];
  readonly #deadlineMs: number;
  /** Of the phases that have not begun. */
  readonly #tasks: Map<Name, Set<Task>>;
  #report: Promise<ShutdownReport<Name>> | undefined;

  /** @throws InvalidSpec a name is empty or there twice, or a deadline is not above zero */
  constructor({ clock, phases, deadlineMs }: ShutdownOptions<Name>) {
    checkPhases(phases, deadlineMs);
    this.#clock = clock;
    this.#phases = phases;
    this.#deadlineMs = deadlineMs;
    this.#tasks = new Map(phases.map(({ name }) => [name, new Set()]));
  }

  /**
   * Adds a task to a phase, also while an earlier phase runs. Names are for the report and need not be unique.
   * The tasks of a phase are begun at once, in the order in which they were added. One that blocks the event loop outlasts any deadline.
   *
   * @returns how to take it away again; may be called twice, and has no effect once the phase has begun
   * @throws PhaseOver @throws NoSuchPhase
   */
  addTask(phase: Name, name: string, run: ShutdownTask): () => void {
    const tasks = this.#tasks.get(phase);
    if (!tasks)
      throw this.#phases.some((known) => known.name === phase) ? new PhaseOver(phase) : new NoSuchPhase(phase);
    const task: Task = { name, run };
    tasks.add(task);
    return () => void tasks.delete(task);
  }

  /** Runs the phases; whoever calls again gets the same promise. Never rejects. A task must not wait for it: it would wait for itself. */
  run(reason: string): Promise<ShutdownReport<Name>> {
    if (!this.#report) {
      const { promise, resolve } = Promise.withResolvers<ShutdownReport<Name>>();
      // Set before anything runs: the first task may already call this again.
      this.#report = promise;
      resolve(this.#run(reason));
    }
    return this.#report;
  }

  async #run(reason: string): Promise<ShutdownReport<Name>> {
    const startedMs = this.#clock.monotonicMs();
    const elapsedMs = (): number => this.#clock.monotonicMs() - startedMs;
    const phases: PhaseReport<Name>[] = [];
    for (const { name, deadlineMs } of this.#phases) {
      const leftMs = this.#deadlineMs - elapsedMs();
      const tasks = [...this.#tasks.get(name)!];
      this.#tasks.delete(name);
      phases.push(leftMs > 0 ? await this.#runPhase(name, tasks, Math.min(deadlineMs, leftMs)) : skipped(name, tasks));
    }
    return { reason, tookMs: elapsedMs(), isClean: phases.every(isClean), phases };
  }

  async #runPhase(phase: Name, tasks: readonly Task[], withinMs: number): Promise<PhaseReport<Name>> {
    const startedMs = this.#clock.monotonicMs();
    const done: string[] = [];
    const failed: { task: string; error: unknown }[] = [];
    const open = new Set(tasks);
    const deadline = new AbortController();
    const expired = Promise.withResolvers<void>();
    const timer = this.#clock.after(withinMs, expired.resolve);
    const attempt = async (task: Task): Promise<void> => {
      try {
        await task.run(deadline.signal);
        if (open.delete(task)) done.push(task.name);
      } catch (error) {
        // Of a task that was left behind it is known already that it did not come to an end.
        if (open.delete(task)) failed.push({ task: task.name, error });
      }
    };
    await Promise.race([Promise.all(tasks.map(attempt)), expired.promise]);
    timer.cancel();
    const abandoned = [...open].map(({ name }) => name);
    open.clear();
    if (abandoned.length > 0) deadline.abort(new PhaseOver(phase));
    return { phase, tookMs: this.#clock.monotonicMs() - startedMs, done, failed, abandoned, skipped: [] };
  }
}

/** A report in one line: how long it took, and by phase what went wrong. */
export function describeShutdown({ reason, tookMs, phases }: ShutdownReport): string {
  const troubles = phases
    .filter((phase) => !isClean(phase))
    .map((phase) => {
      const faults = [
        ...phase.failed.map(({ task, error }) => `${task} failed (${oneLine(error)})`),
        ...phase.abandoned.map((task) => `${task} was left behind`),
        ...phase.skipped.map((task) => `${task} was not begun`),
      ];
      return `${phase.phase} (${Math.round(phase.tookMs)} ms): ${faults.join(', ')}`;
    });
  return [`stopped in ${Math.round(tookMs)} ms (${reason})`, ...troubles].join('; ');
}

function checkPhases(phases: readonly ShutdownPhase<string>[], deadlineMs: number): void {
  const demand = (holds: boolean, fault: string): void => {
    if (!holds) throw new InvalidSpec('shutdown', fault);
  };
  demand(deadlineMs > 0, `the deadline must be above 0 ms, was ${deadlineMs}`);
  for (const { name, deadlineMs: phaseMs } of phases) {
    demand(name !== '', 'a phase has no name');
    demand(phaseMs > 0, `the deadline of ${name} must be above 0 ms, was ${phaseMs}`);
    demand(phases.filter((other) => other.name === name).length === 1, `there are two phases ${name}`);
  }
}

function skipped<Name extends string>(phase: Name, tasks: readonly Task[]): PhaseReport<Name> {
  return { phase, tookMs: 0, done: [], failed: [], abandoned: [], skipped: tasks.map(({ name }) => name) };
}

function isClean({ failed, abandoned, skipped }: PhaseReport<string>): boolean {
  return failed.length + abandoned.length + skipped.length === 0;
}

function oneLine(error: unknown): string {
  const { name, message } = describeError(error);
  return `${name}: ${message}`.replaceAll(/\s*\n\s*/g, ' ');
}
