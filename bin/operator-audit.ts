/** What operators do past the gateways is in the audit log too: done or failed, by whom, with what came of it. */
import { userInfo } from 'node:os';
import { appendAudit } from '../transports/drivers/postgres-audit.ts';
import type { Database } from '../transports/drivers/postgres.ts';

/** Who acts: the login of a command's caller, or the platform by its own schedule. */
export function operatorSubject(): string {
  return `operator:${userInfo().username}`;
}

export interface OperatorAction {
  /** `verb:noun`. */
  readonly action: string;
  readonly target: string;
  /** `operatorSubject()` where absent. */
  readonly subject?: string;
  /** Into the log of this tenant, beside the platform's. */
  readonly tenantId?: number | undefined;
}

/**
 * Runs `work` and enters what it came to. What it did without an entry would be done in secret, so the entry's failure is its failure;
 * where `work` failed, its own error comes first.
 * @param detailsOf figures of the result
 */
export async function audited<T>(
  database: Database,
  action: OperatorAction,
  work: () => Promise<T>,
  detailsOf: (result: T) => object,
): Promise<T> {
  const startedMs = performance.now();
  const enter = async (outcome: object): Promise<void> => {
    const { subject = operatorSubject(), tenantId, ...rest } = action;
    const details = { ...outcome, tookMs: Math.round(performance.now() - startedMs) };
    const entry = { ...rest, subject, timeMicros: Date.now() * 1_000, details };
    const logs = tenantId === undefined ? [undefined] : [undefined, tenantId];
    await appendAudit(
      database,
      logs.map((log) => ({ ...entry, tenantId: log })),
    );
  };
  const result = await work().catch(async (error: unknown) => {
    await enter({ outcome: 'failed', reason: (error as Error).message }).catch(() => {});
    throw error;
  });
  await enter({ outcome: 'done', ...detailsOf(result) });
  return result;
}
