/** A contender's process: a request is a line on its stdin, the answer a line on its stdout. It ends with its stdin. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { parseAnswer, type Answer } from './answer.ts';

export type Command = readonly [program: string, ...words: string[]];

export class Session {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #ended: Promise<string>;
  #isOver = false;

  /** It gets nothing of our environment but the path to programs; what it complains about goes to stderr. */
  constructor([program, ...words]: Command) {
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
    this.#process = spawn(program, words, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    // Writing to a process that has ended is noticed by its end.
    this.#process.stdin.on('error', () => undefined);
    this.#lines = createInterface({ input: this.#process.stdout });
    this.#ended = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(error.message));
      this.#process.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `exit ${code}`}`));
    });
    void this.#ended.then(() => (this.#isOver = true));
  }

  /** Has ended, or has been given up: it answers no more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** One request at a time. Never rejects: a process that ends, or does not answer in time and is then ended, has failed. */
  async request(request: string, withinMs: number): Promise<Answer> {
    let onLine: ((line: string) => void) | undefined;
    let patience: NodeJS.Timeout | undefined;
    const answered = new Promise<Answer>((resolve) => {
      onLine = (line) => resolve(parseAnswer(line));
      this.#lines.once('line', onLine);
      const late = `it did not answer ${request} within ${Math.round(withinMs)} ms`;
      patience = setTimeout(() => {
        void this.stop();
        resolve({ type: 'failed', reason: late });
      }, withinMs);
    });
    this.#process.stdin.write(`${request}\n`);
    const failed = this.#ended.then((reason): Answer => ({ type: 'failed', reason }));
    const answer = await Promise.race([answered, failed]);
    clearTimeout(patience);
    this.#lines.off('line', onLine!);
    return answer;
  }

  /** Resolves once it has ended. May be called twice. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
