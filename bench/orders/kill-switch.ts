/**
 * A tenant with many working orders is stopped while another trades: how soon the last cancel is sent, that nothing leaves behind the
 * acknowledgement, and what the other notices. Real actors, journal and database in this process; the broker notes what reaches it.
 */
import assert from 'node:assert';
import { QuoteBoard } from '../../actors/market/quote.ts';
import { killSwitches, type KillSwitchesMessage } from '../../actors/kill-switches.ts';
import { accountPath, type TradingAccountMessage } from '../../actors/trading-account.ts';
import { AccountBoard } from '../../actors/trading/account-board.ts';
import type { BrokerLogin } from '../../actors/trading/broker.ts';
import type { AccountCommand } from '../../actors/trading/commands.ts';
import { KillSwitchBoard } from '../../actors/trading/kill-switch.ts';
import { LimitBoard } from '../../actors/trading/limit-board.ts';
import type { PlatformTopics } from '../../actors/trading/topics.ts';
import { tradingDays } from '../../bin/hours.ts';
import { tradedInstruments } from '../../bin/instruments.ts';
import { marketSubtree } from '../../bin/market.ts';
import { accountSubtree, journalWriterSpec, type Stage } from '../../bin/stage.ts';
import { openStorage } from '../../bin/storage.ts';
import { limits, riskLimits } from '../../config/limits.ts';
import { silentLog } from '../../runtime/actor.ts';
import { systemClock } from '../../runtime/clock.ts';
import { EventBus } from '../../runtime/event-bus.ts';
import { createSystem } from '../../runtime/system.ts';
import { infrastructure, isolated } from '../../supervisors/policies.ts';
import { migrate } from '../../transports/drivers/migrations.ts';
import { createPaperBroker, type PaperBroker } from '../../transports/drivers/paper-broker.ts';
import { saveKillSwitch } from '../../transports/drivers/postgres-kill-switches.ts';
import { claimAllSlots } from '../../transports/drivers/postgres-ownership.ts';
import { provisionTenant, registerAccount } from '../../transports/drivers/provisioning.ts';
import { percentile, type BenchOptions } from '../report.ts';
import { removeHome, temporaryHome } from './database.ts';

const symbol = 'EURUSD';
const workingOrders = 1_000;
const stoppedAccounts = 10;
const otherAccounts = 4;
const ask = { timeoutMs: 30_000 };
const unit = 10n ** 8n;
/** How long the other tenant is watched before, and around the stop. */
const watchMs = 2_000;

export const killSwitchNames = [
  ...['kill-switch-acknowledged', 'kill-switch-first-cancel', 'kill-switch-last-cancel', 'kill-switch-others-p99'],
] as const;

interface Sent {
  readonly tenant: string;
  readonly what: 'place' | 'cancel';
  readonly atMs: number;
}

interface Owner {
  readonly tenantId: number;
  readonly tenant: string;
  readonly accounts: readonly string[];
}

