/** Bounds on what may be risked: what is in force and who has set it, and setting it. */
import { z } from 'zod';
import type { EffectiveLimit } from '../../../actors/trading/limit-board.ts';
import type { BlockReason } from '../../../actors/trading/events.ts';
import { decodeLimits, encodeLimit } from '../../../actors/trading/risk-limits-text.ts';
import { formatTime } from '../../../actors/trading/time.ts';
import { accountSlug, chosenId, symbolText } from '../../codec.ts';
import { sendProblem } from '../../http-errors.ts';
import type { App } from '../../http.ts';
import type { Principal } from '../../services.ts';
import type { GatewayContext } from '../gateway.ts';
import { accountParams, callerOf, sendNotFound, sendOutcome } from './shared.ts';

const reason = z.string().min(1).max(500);
const query = z.strictObject({
  account: accountSlug.optional(),
  symbol: symbolText.optional(),
  strategy: chosenId.optional(),
});
const body = z
  .strictObject({
    scope: z.enum(['platform', 'tenant', 'account', 'strategy', 'symbol']),
    account: accountSlug
      .optional()
      .describe('With scope account; with strategy and symbol where it is of one account only.'),
    strategy: chosenId.optional().describe('With scope strategy.'),
    symbol: symbolText.optional().describe('With scope symbol.'),
    limits: z.record(z.string(), z.unknown()).describe('All bounds of this subject; an empty object takes them back.'),
    reason,
  })
  .superRefine((given, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const { scope, account, strategy, symbol } = given;
    if (scope === 'account' && account === undefined) fault('account', 'must be there with scope account');
    if ((scope === 'platform' || scope === 'tenant') && account !== undefined)
      fault('account', `must be absent with scope ${scope}`);
    if ((scope === 'strategy') !== (strategy !== undefined))
      fault('strategy', 'must be there with scope strategy, and with no other');
    if ((scope === 'symbol') !== (symbol !== undefined))
      fault('symbol', 'must be there with scope symbol, and with no other');
  });
const rearmBody = z.strictObject({
  block: z.enum(['daily-loss', 'drawdown', 'repeated-execution'] as const satisfies readonly BlockReason[]),
  subject: z.string().max(64).default('').describe('The strategy or symbol that is blocked; empty: the whole account.'),
  reason,
});

export function riskLimitRoutes(app: App, { services, commands }: GatewayContext): void {
  const { riskLimits } = services;
  const tags = ['risk'];

  app.get(
    '/api/v1/risk-limits',
    {
      config: { action: 'risk-limits:read' },
      schema: { tags, summary: 'Bounds in force, and who has set them', querystring: query },
    },
    (request, reply) => {
      const { account, symbol, strategy } = request.query;
      const found = riskLimits.effective(callerOf(request), { account, symbol, strategyId: strategy });
      return found ? { items: found.map(view) } : sendNotFound(reply, `account ${account}`);
    },
  );

  app.put(
    '/api/v1/risk-limits',
    {
      config: { action: 'risk-limits:write' },
      schema: { tags, summary: 'Set all bounds of a subject: they only tighten what holds above', body },
    },
    async (request, reply) => {
      const principal = callerOf(request);
      const { scope, account, strategy, symbol, limits: given, reason: why } = request.body;
      const decoded = decodeLimits(given);
      if (!decoded.ok) {
        const errors = decoded.faults.map(({ path, detail }) => ({ path: `limits.${path}`, detail }));
        return sendProblem(reply, { code: 'VALIDATION_FAILED', errors });
      }
      const { limits } = decoded;
      const isWrong =
        principal.tenant === undefined ? scope === 'tenant' || account !== undefined : scope === 'platform';
      if (isWrong)
        return sendProblem(reply, { code: 'FORBIDDEN', detail: `this role has no ${scope} to set bounds of` });
      const set = await riskLimits.set(principal, {
        scope,
        account,
        strategyId: strategy,
        symbol,
        limits,
        reason: why,
      });
      if (!set) return sendNotFound(reply, `account ${account}`);
      audit(principal, 'set:risk-limits', [scope, account, strategy ?? symbol].filter(Boolean).join(' '), {
        ...{ version: set.version, limits: given, reason: why },
      });
      return reply.send({ version: String(set.version) });
    },
  );

  app.post(
    '/api/v1/accounts/:account/rearm',
    {
      config: { action: 'risk-limits:write' },
      schema: { tags, summary: 'Let trading go on that a limit has stopped', params: accountParams, body: rearmBody },
    },
    async (request, reply) => {
      const principal = callerOf(request);
      const { account } = request.params;
      const { block, subject, reason: why } = request.body;
      const outcome = await commands.rearm(
        principal,
        account,
        { reason: block, subject, requestId: request.id },
        request.id,
      );
      if (outcome.ok) audit(principal, 'rearm:account', account, { block, subject, reason: why });
      return sendOutcome(reply, outcome);
    },
  );

  function audit({ tenantId, subjectId }: Principal, action: string, target: string, details: object): void {
    services.audit({ tenantId, subject: subjectId, action, target, details });
  }
}

function view({ name: limit, value, layer }: EffectiveLimit): object {
  const from = layer
    ? {
        scope: layer.scope,
        ...(layer.symbol === undefined ? {} : { symbol: layer.symbol }),
        ...(layer.strategyId === undefined ? {} : { strategy: layer.strategyId }),
        ...{ setBy: layer.by, reason: layer.reason, setAt: formatTime(layer.setMicros) },
      }
    : { scope: 'configuration' };
  return { limit, value: encodeLimit(limit, value), ...from };
}
