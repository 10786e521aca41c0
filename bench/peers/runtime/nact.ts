/** nact as its documentation uses it: functions of state and message below a system, `query` to ask, `reset` after a crash. */
import { dispatch, query, spawn, start, stop, type Ref } from 'nact';
import type { Contender } from '../../runtime/contender/crowd.ts';
import { inTurns, type Meter } from '../../runtime/contender/meter.ts';
import { serve } from '../../runtime/contender/serve.ts';

type Message =
  | { readonly type: 'count' }
  | { readonly type: 'ask'; readonly sender: Ref<number> }
  | { readonly type: 'probe'; readonly sentMs: number }
  | { readonly type: 'crash' };

const count: Message = { type: 'count' };
const ask = (sender: Ref<number>): Message => ({ type: 'ask', sender });
const crash: Message = { type: 'crash' };
const timeoutMs = 10_000;

function receiveInto(meter: Meter) {
  return (counted: number, message: Message): number => {
    switch (message.type) {
      case 'count':
        meter.count();
        return counted + 1;
      case 'ask':
        dispatch(message.sender, counted);
        return counted;
      case 'probe':
        meter.waited(performance.now() - message.sentMs);
        return counted;
      case 'crash':
        throw new Error('crashed on demand');
    }
  };
}

const nact: Contender = {
  lacks: { snapshots: 'nact shows nothing of its actors' },
  async spawn(actors, meter) {
    const system = start();
    const receive = receiveInto(meter);
    const initialStateFunc = (): number => {
      meter.started();
      return 0;
    };
    const onCrash = (_message: unknown, _error: unknown, context: { readonly reset: Symbol }): Symbol => context.reset;
    const refs: Ref<Message>[] = [];
    await inTurns(actors, (index) => {
      refs.push(spawn(system, receive, `counter-${index}`, { initialStateFunc, onCrash }));
    });
    return {
      tell: (index) => dispatch(refs[index]!, count),
      ask: (index) => query(refs[index]!, ask, timeoutMs),
      probe: (index, sentMs) => dispatch(refs[index]!, { type: 'probe', sentMs }),
      crash: (index) => dispatch(refs[index]!, crash),
      stop: async () => {
        // Stopping the system alone leaves its actors running.
        for (const ref of refs) stop(ref);
        stop(system);
      },
    };
  },
};

await serve(nact);
