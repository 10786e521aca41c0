/** The process of a contender in JavaScript: answers requests until its stdin ends. Node has to run with --expose-gc. */
import { createInterface } from 'node:readline';
import { printAnswer, type Answer } from '../answer.ts';
import type { Contender } from './crowd.ts';
import { Steps, type Values } from './steps.ts';

export async function serve(contender: Contender): Promise<void> {
  const steps = new Steps(contender);
  const requests: Readonly<Record<string, (...numbers: readonly number[]) => Promise<Values>>> = {
    spawn: (actors = 1) => steps.spawn(actors),
    tells: (messages = 1) => steps.tells(messages),
    asks: (questions = 1, askers = 1) => steps.asks(questions, askers),
    restarts: (times = 1) => steps.restarts(times),
    snapshots: (times = 1) => steps.snapshots(times),
    fairness: (lastsMs = 1) => steps.fairness(lastsMs),
  };
  const answer = async (line: string): Promise<Answer> => {
    const [name = '', ...words] = line.split(' ');
    const lacking = contender.lacks[name];
    if (lacking !== undefined) return { type: 'lacks', reason: lacking };
    try {
      const values = await requests[name]?.(...words.map(Number));
      return values ? { type: 'values', values } : { type: 'failed', reason: `unknown request ${name}` };
    } catch (error) {
      return { type: 'failed', reason: (error as Error).message };
    }
  };
  for await (const line of createInterface({ input: process.stdin })) console.log(printAnswer(await answer(line)));
  process.exit();
}