export async function measureKillSwitch(scale: number, emit: BenchOptions['emit']): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const stand = await open(cleanup);
  const { sent, command, stopped, latch } = stand;
  const orders = Math.max(stoppedAccounts, Math.round(workingOrders * scale));
  const resting = (account: string, n: number) => command('stopped', account, limitOrder(`rest-${n}`));
  for (let n = 0; n < orders; n += stoppedAccounts)
    await Promise.all(stopped.accounts.map((account, i) => resting(account, n + i)));

  // The tenant that is stopped goes on sending all the time: what is decided already must not leave either.
  let isOver = false;
  const [firstSender] = stopped.accounts;
  const sending = (async () => {
    for (let n = 0; !isOver; n++)
      await command('stopped', firstSender!, { ...limitOrder(`more-${n}`), timeInForce: 'ioc' });
  })();
  await latencies(stand, (watchMs * scale) / 4);
  const before = await latencies(stand, watchMs * scale);
  const around = latencies(stand, watchMs * scale);
  await new Promise((resolve) => setTimeout(resolve, (watchMs * scale) / 4));
  const fromMs = performance.now();
  await latch(stopped.tenantId);
  const acknowledgedMs = performance.now();
  const others = await around;
  isOver = true;
  await sending;

  const ofStopped = sent.filter(({ tenant, atMs }) => tenant === 'stopped' && atMs >= fromMs);
  const cancels = ofStopped.filter(({ what }) => what === 'cancel').map(({ atMs }) => atMs - fromMs);
  assert(cancels.length >= orders, `${orders} orders were working, but ${cancels.length} cancels were sent`);
  const late = ofStopped.filter(({ what, atMs }) => what === 'place' && atMs > acknowledgedMs);
  assert(late.length === 0, `${late.length} orders left behind the acknowledgement`);
  const ms = { unit: 'ms', direction: 'lower' } as const;
  emit({ name: 'kill-switch-acknowledged', value: acknowledgedMs - fromMs, ...ms });
  emit({ name: 'kill-switch-first-cancel', value: Math.min(...cancels), ...ms });
  emit({ name: 'kill-switch-last-cancel', value: Math.max(...cancels), ...ms });
  const p99 = percentile(others, 0.99);
  emit({ name: 'kill-switch-others-p99', value: p99, ...ms, peer: 'before', peerValue: percentile(before, 0.99) });
}

interface Stand {
  readonly sent: readonly Sent[];
  readonly stopped: Owner;
  readonly other: Owner;
  command(tenant: string, account: string, command: AccountCommand): Promise<unknown>;
  latch(tenantId: number): Promise<unknown>;
}

/** Of market orders of the other tenant, one after the other on each account, until they are durable. */
async function latencies({ command, other }: Stand, forMs: number): Promise<number[]> {
  const found: number[] = [];
  const endMs = performance.now() + forMs;
  const lanes = other.accounts.map(async (account) => {
    for (let n = 0; performance.now() < endMs; n++) {
      const fromMs = performance.now();
      const side = n % 2 === 0 ? 'buy' : 'sell';
      await command('other', account, {
        ...{ type: 'submit-order', clientOrderId: `m-${fromMs}`, symbol, side, orderType: 'market' },
        ...{ quantity: unit / 100n, timeInForce: 'ioc', source: 'trader' },
      });
      found.push(performance.now() - fromMs);
    }
  });
  await Promise.all(lanes);
  return found;
}

/** Far from the market. */
function limitOrder(clientOrderId: string): Extract<AccountCommand, { type: 'submit-order' }> {
  return {
    ...{ type: 'submit-order', clientOrderId, symbol, side: 'buy', orderType: 'limit', limitPrice: 90_000_000n },
    ...{ quantity: unit / 100n, timeInForce: 'gtc', source: 'trader' },
  };
}

