/** The channels by name: what there is, and who may have it. What belongs to another tenant does not exist. */
import { candleIntervals, type CandleInterval } from '../../actors/market/candle.ts';
import type { AccountChannel } from '../../actors/trading/events.ts';
import type { Alert } from '../../actors/trading/topics.ts';
import type { AccountCommands } from '../account-commands.ts';
import { refuse, type Outcome } from '../problems.ts';
import type { AccountEntry, Action, Principal, Role, Services } from '../services.ts';
import { bookSource } from './book-source.ts';
import { candleSource, quoteSource, type MarketServices } from './market-sources.ts';
import { alertSource, equitySource, signalSource, type OwnServices } from './own-sources.ts';
import type { OpenSource } from './topic.ts';

export interface ChannelServices {
  readonly services: MarketServices & OwnServices & Pick<Services, 'findAccount'>;
  readonly commands: AccountCommands;
  isAllowed(role: Role, action: Action): boolean;
}

export type Channel =
  | {
      readonly kind: 'market';
      readonly name: string;
      /** Tells what several tenants, or holders, call the same apart. */
      readonly key: string;
      readonly open: OpenSource;
    }
  | { readonly kind: AccountChannel; readonly name: string; readonly entry: AccountEntry };

/** Longest part of a name that an answer repeats. */
const shownCharacters = 128;

export function resolveChannel(context: ChannelServices, principal: Principal, name: string): Outcome<Channel> {
  const { services, commands } = context;
  const [kind = '', subject = '', ...rest] = name.split(':');
  const notFound = refuse({ code: 'NOT_FOUND', detail: `there is no channel ${name.slice(0, shownCharacters)}` });
  const mayNot = (action: Action): boolean => !context.isAllowed(principal.role, action);
  const forbidden = refuse({ code: 'FORBIDDEN' });
  const { tenantId } = principal;
  const market = (open: OpenSource, owner = ''): Outcome<Channel> => ({
    ok: true,
    result: { kind: 'market', name, key: `${owner}|${name}`, open },
  });
  switch (kind) {
    case 'quotes':
    case 'candles':
    case 'book':
    case 'signals': {
      if (mayNot(kind === 'signals' ? 'signals:read' : 'market:read')) return forbidden;
      const instrument = services.instruments.get(subject);
      const [interval] = rest;
      if (!instrument || rest.length !== (kind === 'candles' ? 1 : 0)) return notFound;
      if (kind === 'quotes') return market(quoteSource(services, instrument));
      if (kind === 'candles')
        return isInterval(interval) ? market(candleSource(services, instrument, interval)) : notFound;
      // No board of it: its source shows no depth.
      if (kind === 'book') return services.books.get(subject) ? market(bookSource(services, instrument)) : notFound;
      return tenantId === undefined ? notFound : market(signalSource(services, tenantId, subject), String(tenantId));
    }
    case 'alerts': {
      if (mayNot('accounts:read')) return forbidden;
      if (name !== 'alerts') return notFound;
      return market(alertSource(services, concerning(services, principal)), `${tenantId ?? ''}/${principal.subjectId}`);
    }
    case 'orders':
    case 'positions':
    case 'account':
    case 'equity': {
      if (mayNot('accounts:read')) return forbidden;
      const entry = rest.length === 0 ? services.findAccount(principal, subject) : undefined;
      if (!entry) return notFound;
      if (kind === 'equity') return market(equitySource(services, commands, entry), String(entry.tenantId));
      return { ok: true, result: { kind, name, entry } };
    }
    default:
      return notFound;
  }
}

/** What concerns everybody, and of one's own tenant what concerns all of it or an account that one may see. */
function concerning(services: Pick<Services, 'findAccount'>, principal: Principal) {
  return ({ tenantId, account }: Alert): boolean => {
    if (tenantId === undefined) return true;
    if (tenantId !== principal.tenantId) return false;
    return account === undefined || services.findAccount(principal, account) !== undefined;
  };
}

function isInterval(text: string | undefined): text is CandleInterval {
  return (candleIntervals as readonly (string | undefined)[]).includes(text);
}
