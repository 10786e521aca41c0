/** The terms of an account as JSON: in the event that opens it, in the command for that, and in snapshots. */
import type { AccountTerms, StopOutTerms } from './events.ts';
import { asObject, integer, quoted, scaled, text, truth, type Json } from './json-fields.ts';
import { formatScaled, MONEY_SCALE } from './money.ts';

/** Of a level in percent, and of one in money. */
const levelScale: Readonly<Record<StopOutTerms['mode'], number>> = { percent: 2, money: MONEY_SCALE };

/** Fields without braces. */
export function encodeAccountTerms(terms: AccountTerms): string {
  return (
    `"currency":${quoted(terms.currency)},"oms":"${terms.oms}","leverage":${terms.leverage},"aiMayOrder":${terms.aiMayOrder}` +
    (terms.stopOut ? `,"stopOut":${encodeStopOut(terms.stopOut)}` : '') +
    (terms.negativeBalanceProtection ? ',"negativeBalanceProtection":true' : '')
  );
}

export function encodeStopOut({ mode, callLevel, stopLevel }: StopOutTerms): string {
  const level = (value: bigint) => formatScaled(value, levelScale[mode]);
  return `{"callLevel":"${level(callLevel)}","mode":"${mode}","stopLevel":"${level(stopLevel)}"}`;
}

/** @throws {TypeError} */
export function decodeAccountTerms(json: Json): AccountTerms {
  const { stopOut } = json;
  return {
    currency: text(json, 'currency'),
    oms: text(json, 'oms') as AccountTerms['oms'],
    leverage: integer(json, 'leverage'),
    aiMayOrder: truth(json, 'aiMayOrder'),
    ...(stopOut === undefined ? {} : { stopOut: decodeStopOut(asObject(stopOut, 'stopOut')) }),
    ...(json['negativeBalanceProtection'] === true ? { negativeBalanceProtection: true } : {}),
  };
}

function decodeStopOut(json: Json): StopOutTerms {
  const mode = text(json, 'mode') as StopOutTerms['mode'];
  const scale = levelScale[mode];
  return { mode, callLevel: scaled(json, 'callLevel', scale), stopLevel: scaled(json, 'stopLevel', scale) };
}
