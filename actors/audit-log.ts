/** Who did what: one a scope (the platform, a tenant). Entries are written in order, each chained to the one before it. */
import type { ActorContext, Behavior } from '../runtime/actor.ts';

export interface AuditEntry {
  /** Undefined: the platform's own log. */
  readonly tenantId: number | undefined;
  readonly timeMicros: number;
  /** Who acted. */
  readonly subject: string;
  /** What was done, `verb:noun`. */
  readonly action: string;
  /** To what. */
  readonly target: string;
  readonly details: object;
}

export type AuditLogMessage =
  | { readonly type: 'record'; readonly entry: AuditEntry }
  | { readonly type: 'written'; readonly ok: boolean }
  | { readonly type: 'retry' };

type Context = ActorContext<AuditLogMessage>;

export interface AuditLogSpec {
  /** Appends to the chain, in order, in one transaction. */
  write(entries: readonly AuditEntry[]): Promise<void>;
  readonly retryMs: number;
  /** Entries that may wait for the database; those beyond it are lost, counted, and said in the log. */
  readonly pendingEntries: number;
}

interface Log {
  status: 'idle' | 'writing' | 'pausing';
  underWay: number;
}

/** What is not written yet outlives a crash of the actor; what was being written then may be written twice. */
export function auditLog(spec: AuditLogSpec): Behavior<Log, AuditLogMessage> {
  const pending: AuditEntry[] = [];
  let lost = 0;

  function record(entry: AuditEntry, context: Context): void {
    if (pending.length < spec.pendingEntries) return void pending.push(entry);
    lost += 1;
    context.log.error({ action: entry.action, target: entry.target, lost }, 'an audit entry is lost');
  }

  function write(log: Log, context: Context): void {
    if (log.status !== 'idle' || pending.length === 0) return;
    log.status = 'writing';
    log.underWay = pending.length;
    context.pipe(spec.write(pending.slice()), (result) => ({ type: 'written', ok: result.ok }));
  }

  function onWritten(log: Log, ok: boolean, context: Context): void {
    if (ok) pending.splice(0, log.underWay);
    log.status = ok ? 'idle' : 'pausing';
    if (!ok) context.after(spec.retryMs, { type: 'retry' });
  }

  return {
    start(context) {
      if (pending.length > 0) context.self.tell({ type: 'retry' });
      return { status: 'idle', underWay: 0 };
    },

    receive(log, message, context) {
      switch (message.type) {
        case 'record':
          record(message.entry, context);
          break;
        case 'written':
          onWritten(log, message.ok, context);
          break;
        case 'retry':
          if (log.status === 'pausing') log.status = 'idle';
          break;
      }
      write(log, context);
      return log;
    },

    inspect: ({ status }) => ({ status, pending: pending.length, lost }),
  };
}
