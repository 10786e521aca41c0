/** The one path from a gateway to an account, shared by REST and sockets: find it, ask it, and tell what it came to. */
import type { Account, OrderState } from '../actors/trading/account.ts';
import type { AccountCommand, AccountReply } from '../actors/trading/commands.ts';
import type { BlockReason, CancelReason, OrderChange, OrderTerms } from '../actors/trading/events.ts';
import { withdrawals } from '../actors/trading/cancel-all.ts';
import type { TradingAccountMessage, TradingAccountRef } from '../actors/trading-account.ts';
import { Retryable } from '../runtime/errors.ts';
import type { DurableState } from '../runtime/event-sourced.ts';
import { childPath } from '../runtime/path.ts';
import { commandProblemOf, refuse, type Outcome } from './problems.ts';
import type { CommandKind } from './throttle.ts';
import type { AccountCommandResult, AccountEntry, Principal, Services } from './services.ts';

export interface SubmitResult {
  readonly orderId: string;
  readonly clientOrderId: string;
  readonly state: 'SUBMITTED';
  /** The answer that the first of two equal commands got. */
  readonly duplicate: boolean;
}

export interface CancelResult {
  readonly orderId: string;
  readonly state: 'PENDING_CANCEL' | 'UNKNOWN';
  readonly duplicate: boolean;
}

export interface AmendResult {
  readonly orderId: string;
  readonly state: OrderState;
  readonly duplicate: boolean;
}

type CommandServices = Pick<Services, 'directory' | 'findAccount' | 'log' | 'throttle'>;

export class AccountCommands {
  readonly #services: CommandServices;
  readonly #deadlineMs: number;
  readonly #paths = new WeakMap<AccountEntry, string>();

  /** @param deadlineMs how long an account has to answer */
  constructor(services: CommandServices, deadlineMs: number) {
    this.#services = services;
    this.#deadlineMs = deadlineMs;
  }

