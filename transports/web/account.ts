/** Which account is shown, and its figures. */
import { byId, option, setText } from './dom.ts';
import type { AccountItem } from './wire.ts';
import { grouped } from './words.ts';

const figures = ['balance', 'equity', 'margin', 'freeMargin'] as const;

export class AccountBar {
  readonly #select = byId('account', HTMLSelectElement);

  constructor(onChoose: (account: string) => void) {
    this.#select.addEventListener('change', () => onChoose(this.#select.value));
  }

  show(accounts: readonly AccountItem[]): void {
    this.#select.replaceChildren(...accounts.map(({ id, currency }) => option(id, `${id} (${currency})`)));
    byId('account-choice', HTMLLabelElement).hidden = accounts.length === 0;
    byId('figures', HTMLDListElement).hidden = accounts.length === 0;
    const [first] = accounts;
    if (first !== undefined) this.showFigures(first);
  }

  showFigures(account: AccountItem): void {
    if (account.id !== this.#select.value) return;
    for (const name of figures) {
      const amount = account[name];
      setText(byId(`figure-${name}`, HTMLElement), amount === null ? '–' : `${grouped(amount)} ${account.currency}`);
    }
  }

  /** Empty when the key has no account. */
  get account(): string {
    return this.#select.value;
  }
}
