/** What watches over the accounts of this node: kill switches and margins. */
import { killSwitches, type KillSwitchesMessage } from '../actors/kill-switches.ts';
import { marginWatch } from '../actors/margin-watch.ts';
import { accountPath, type TradingAccountMessage } from '../actors/trading-account.ts';
import type { BoardedAccount } from '../actors/trading/account-board.ts';
import type { LatchedSwitch } from '../actors/trading/kill-switch.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { AnyWorkerSpec } from '../runtime/spec.ts';
import { saveKillSwitch } from '../transports/drivers/postgres-kill-switches.ts';
import type { KillSwitchDesk, Principal } from '../transports/services.ts';
import { accountFacts, type Stage } from './stage.ts';
import type { Registry } from './registry.ts';
import type { Storage } from './storage.ts';

export const killSwitchesPath = '/operations/kill-switches';

export function riskActors(stage: Stage, storage: Storage): readonly AnyWorkerSpec[] {
  const { system, limits, accounts } = stage;
  const ref = ({ tenant, account }: BoardedAccount): ActorRef<TradingAccountMessage> | undefined =>
    system.find<TradingAccountMessage>(accountPath(tenant, account));
  return [
    {
      ...{ id: 'kill-switches', kind: 'kill-switches' },
      behavior: killSwitches({
        ...{ board: stage.killSwitches, accounts, ref, ...limits.killSwitch },
        save: async (latched) => saveKillSwitch(storage.database(), latched),
      }),
    },
    {
      ...{ id: 'margin-watch', kind: 'margin-watch' },
      behavior: marginWatch({
        ...{ accounts, ref, ...limits.marginWatch },
        facts: (account, nowMicros) => accountFacts(stage, account)(nowMicros, 0),
        days: stage.days,
      }),
    },
  ];
}

/** What the gateways ask for, with the names of outside. */
export function killSwitchDesk(options: {
  readonly stage: Stage;
  readonly registry: Registry;
  newId(): string;
}): KillSwitchDesk {
  const { stage, registry, newId } = options;
  const ask = { timeoutMs: stage.limits.ask.deadlineMs };
  const actor = (): ActorRef<KillSwitchesMessage> => {
    const found = stage.system.find<KillSwitchesMessage>(killSwitchesPath);
    if (!found) throw new Error(`${killSwitchesPath} is not there`);
    return found;
  };
  const isSeenBy = ({ tenantId }: Principal, latched: LatchedSwitch): boolean =>
    tenantId === undefined || latched.tenantId === tenantId;

  return {
    list: (principal) => stage.killSwitches.all.filter((latched) => isSeenBy(principal, latched)),
    async latch(principal, { scope, account, symbol, strategyId, flatten, reason }) {
      const entry = account === undefined ? undefined : registry.findAccount(principal, account);
      if (account !== undefined && !entry) return undefined;
      const latched: LatchedSwitch = {
        ...{ id: newId(), scope, flatten, reason, by: principal.subjectId, releasedBy: [] },
        latchedMicros: stage.system.clock.wallMicros(),
        ...(principal.tenantId === undefined ? {} : { tenantId: principal.tenantId }),
        ...(entry && { accountId: entry.accountId }),
        ...(symbol === undefined ? {} : { symbol }),
        ...(strategyId === undefined ? {} : { strategyId }),
      };
      return actor().ask({ type: 'latch', latched }, ask);
    },
    async release(principal, id) {
      const latched = stage.killSwitches.get(id);
      if (!latched || !isSeenBy(principal, latched)) return { type: 'not-found' };
      return actor().ask({ type: 'release', id, by: principal.subjectId }, ask);
    },
  };
}