  /** Resolves when the order is durable. It is in its account's mailbox, or refused, when the call returns. */
  async submit(
    principal: Principal,
    account: string,
    terms: OrderTerms,
    traceId: string,
  ): Promise<Outcome<SubmitResult>> {
    return submitOutcome(await this.#command(principal, account, { type: 'submit-order', ...terms }, traceId));
  }

  /** Closes a position, or a part of it, by an order at the market. @param requestId as of `cancel` */
  async close(
    principal: Principal,
    account: string,
    close: { readonly positionId: string; readonly requestId: string; readonly quantity?: bigint },
    traceId: string,
  ): Promise<Outcome<SubmitResult>> {
    return submitOutcome(await this.#command(principal, account, { type: 'close-position', ...close }, traceId));
  }

  /** Closes two opposite positions by each other. */
  async closeBy(
    principal: Principal,
    account: string,
    close: { readonly positionId: string; readonly byPositionId: string; readonly requestId: string },
    traceId: string,
  ): Promise<Outcome<object>> {
    const answer = await this.#command(principal, account, { type: 'close-by', ...close }, traceId);
    if (!answer.ok) return answer;
    const { reply, duplicate } = answer.result;
    if (reply.type !== 'close-by') return unexpected(reply);
    return { ok: true, result: { positionId: reply.positionId, byPositionId: reply.byPositionId, duplicate } };
  }

  /** @param requestId the client's id for this request: the same again has no second effect */
  async amend(
    principal: Principal,
    account: string,
    order: { readonly orderId: string; readonly requestId: string; readonly change: OrderChange },
    traceId: string,
  ): Promise<Outcome<AmendResult>> {
    const answer = await this.#command(principal, account, { type: 'amend-order', ...order }, traceId);
    if (!answer.ok) return answer;
    const { reply, duplicate } = answer.result;
    if (reply.type === 'denied') return refuse(reply.denial);
    if (reply.type !== 'amend') return unexpected(reply);
    return { ok: true, result: { orderId: reply.orderId, state: reply.state, duplicate } };
  }

  /** @param requestId the client's id for this request: the same again has no second effect */
  async cancel(
    principal: Principal,
    account: string,
    order: { readonly orderId: string; readonly requestId: string },
    traceId: string,
  ): Promise<Outcome<CancelResult>> {
    const answer = await this.#command(principal, account, { type: 'cancel-order', ...order }, traceId);
    if (!answer.ok) return answer;
    const { reply, duplicate } = answer.result;
    if (reply.type !== 'cancel') return unexpected(reply);
    return { ok: true, result: { orderId: reply.orderId, state: reply.state, duplicate } };
  }

  /** Withdraws all that works, and does not wait for it. @param requestId the same again has no second effect */
  withdrawAll(
    principal: Principal,
    account: string,
    request: { readonly requestId: string; readonly reason: CancelReason },
  ): void {
    const entry = this.#services.findAccount(principal, account);
    const ref = entry && this.#refOf(entry);
    for (const { command, control } of withdrawals(request.requestId, request.reason))
      ref?.tell({ type: 'command', command, subjectId: principal.subjectId }, { control });
  }

  /** Lets go on what a limit has stopped. */
  async rearm(
    principal: Principal,
    account: string,
    block: { readonly reason: BlockReason; readonly subject: string; readonly requestId: string },
    traceId: string,
  ): Promise<Outcome<object>> {
    const rearm = { type: 'rearm', ...block, by: principal.subjectId } as const;
    const answer = await this.#command(principal, account, rearm, traceId);
    return answer.ok ? { ok: true, result: { block: block.reason, subject: block.subject } } : answer;
  }

  /** What is durable of an account, and the seq of its last row. @throws Retryable and the errors of an ask */
  async read(entry: AccountEntry): Promise<DurableState<Account>> {
    const ref = this.#refOf(entry);
    if (!ref) throw new AccountUnavailable(entry.account, 'it is not running');
    const answer = await ref.ask({ type: 'read' }, { timeoutMs: this.#deadlineMs });
    if ('type' in answer) throw new AccountUnavailable(entry.account, answer.reason);
    return answer;
  }

  async #command(
    principal: Principal,
    account: string,
    command: AccountCommand,
    traceId: string,
  ): Promise<Outcome<Extract<AccountCommandResult, { type: 'done' }>>> {
    const entry = this.#services.findAccount(principal, account);
    if (!entry) return refuse({ code: 'NOT_FOUND', detail: `there is no account ${account}` });
    const ref = this.#refOf(entry);
    if (!ref) return refuse({ code: 'NOT_READY', retryAfterMs: 1_000 });
    const kind = kinds[command.type];
    const throttled = kind && this.#services.throttle.take(entry, kind);
    if (throttled) return refuse(throttled);
    try {
      const message = { type: 'command', command, subjectId: principal.subjectId } as const;
      const result = await ref.ask(message, { timeoutMs: this.#deadlineMs, traceId });
      return outcomeOf(result);
    } catch (error) {
      const problem = commandProblemOf(error);
      if (problem.code === 'INTERNAL') this.#services.log.error({ err: error, traceId, account }, 'a command failed');
      return refuse(problem);
    }
  }

  #refOf(entry: AccountEntry): TradingAccountRef | undefined {
    let path = this.#paths.get(entry);
    if (path === undefined) {
      path = childPath(childPath(childPath('/tenants', entry.tenant), 'accounts'), entry.account);
      this.#paths.set(entry, path);
    }
    return this.#services.directory.find<TradingAccountMessage>(path);
  }
}

const kinds: Readonly<Partial<Record<AccountCommand['type'], CommandKind>>> = {
  ...{ 'submit-order': 'order', 'close-position': 'order', 'close-by': 'order' },
  ...{ 'amend-order': 'amend', 'cancel-order': 'cancel' },
};

/** The account cannot be read now. */
export class AccountUnavailable extends Retryable {
  constructor(account: string, reason: string) {
    super(`account ${account} cannot be read: ${reason}`, { retryAfterMs: 1_000 });
  }
}

/** Lists are answered once they hold what the account had promised when it was asked. */
export async function whenCaughtUp<Result>(
  services: Pick<Services, 'history'>,
  commands: AccountCommands,
  entry: AccountEntry,
  read: (throughSeq: number) => Promise<Result>,
): Promise<Outcome<Result>> {
  const { seq } = await commands.read(entry);
  if (await services.history.caughtUp(entry, seq)) return { ok: true, result: await read(seq) };
  return refuse({ code: 'READ_MODEL_BEHIND', retryAfterMs: 1_000 });
}

function outcomeOf(result: AccountCommandResult): Outcome<Extract<AccountCommandResult, { type: 'done' }>> {
  switch (result.type) {
    case 'done': {
      const { reply } = result;
      if (reply.type !== 'refused') return { ok: true, result };
      return refuse({ code: reply.code, ...(reply.figures ? { figures: reply.figures } : {}) });
    }
    case 'reused':
      return refuse({ code: 'CLIENT_ORDER_ID_REUSED' });
    case 'unavailable':
      return refuse({ code: result.code, retryAfterMs: result.retryAfterMs });
  }
}

type Done = Extract<AccountCommandResult, { type: 'done' }>;

function submitOutcome(answer: Outcome<Done>): Outcome<SubmitResult> {
  if (!answer.ok) return answer;
  const { reply, duplicate } = answer.result;
  if (reply.type !== 'order') return unexpected(reply);
  const { orderId, clientOrderId, state, denial } = reply;
  if (state === 'SUBMITTED') return { ok: true, result: { orderId, clientOrderId, state, duplicate } };
  if (!denial) return unexpected(reply);
  return { ok: false, problem: { ...denial, more: { orderId, clientOrderId, duplicate } } };
}

function unexpected(reply: AccountReply): never {
  throw new TypeError(`an account must not answer this command with ${reply.type}`);
}
