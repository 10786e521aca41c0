/** What routes have in common: the caller, the account in the path, pages of lists. */
import assert from 'node:assert/strict';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { whenCaughtUp } from '../../account-commands.ts';
import { accountSlug } from '../../codec.ts';
import { sendProblem } from '../../http-errors.ts';
import type { Outcome } from '../../problems.ts';
import type { AccountEntry, Page, Principal, Services } from '../../services.ts';
import type { GatewayContext } from '../gateway.ts';

/** The caller of a route that asks for an action. */
export function callerOf(request: FastifyRequest): Principal {
  assert(request.principal, 'a route that asks who calls must name an action');
  return request.principal;
}

export const accountParams = z.strictObject({ account: accountSlug });

export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().min(1).max(256).optional(),
});

/** Without members that are undefined, which `exactOptionalPropertyTypes` tells from absent ones. */
export function pageOf({ limit, cursor }: z.output<typeof pageQuery>): { limit: number; cursor?: string } {
  return cursor === undefined ? { limit } : { limit, cursor };
}

/** What belongs to another tenant is not found, as if it did not exist. */
export function findAccount(services: Services, request: FastifyRequest, account: string): AccountEntry | undefined {
  return services.findAccount(callerOf(request), account);
}

export function sendNotFound(reply: FastifyReply, what: string): FastifyReply {
  return sendProblem(reply, { code: 'NOT_FOUND', detail: `there is no ${what}` });
}

export function sendOutcome(reply: FastifyReply, outcome: Outcome<object>, status = 200): FastifyReply {
  return outcome.ok ? reply.code(status).send(outcome.result) : sendProblem(reply, outcome.problem);
}

/** A page of an account's history, once it holds what the account had promised before. */
export async function sendHistory(
  context: GatewayContext,
  request: FastifyRequest,
  reply: FastifyReply,
  read: (entry: AccountEntry, throughSeq: number) => Promise<Page<object>>,
): Promise<FastifyReply> {
  const { account } = request.params as z.output<typeof accountParams>;
  const entry = findAccount(context.services, request, account);
  if (!entry) return sendNotFound(reply, `account ${account}`);
  return sendOutcome(reply, await whenCaughtUp(context.services, context.commands, entry, (seq) => read(entry, seq)));
}
