/** Composes the page: a key is given, then everything is live until the key is forgotten. */
import { StreamClient, type StreamState } from '../client/client.ts';
import type { EquityData } from '../client/wire.ts';
import { AccountBar } from './account.ts';
import { ActorTree } from './actors.ts';
import { Api, type Answer } from './api.ts';
import { byId, setText } from './dom.ts';
import { fillsShown, OrderPanels } from './orders.ts';
import { QuotesTable } from './quotes.ts';
import { throttle } from './throttle.ts';
import { Ticket } from './ticket.ts';
import type { AccountItem, InstrumentItem, List } from './wire.ts';
import { describeProblem } from './words.ts';

const refreshMs = 2_000;
/** A busy account has hundreds of events a second. */
const refreshAfterEventMs = 300;
const accountChannels = ['orders', 'positions', 'account', 'equity'] as const;

const keyForm = byId('key-form', HTMLFormElement);
const keyInput = byId('key', HTMLInputElement);
const keyReply = byId('key-reply', HTMLParagraphElement);

keyForm.addEventListener('submit', (event) => {
  event.preventDefault();
  void signIn(keyInput.value.trim());
});
// What the page knows of the key goes with the page: nothing has to be taken apart.
byId('sign-out', HTMLButtonElement).addEventListener('click', () => location.reload());

async function signIn(key: string): Promise<void> {
  setText(keyReply, 'connecting …');
  const api = new Api(key);
  const [accounts, instruments] = await Promise.all([api.accounts(), api.instruments()]);
  const refusal = refusalOf(accounts) ?? refusalOf(instruments);
  if (refusal !== undefined) {
    keyReply.dataset['outcome'] = 'refused';
    setText(keyReply, refusal);
    return;
  }
  keyInput.value = '';
  byId('sign-in', HTMLElement).hidden = true;
  byId('terminal', HTMLElement).hidden = false;
  byId('sign-out', HTMLButtonElement).hidden = false;
  open(key, api, itemsOf(accounts), itemsOf(instruments));
}

/** A role that may not see accounts, or not prices, is no reason to stay outside. */
function refusalOf(answer: Answer<unknown>): string | undefined {
  if (answer.ok || answer.problem.status === 403) return undefined;
  return answer.problem.code === 'UNAUTHENTICATED'
    ? 'This key is not accepted.'
    : `${describeProblem(answer.problem)}. Try again in a moment.`;
}

function itemsOf<Item>(answer: Answer<List<Item>>): readonly Item[] {
  return answer.ok ? answer.value.items : [];
}

function open(key: string, api: Api, accounts: readonly AccountItem[], instruments: readonly InstrumentItem[]): void {
  const quote = (symbol: string) => quotes.get(symbol);
  const bar = new AccountBar((account) => chooseAccount(account));
  const ticket = new Ticket({ submit: (order) => api.submitOrder(bar.account, order), quote });
  const panels = new OrderPanels({ cancel: (orderId) => api.cancelOrder(bar.account, orderId), quote });
  const quotes = new QuotesTable(
    byId('quotes', HTMLTableSectionElement),
    (symbol) => ticket.choose(symbol),
    (symbol) => {
      ticket.onQuote(symbol);
      panels.onQuote(symbol);
    },
  );
  bar.show(accounts);
  ticket.show(instruments);
  quotes.show(instruments);
  byId('quotes-panel', HTMLElement).hidden = instruments.length === 0;
  byId('account-panels', HTMLDivElement).hidden = accounts.length === 0;
  byId('ticket', HTMLFormElement).hidden = accounts.length === 0 || instruments.length === 0;

  let subscribed: readonly string[] = [];
  const refresh = throttle(refreshAfterEventMs, showFigures);
  const stream = new StreamClient({
    url: new URL('/stream', location.href.replace(/^http/, 'ws')).href,
    token: key,
    listener: {
      onState(state, detail) {
        showState(state, detail);
        quotes.onState(state === 'online');
      },
      onQuote: (next) => quotes.onQuote(next),
      onServerTime: (time) => quotes.onServerTime(time),
      onSnapshot(channel, data) {
        ofAccount(channel, (kind) => {
          if (kind === 'equity') return showEquity(data as EquityData | null);
          panels.onSnapshot(kind, data);
          if (kind === 'orders') void showFills(bar.account);
        });
      },
      onEvent(channel, event) {
        ofAccount(channel, (kind) => panels.onEvent(kind, event));
        refresh();
      },
      onEquity: ({ channel, data }) => ofAccount(channel, () => showEquity(data)),
      onGap: ({ channel }) => showGap(channel),
      onProblem: (problem) => showState('waiting', describeProblem(problem)),
    },
  });
  stream.subscribe(instruments.map(({ symbol }) => `quotes:${symbol}`));
  if (accounts.length > 0) chooseAccount(bar.account);
  setInterval(refresh, refreshMs);
  void ActorTree.open(api);

  function chooseAccount(account: string): void {
    if (subscribed.length > 0) stream.unsubscribe(subscribed);
    subscribed = accountChannels.map((kind) => `${kind}:${account}`);
    panels.clear();
    stream.subscribe(subscribed);
    refresh();
  }

  /** Frames of an account that is no longer shown may still be on their way. */
  function ofAccount(channel: string, run: (kind: string) => void): void {
    if (subscribed.includes(channel)) run(channel.slice(0, channel.indexOf(':')));
  }

  function showEquity(data: EquityData | null): void {
    if (data) bar.showFigures({ id: bar.account, ...data });
  }

  async function showFills(account: string): Promise<void> {
    const fills = await api.fills(account, fillsShown);
    if (fills.ok && account === bar.account) panels.onFills(fills.value.items);
  }

  async function showFigures(): Promise<void> {
    const { account } = bar;
    if (account === '' || document.hidden) return;
    const [figures, positions] = await Promise.all([api.account(account), api.positions(account)]);
    if (account !== bar.account) return;
    if (figures.ok) bar.showFigures(figures.value);
    if (positions.ok) panels.onProfits(positions.value.items);
  }
}

function showState(state: StreamState, detail: string): void {
  const element = byId('connection', HTMLParagraphElement);
  element.dataset['state'] = state;
  setText(element, detail);
}

/** What was missing is asked for by then; that it was missing is there for who wants to know. */
function showGap(channel: string): void {
  byId('connection', HTMLParagraphElement).title = `${channel} was completed at ${new Date().toLocaleTimeString()}`;
}
