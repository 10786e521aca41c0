/** Accounts that decide, and the journal rows and commits that follow: what a projector is fed with. */
import { commandId, digest } from '../../actors/trading/command-identity.ts';
import { decodePayload, encodeEvent, encodePayload } from '../../actors/trading/codec.ts';
import type { AccountCommand } from '../../actors/trading/commands.ts';
import type { JournalledCommit } from '../../actors/trading/events.ts';
import { slotOf } from '../../runtime/cluster.ts';
import type { JournalEntry } from '../../runtime/journal.ts';
import { instrument, Ledger, type World } from '../actors/trading/fixtures.ts';

export class RecordedAccount {
  readonly ledger: Ledger;
  readonly commits: JournalledCommit[] = [];
  readonly entries: Omit<JournalEntry, 'epoch'>[] = [];
  readonly tenantId: number;
  readonly accountId: number;

  constructor(tenantId: number, accountId: number) {
    this.tenantId = tenantId;
    this.accountId = accountId;
    this.ledger = new Ledger(accountId);
  }

  /** Each command is one row. */
  give(...commands: readonly (AccountCommand | readonly [AccountCommand, World])[]): void {
    for (const given of commands) {
      const [command, world] = Array.isArray(given) ? (given as [AccountCommand, World]) : [given as AccountCommand];
      const seq = this.ledger.nextSeq;
      const { events, reply } = this.ledger.give(command, world);
      const payload = encodePayload({ command, events: events.map((event) => encodeEvent(event, instrument)), reply });
      const row = { seq, commandId: commandId(command), digest: digest(command) };
      const key = { tenantId: this.tenantId, entityId: this.accountId };
      this.entries.push({ ...key, ...row, slot: slotOf(key), payload });
      // As a projector reads it: through the journal's text.
      const journalled = decodePayload(payload).events.map((event) => ({ event }));
      const account = {
        tenantId: this.tenantId,
        tenant: 'demo',
        accountId: this.accountId,
        account: `demo-${this.accountId}`,
      };
      this.commits.push({ ...account, ...row, events: journalled });
    }
  }
}
