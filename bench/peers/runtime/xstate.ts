/** XState's lightest actors: transition functions, each an actor of its own. An ask is an event with a callback, for XState has none. */
import { createActor, fromTransition, type ActorRefFrom } from 'xstate';
import type { Contender } from '../../runtime/contender/crowd.ts';
import { inTurns } from '../../runtime/contender/meter.ts';
import { serve } from '../../runtime/contender/serve.ts';

type Event = { readonly type: 'count' } | { readonly type: 'ask'; reply(counted: number): void };

const count: Event = { type: 'count' };

const xstate: Contender = {
  lacks: {
    restarts: 'XState has no supervision',
    snapshots: 'XState shows the state of each actor and no more',
    fairness: 'XState handles an event within send: nothing waits',
  },
  async spawn(actors, meter) {
    const counter = fromTransition((counted: number, event: Event) => {
      if (event.type === 'ask') {
        event.reply(counted);
        return counted;
      }
      meter.count();
      return counted + 1;
    }, 0);
    const refs: ActorRefFrom<typeof counter>[] = [];
    await inTurns(actors, (index) => {
      refs.push(createActor(counter, { id: `counter-${index}` }).start());
    });
    return {
      tell: (index) => refs[index]!.send(count),
      ask: (index) => new Promise((reply) => refs[index]!.send({ type: 'ask', reply })),
      stop: async () => {
        for (const ref of refs) ref.stop();
      },
    };
  },
};

await serve(xstate);
