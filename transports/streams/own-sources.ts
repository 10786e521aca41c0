/** Market channels that are a tenant's own: live equity, AI signals, alerts. Their numbers count from the time somebody follows them. */
import type { Account } from '../../actors/trading/account.ts';
import type { Prices } from '../../actors/trading/conversion.ts';
import { formatTime } from '../../actors/trading/time.ts';
import { commitsOf, type Alert } from '../../actors/trading/topics.ts';
import { accountView } from '../../actors/trading/view.ts';
import type { AccountCommands } from '../account-commands.ts';
import type { AccountEntry, Services } from '../services.ts';
import type { OpenSource, Step, TopicSource } from './topic.ts';

export type OwnServices = Pick<Services, 'bus' | 'clock' | 'quotes' | 'instruments' | 'marketEpoch' | 'glance' | 'log'>;

/** At most four a second, as the protocol has it. */
const equityPeriodMs = 250;

/** What follows prices: computed while somebody follows it, and told when it has changed. */
export function equitySource(services: OwnServices, commands: AccountCommands, entry: AccountEntry): OpenSource {
  const { bus, clock, quotes, instruments, log } = services;
  const { account, tenantId, accountId } = entry;
  const prices: Prices = {
    quote: (symbol) => quotes.get(symbol),
    instrument: (symbol) => instruments.get(symbol),
  };
  return (publish) => {
    const source = new Newest(services, { type: 'equity', channel: `equity:${account}`, account }, publish);
    /** Of an account with nothing open, which nobody keeps at hand. */
    let read: Account | undefined;
    let reading: Promise<void> | undefined;
    let shown = '';

    async function readAgain(): Promise<void> {
      try {
        read = (await commands.read(entry)).state;
      } catch (error) {
        log.debug({ err: error, account }, 'the equity of an account cannot be told now');
      }
    }

    function look(): void {
      const state = services.glance(entry) ?? read;
      if (!state) {
        reading ??= readAgain().finally(() => (reading = undefined));
        return;
      }
      const figures = equityView(state, account, prices);
      const text = JSON.stringify(figures);
      if (text === shown) return;
      shown = text;
      source.tell({ ...figures, time: formatTime(clock.wallMicros()) });
    }

    // What was read before is not what is durable now.
    source.onClose(bus.subscribe(commitsOf(tenantId, accountId), () => (read = undefined)));
    const timer = clock.every(equityPeriodMs, look);
    source.onClose(() => timer.cancel());
    source.ready = readAgain().then(look);
    return source;
  };
}

function equityView(state: Account, name: string, prices: Prices): object {
  const { currency, balance, equity, margin, freeMargin, marginLevel, openProfit } = accountView(state, name, prices);
  return { currency, balance, equity, margin, freeMargin, marginLevel, openProfit };
}

export function signalSource(services: OwnServices, tenantId: number, symbol: string): OpenSource {
  return (publish) => {
    const source = new Newest(services, { type: 'signal', channel: `signals:${symbol}`, symbol }, publish);
    source.onClose(services.bus.subscribe(`signals:${tenantId}/${symbol}`, ({ json }) => source.tell(json)));
    return source;
  };
}

/** @param concerns whether the client may hear of it */
export function alertSource(services: OwnServices, concerns: (alert: Alert) => boolean): OpenSource {
  return (publish) => {
    const source = new Newest(services, { type: 'alert', channel: 'alerts' }, publish);
    const tell = ({ type, severity, subject, text, timeMicros }: Alert): void =>
      source.tell({ type, severity, subject, text, time: formatTime(timeMicros) });
    source.onClose(services.bus.subscribe('alerts', (alert) => concerns(alert) && tell(alert)));
    return source;
  };
}

/** Numbers what it is told, and keeps the newest. */
class Newest implements TopicSource {
  readonly epoch: string;
  ready: Promise<void> | undefined = undefined;
  readonly #head: { readonly type: string; readonly channel: string };
  readonly #publish: (step: Step) => void;
  readonly #endings: (() => void)[] = [];
  #data: object | null = null;
  #sequence = 0;

  /** @param head of every frame */
  constructor(
    { clock, marketEpoch }: Pick<OwnServices, 'clock' | 'marketEpoch'>,
    head: { readonly type: string; readonly channel: string; readonly [name: string]: string },
    publish: (step: Step) => void,
  ) {
    this.epoch = `${marketEpoch(head.channel)}.${clock.wallMicros().toString(36)}`;
    this.#head = head;
    this.#publish = publish;
  }

  get sequence(): number {
    return this.#sequence;
  }

  tell(data: object): void {
    this.#sequence += 1;
    this.#data = data;
    this.#publish(this.newest(0));
  }

  snapshot(): unknown {
    return this.#data;
  }

  newest(skipped: number): Step {
    const { type, channel, ...names } = this.#head;
    const content = { type, channel, sequence: this.#sequence, ...names, data: this.#data };
    return {
      sequence: this.#sequence,
      text: () => JSON.stringify(skipped > 0 ? { ...content, skipped } : content),
    };
  }

  onClose(end: () => void): void {
    this.#endings.push(end);
  }

  close(): void {
    for (const end of this.#endings) end();
  }
}
