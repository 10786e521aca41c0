/** What watches over the accounts of this node: kill switches and margins. */
import { deadMen, type DeadManMessage } from '../actors/dead-man.ts';
import { killSwitches, type KillSwitchesMessage } from '../actors/kill-switches.ts';
import { marginWatch } from '../actors/margin-watch.ts';
import { accountPath, type TradingAccountMessage } from '../actors/trading-account.ts';
import type { BoardedAccount } from '../actors/trading/account-board.ts';
import type { LatchedSwitch } from '../actors/trading/kill-switch.ts';
import type { ActorRef } from '../runtime/ref.ts';
import type { AnyWorkerSpec } from '../runtime/spec.ts';
import { listDeadMen, saveDeadMan } from '../transports/drivers/postgres-dead-man.ts';
import { saveKillSwitch } from '../transports/drivers/postgres-kill-switches.ts';
import { saveRiskLimits } from '../transports/drivers/postgres-risk-limits.ts';
import type { DeadManDesk, KillSwitchDesk, Principal, RiskLimitDesk } from '../transports/services.ts';
import { accountFacts, type Stage } from './stage.ts';
import type { Registry } from './registry.ts';
import type { Storage } from './storage.ts';

export const killSwitchesPath = '/operations/kill-switches';
const deadManPath = '/operations/dead-man';

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
      ...{ id: 'dead-man', kind: 'dead-man' },
      behavior: deadMen({
        ref: ({ tenant, account }) => system.find<TradingAccountMessage>(accountPath(tenant, account)),
        save: async (deadMan) => saveDeadMan(storage.database(), deadMan),
        retryMs: limits.killSwitch.retryMs,
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

export function deadManDesk({ system, limits }: Stage, registry: Registry): DeadManDesk {
  return {
    async set(principal, account, timeoutMs) {
      const entry = registry.findAccount(principal, account);
      const ref = system.find<DeadManMessage>(deadManPath);
      if (!entry || !ref) return undefined;
      const { tenantId, tenant, accountId } = entry;
      const deadMan = { tenantId, tenant, accountId, account, timeoutMs };
      return ref.ask({ type: 'set', deadMan }, { timeoutMs: limits.ask.deadlineMs });
    },
  };
}

/** Those that were on when the platform ended. An account that is there no more needs none. */
export async function resumeDeadMen({ system }: Stage, storage: Storage, registry: Registry): Promise<void> {
  const kept = await listDeadMen(storage.database());
  const all = kept.flatMap(({ tenantId, accountId, timeoutMs }) =>
    registry
      .tenants()
      .filter((tenant) => tenant.tenantId === tenantId)
      .flatMap(({ tenant, accounts }) =>
        [...accounts.values()]
          .filter((account) => account.accountId === accountId)
          .map(({ account }) => ({ tenantId, tenant, accountId, account, timeoutMs })),
      ),
  );
  system.find<DeadManMessage>(deadManPath)?.tell({ type: 'resume', all });
}

/** Bounds with the names of outside. A trader sees those of the own accounts. */
export function riskLimitDesk(stage: Stage, storage: Storage, registry: Registry): RiskLimitDesk {
  const { risk, system } = stage;
  const subjectOf = ({ tenantId }: Principal, accountId: number | undefined) => ({
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(accountId === undefined ? {} : { accountId }),
  });
  return {
    effective(principal, { account, symbol = '', strategyId }) {
      const entry = account === undefined ? undefined : registry.findAccount(principal, account);
      if (account !== undefined && !entry) return undefined;
      // No tenant has the number 0, and no account: of nobody in particular only what holds for all is in force.
      const whose = { tenantId: 0, accountId: 0, ...subjectOf(principal, entry?.accountId) };
      return risk.effective({ ...whose, symbol, strategyId });
    },
    async set(principal, { scope, account, symbol, strategyId, limits, reason }) {
      const entry = account === undefined ? undefined : registry.findAccount(principal, account);
      if (account !== undefined && !entry) return undefined;
      const layer = await saveRiskLimits(storage.database(), {
        ...{ scope, limits, reason, by: principal.subjectId, setMicros: system.clock.wallMicros() },
        ...subjectOf(principal, entry?.accountId),
        ...(symbol === undefined ? {} : { symbol }),
        ...(strategyId === undefined ? {} : { strategyId }),
      });
      risk.set(layer);
      return layer;
    },
  };
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
      const answer = await actor().ask({ type: 'latch', latched }, ask);
      stage.bus.publish('alerts', {
        ...{ tenantId: principal.tenantId, timeMicros: latched.latchedMicros, severity: 'critical' },
        ...{ type: 'kill-switch', subject: account ?? symbol ?? strategyId ?? scope },
        ...(account !== undefined && { account }),
        text: `trading is stopped: ${reason}`,
      });
      return answer;
    },
    async release(principal, id) {
      const latched = stage.killSwitches.get(id);
      if (!latched || !isSeenBy(principal, latched)) return { type: 'not-found' };
      return actor().ask({ type: 'release', id, by: principal.subjectId }, ask);
    },
  };
}
