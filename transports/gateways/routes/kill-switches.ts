/** The emergency stop: thrown, listed, taken back. */
import { z } from 'zod';
import type { LatchedSwitch } from '../../../actors/trading/kill-switch.ts';
import { formatTime } from '../../../actors/trading/time.ts';
import { accountSlug, chosenId, symbolText } from '../../codec.ts';
import { sendProblem } from '../../http-errors.ts';
import type { App } from '../../http.ts';
import type { Principal } from '../../services.ts';
import type { GatewayContext } from '../gateway.ts';
import { callerOf, sendNotFound } from './shared.ts';

const body = z
  .strictObject({
    scope: z.enum(['platform', 'tenant', 'account', 'strategy', 'symbol']),
    id: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .describe('The account, strategy or symbol; absent for platform and tenant.'),
    flatten: z.boolean().default(false).describe('Close what is open, too.'),
    reason: z.string().min(1).max(500),
  })
  .superRefine(({ scope, id }, context) => {
    const shape = { account: accountSlug, strategy: chosenId, symbol: symbolText };
    const fault = (message: string) => context.addIssue({ code: 'custom', path: ['id'], message });
    if (scope === 'platform' || scope === 'tenant') {
      if (id !== undefined) fault(`must be absent with scope ${scope}`);
    } else if (id === undefined || !shape[scope].safeParse(id).success) fault(`must name the ${scope}`);
  });
const params = z.strictObject({ id: chosenId });

export function killSwitchRoutes(app: App, { services }: GatewayContext): void {
  const { killSwitches } = services;
  const tags = ['risk'];

  app.get(
    '/api/v1/kill-switches',
    { config: { action: 'kill-switches:read' }, schema: { tags, summary: 'What is stopped now' } },
    (request) => ({ items: killSwitches.list(callerOf(request)).map(view) }),
  );

  app.post(
    '/api/v1/kill-switches',
    {
      config: { action: 'kill-switches:write' },
      schema: { tags, summary: 'Stop: block, withdraw what works, and close what is open where asked to', body },
    },
    async (request, reply) => {
      const principal = callerOf(request);
      const { scope, id, flatten, reason } = request.body;
      // Who belongs to a tenant stops no more than that; what is of the whole platform is not for an account's name.
      const isWrong = principal.tenant === undefined ? scope === 'tenant' || scope === 'account' : scope === 'platform';
      if (isWrong) return sendProblem(reply, { code: 'FORBIDDEN', detail: `this role has no ${scope} to stop` });
      const subject = {
        ...(scope === 'account' ? { account: id } : {}),
        ...(scope === 'symbol' ? { symbol: id } : {}),
        ...(scope === 'strategy' ? { strategyId: id } : {}),
      };
      const answer = await killSwitches.latch(principal, { scope, ...subject, flatten, reason });
      if (!answer) return sendNotFound(reply, `account ${id}`);
      audit(principal, 'latch:kill-switch', answer.id, { scope, of: id ?? null, flatten, reason, ...answer });
      return reply.code(201).send(answer);
    },
  );

  app.delete(
    '/api/v1/kill-switches/:id',
    { config: { action: 'kill-switches:write' }, schema: { tags, summary: 'Agree to a release', params } },
    async (request, reply) => {
      const principal = callerOf(request);
      const { id } = request.params;
      const answer = await killSwitches.release(principal, id);
      switch (answer.type) {
        case 'not-found':
          return sendNotFound(reply, `kill switch ${id}`);
        case 'unavailable':
          return sendProblem(reply, { code: 'NOT_READY', retryAfterMs: 1_000 });
        case 'pending':
        case 'released':
          audit(principal, 'release:kill-switch', id, answer);
          return reply.code(answer.type === 'released' ? 200 : 202).send({ id, ...answer });
      }
    },
  );

  function audit({ tenantId, subjectId }: Principal, action: string, target: string, details: object): void {
    services.audit({ tenantId, subject: subjectId, action, target, details });
  }
}

function view({
  id,
  scope,
  accountId,
  strategyId,
  symbol,
  flatten,
  reason,
  by,
  latchedMicros,
  releasedBy,
}: LatchedSwitch) {
  return {
    ...{ id, scope, accountId, strategyId, symbol, flatten, reason, by, releasedBy },
    latchedAt: formatTime(latchedMicros),
  };
}
