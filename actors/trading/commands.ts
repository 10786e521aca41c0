/** What a trading account can be told to do. Each command has an id; the same id again has no second effect. */
import type { OrderState } from './account.ts';
import type { BrokerReport } from './broker.ts';
import type { AccountTerms, BlockReason, CancelReason, OrderChange, OrderTerms } from './events.ts';
import type { Denial } from './risk.ts';

export type AccountCommand =
  | OpenAccount
  | {
      readonly type: 'deposit' | 'withdraw';
      readonly reference: string;
      /** Above zero, scaled by 10^8. */ readonly amount: bigint;
    }
  | ({ readonly type: 'submit-order' } & OrderTerms)
  | AmendOrder
  | {
      readonly type: 'cancel-order';
      readonly orderId: string;
      /** the client's id for this request */ readonly requestId: string;
    }
  | CancelAll
  | ClosePosition
  | {
      /** Two opposite positions of one symbol close each other, at no market price and no cost. */
      readonly type: 'close-by';
      readonly positionId: string;
      readonly byPositionId: string;
      readonly requestId: string;
    }
  | { readonly type: 'broker-report'; readonly report: BrokerReport }
  /** What a comparison with the broker has found, in words; empty: all is equal. */
  | { readonly type: 'reconcile'; readonly requestId: string; readonly mismatches: readonly string[] }
  /** Looks at the account at the prices of now, and does what its terms and limits ask for: warn, stop out, block. */
  | { readonly type: 'enforce'; readonly requestId: string }
  /** A trading day ends: swap is booked, and losses count from here. */
  | {
      readonly type: 'roll-day';
      /** the day that begins, as `2026-11-26` */ readonly day: string;
      readonly swapDays: number;
    }
  /** A person takes a block back. */
  | {
      readonly type: 'rearm';
      readonly requestId: string;
      readonly reason: BlockReason;
      readonly subject: string;
      readonly by: string;
    };

export interface OpenAccount extends AccountTerms {
  readonly type: 'open-account';
}

export interface AmendOrder {
  readonly type: 'amend-order';
  readonly orderId: string;
  readonly requestId: string;
  readonly change: OrderChange;
}

/** Withdraws what works, or what of it is named, and, to flatten, closes what is open. Passes every check. */
export interface CancelAll {
  readonly type: 'cancel-all';
  readonly requestId: string;
  readonly symbol?: string;
  readonly strategyId?: string;
  readonly reason: CancelReason;
  readonly flatten?: true;
}

export interface ClosePosition {
  readonly type: 'close-position';
  readonly positionId: string;
  readonly requestId: string;
  /** Absent: all of it. Scaled by 10^8. */
  readonly quantity?: bigint;
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
  | { readonly type: 'amend'; readonly orderId: string; readonly state: OrderState }
  | { readonly type: 'cancel'; readonly orderId: string; readonly state: 'PENDING_CANCEL' | 'UNKNOWN' }
  | { readonly type: 'cancel-all'; readonly canceling: number; readonly closing: number }
  | { readonly type: 'close-by'; readonly positionId: string; readonly byPositionId: string }
  | {
      readonly type: 'refused';
      readonly code: RefusalCode;
      readonly figures?: Readonly<Record<string, string>>;
    }
  /** An amendment or a withdrawal of money that the rules are against; nothing was journalled. */
  | { readonly type: 'denied'; readonly denial: Denial }
  | { readonly type: 'done' };

export type RefusalCode =
  | 'NOT_FOUND'
  | 'ORDER_NOT_WORKING'
  | 'ORDER_PENDING_CANCEL'
  | 'POSITIONS_NOT_OPPOSITE'
  | 'NOT_HEDGING'
  | 'QUANTITY_ABOVE_POSITION'
  | 'NOT_BLOCKED';
