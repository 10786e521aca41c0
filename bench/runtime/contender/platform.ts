/** Our runtime as a contender, as `createSystem` makes it: supervised, bounded, counted, inspectable. */
import type { Behavior } from '../../../runtime/actor.ts';
import type { ActorRef, Asks } from '../../../runtime/ref.ts';
import { createSystem, type MailboxSpec, type WorkerSpec } from '../../../runtime/system.ts';
import type { RestartPolicy } from '../../../runtime/supervision.ts';
import type { Contender } from './crowd.ts';
import { type Meter, nextTurn, perTurn } from './meter.ts';
import { serve } from './serve.ts';

type Message =
  | { readonly type: 'count' }
  | ({ readonly type: 'ask' } & Asks<number>)
  | { readonly type: 'probe'; readonly sentMs: number }
  | { readonly type: 'crash' };

const count: Message = { type: 'count' };
const ask = { type: 'ask' } as const;
const crash: Message = { type: 'crash' };

/** Restarted at once, however often: the benchmark crashes an actor as fast as it comes back. */
const policy: RestartPolicy = {
  intensity: 1_000_000,
  periodMs: 1_000,
  backoff: { firstMs: 0, maxMs: 0, jitter: 0 },
};
/** Holds the flood of the fairness step; the feeder never has more than a turn's tells on their way. */
const mailbox: MailboxSpec<Message> = { capacity: 100_000, whenFull: 'reject' };
const timeoutMs = 10_000;

function counter(meter: Meter): Behavior<number, Message> {
  return {
    start() {
      meter.started();
      return 0;
    },
    receive(counted, message, context) {
      switch (message.type) {
        case 'count':
          meter.count();
          return counted + 1;
        case 'ask':
          context.reply(counted);
          return counted;
        case 'probe':
          meter.waited(performance.now() - message.sentMs);
          return counted;
        case 'crash':
          throw new Error('crashed on demand');
      }
    },
  };
}

const platform: Contender = {
  lacks: {},
  async spawn(actors, meter) {
    const system = createSystem({ name: 'bench' });
    await system.start({ id: 'bench', strategy: 'dynamic', policy, children: [] });
    const behavior = counter(meter);
    const spec = (index: number): WorkerSpec<number, Message> => ({
      ...{ id: `counter-${index}`, kind: 'counter', behavior, mailbox },
    });
    for (let from = 0; from < actors; from += perTurn) {
      const to = Math.min(actors, from + perTurn);
      const starting: Promise<void>[] = [];
      for (let index = from; index < to; index++) starting.push(system.spawn('/', spec(index)));
      await Promise.all(starting);
      await nextTurn();
    }
    const refs = Array.from({ length: actors }, (_, index): ActorRef<Message> => system.find(`/counter-${index}`)!);
    return {
      tell: (index) => void refs[index]!.tell(count),
      ask: (index) => refs[index]!.ask(ask, { timeoutMs }),
      probe: (index, sentMs) => void refs[index]!.tell({ type: 'probe', sentMs }),
      crash: (index) => void refs[index]!.tell(crash),
      snapshot: () => system.inspect().length - 1,
      stop: () => system.stop(),
    };
  },
};

await serve(platform);
