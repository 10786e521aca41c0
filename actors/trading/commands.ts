/** What a trading account can be told to do. Each command has an id; the same id again has no second effect. */
import type { BrokerReport } from './broker.ts';
import type { OrderTerms } from './events.ts';
import type { Denial } from './risk.ts';

export type AccountCommand =
  | OpenAccount
  | { readonly type: 'deposit'; readonly reference: string; /** scaled by 10^8 */ readonly amount: bigint }
  | ({ readonly type: 'submit-order' } & OrderTerms)
  | {
      readonly type: 'cancel-order';
      readonly orderId: string;
      /** the client's id for this request */ readonly requestId: string;
    }
  | { readonly type: 'broker-report'; readonly report: BrokerReport };

export interface OpenAccount {
  readonly type: 'open-account';
  readonly currency: string;
  readonly oms: 'netting';
  readonly leverage: number;
  readonly aiMayOrder: boolean;
}

/** What a command is answered with; journalled with its events and given again when the command is repeated. */
export type AccountReply =
  | {
      readonly type: 'order';
      readonly orderId: string;
      readonly clientOrderId: string;
      readonly state: 'SUBMITTED' | 'DENIED';
      readonly denial?: Denial;
    }
  | { readonly type: 'cancel'; readonly orderId: string; readonly state: 'PENDING_CANCEL' }
  | {
      readonly type: 'refused';
      readonly code: 'NOT_FOUND' | 'ORDER_NOT_WORKING';
      readonly figures?: Readonly<Record<string, string>>;
    }
  | { readonly type: 'done' };