async function open(cleanup: AsyncDisposableStack): Promise<Stand> {
  const home = temporaryHome();
  cleanup.defer(() => removeHome(home));
  const storage = openStorage({ home, external: undefined, log: silentLog });
  cleanup.defer(() => storage.close());
  await storage.open();
  await migrate(storage.database());
  const ownership = await claimAllSlots(storage.database(), { nodeId: 'bench', version: 'bench' });

  const clock = systemClock;
  const bus = new EventBus<PlatformTopics>((error) => {
    throw error;
  });
  const quotes = new QuoteBoard();
  const instruments = tradedInstruments();
  const sent: Sent[] = [];
  const broker = noting(createPaperBroker({ clock, quotes, instrument: (name) => instruments.get(name) }), sent);
  const accounts = new AccountBoard();
  const board = new KillSwitchBoard();
  const system = createSystem({ name: 'bench', clock, log: silentLog });
  const stage: Stage = {
    ...{ system, bus, quotes, instruments, broker, accounts, killSwitches: board, marketEpoch: 'bench' },
    ...{ journal: storage.journal, epochOf: ownership.epochOf, lookUpCommand: async () => undefined },
    ...{ limits, risk: new LimitBoard({ ...riskLimits, maxWorkingOrders: 100_000 }) },
    ...{ hours: () => undefined, days: tradingDays(), guard: { minConfidence: unit, quantity: 0n } },
  };
  const find = (tenant: string, account: string) => {
    const ref = system.find<TradingAccountMessage>(accountPath(tenant, account));
    assert(ref, `${tenant}/${account} is not there`);
    return ref;
  };
  const switches = killSwitches({
    ...{ board, accounts, ...limits.killSwitch, ref: ({ tenant, account }) => find(tenant, account) },
    save: async (latched) => saveKillSwitch(storage.database(), latched),
  });
  const dynamic = { strategy: 'dynamic', policy: isolated, children: [] } as const;
  await system.start({
    ...{ id: 'platform', strategy: 'rest-for-one', policy: infrastructure },
    children: [
      { id: 'storage', strategy: 'one-for-one', policy: infrastructure, children: [journalWriterSpec(stage)] },
      marketSubtree(stage, {}),
      {
        ...dynamic,
        id: 'tenants',
        children: ['stopped', 'other'].map((id) => ({ ...dynamic, id, children: [{ ...dynamic, id: 'accounts' }] })),
      },
      { ...{ id: 'kill-switches', kind: 'kill-switches' }, behavior: switches },
    ],
  });
  cleanup.defer(() => system.stop());

  const owner = async (tenant: string, count: number): Promise<Owner> => {
    const { tenantId } = await provisionTenant(storage.database(), { slug: tenant, name: tenant });
    const terms = { currency: 'USD', oms: 'netting', leverage: 30, aiMayOrder: false, owner: tenant } as const;
    const names = Array.from({ length: count }, (_, i) => `${tenant}-${i + 1}`);
    for (const slug of names) {
      const registered = await registerAccount(storage.database(), tenantId, { slug, ...terms });
      const account = { ...terms, account: slug, accountId: registered.accountId, streamEpoch: 'bench' };
      await system.spawn(`/tenants/${tenant}/accounts`, accountSubtree(stage, { tenantId, tenant }, account));
      await command(tenant, slug, {
        type: 'open-account',
        currency: 'USD',
        oms: 'netting',
        leverage: 30,
        aiMayOrder: false,
      });
      await command(tenant, slug, { type: 'deposit', reference: 'bench', amount: 1_000_000n * unit });
    }
    return { tenantId, tenant, accounts: names };
  };
  async function command(tenant: string, account: string, toDo: AccountCommand): Promise<unknown> {
    return find(tenant, account).ask({ type: 'command', command: toDo, subjectId: 'bench' }, ask);
  }
  bus.subscribe('quotes', (quote) => broker.onQuote(quote));
  const stream = system.find<{ type: 'ticks'; ticks: readonly object[] }>(`/market/${symbol}`)!;
  const tick = (): void => {
    stream.tell({ type: 'ticks', ticks: [{ bid: 108_000_000, ask: 108_010_000, timeMicros: clock.wallMicros() }] });
  };
  tick();
  const prices = clock.every(200, tick);
  cleanup.defer(() => prices.cancel());
  return {
    ...{ sent, command, stopped: await owner('stopped', stoppedAccounts), other: await owner('other', otherAccounts) },
    latch(tenantId) {
      const ref = system.find<KillSwitchesMessage>('/kill-switches')!;
      const latched = {
        ...({ id: 'k-1', scope: 'tenant', tenantId, flatten: false, reason: 'bench', by: 'bench' } as const),
        ...{ releasedBy: [], latchedMicros: clock.wallMicros() },
      };
      return ref.ask({ type: 'latch', latched }, ask);
    },
  };
}

/** Notes what is sent, and when. */
function noting(broker: PaperBroker, sent: Sent[]): PaperBroker {
  const login: PaperBroker['login'] = (account, book, onMessage) => {
    const tenant = account.slice(0, account.indexOf('/'));
    const inner = broker.login(account, book, onMessage);
    const note = (what: Sent['what']): void => void sent.push({ tenant, what, atMs: performance.now() });
    const noted: BrokerLogin = {
      ...inner,
      place(order) {
        note('place');
        inner.place(order);
      },
      cancel(orderId, requestId) {
        note('cancel');
        inner.cancel(orderId, requestId);
      },
    };
    return noted;
  };
  return { ...broker, login };
}
