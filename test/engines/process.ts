/** Starts `server.ts` on an engine, and talks to it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Launcher } from './launcher.ts';
import type { Command, Event, Figures } from './server.ts';

type Accepted = Extract<Event, { type: 'accepted' }>;

export class EngineProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  #events: Event[] = [];
  /** Looks through what has been told, each time there is more. */
  #waiting: (() => void)[] = [];
  #exit: Error | undefined;

  constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    child.on('message', (event: Event) => {
      this.#events.push(event);
      for (const look of this.#waiting.splice(0)) look();
    });
    child.on('exit', (code, signal) => {
      this.#exit = new Error(`the engine's process ended with ${code ?? signal}`);
      for (const look of this.#waiting.splice(0)) look();
    });
  }

  get isAlive(): boolean {
    return this.#exit === undefined;
  }

  /** Takes the first event that fits out of what has been told, or waits for it. @throws when the process has ended */
  async take<Type extends Event['type']>(type: Type, id?: number): Promise<Extract<Event, { type: Type }>> {
    for (;;) {
      const at = this.#events.findIndex((event) => event.type === type && (id === undefined || isOf(event, id)));
      if (at >= 0) return this.#events.splice(at, 1)[0] as Extract<Event, { type: Type }>;
      if (this.#exit) throw this.#exit;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  accepted(): Promise<Accepted> {
    return this.take('accepted');
  }

  /** What has been told and not taken. */
  told(type: Event['type'], id: number): number {
    return this.#events.filter((event) => event.type === type && isOf(event, id)).length;
  }

  forget(): void {
    this.#events = [];
  }

  /** Resolves when it is done, after all that it told before. One at a time. */
  async do(command: Command): Promise<Figures> {
    this.#child.send(command);
    return (await this.take('done')).figures;
  }

  async stop(): Promise<void> {
    if (this.#exit) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await exited;
  }
}

export async function startEngine(engine: 'ws' | 'uws', launcher: Launcher): Promise<EngineProcess> {
  const { command, args, cwd } = launcher;
  const script = join(import.meta.dirname, 'server.ts');
  const child = spawn(command, [...args, '--expose-gc', script, engine], {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (event: Event) => event.type === 'listens' && resolve(event.port));
    child.once('exit', (code, signal) => reject(new Error(`the engine's process ended with ${code ?? signal}`)));
  });
  return new EngineProcess(child, port);
}

function isOf(event: Event, id: number): boolean {
  return 'id' in event && event.id === id;
}
