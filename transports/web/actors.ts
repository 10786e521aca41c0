/** The tree of actors, for keys whose role may see it; asked for while somebody looks. */
import type { Api } from './api.ts';
import { byId, cell, Rows, setText } from './dom.ts';
import type { ActorItem } from './wire.ts';

const refreshMs = 2_000;
/** A tenant may have thousands of accounts; the page shows the first ones and says how many there are. */
const rowsShown = 500;

export class ActorTree {
  readonly #api: Api;
  readonly #panel = byId('actors-panel', HTMLDetailsElement);
  readonly #rows = new Rows(byId('actors', HTMLTableSectionElement), ['path', 'state', 'number', 'number', 'failure']);

  /** Shows the tree if the key may see it. */
  static async open(api: Api): Promise<ActorTree | undefined> {
    const answer = await api.actors();
    if (!answer.ok && answer.problem.status === 403) return undefined;
    return new ActorTree(api, answer.ok ? answer.value.items : []);
  }

  private constructor(api: Api, actors: readonly ActorItem[]) {
    this.#api = api;
    this.#panel.hidden = false;
    this.#draw(actors);
    setInterval(() => void this.#refresh(), refreshMs);
  }

  async #refresh(): Promise<void> {
    if (document.hidden || !this.#panel.open) return;
    const answer = await this.#api.actors();
    if (answer.ok) this.#draw(answer.value.items);
  }

  #draw(actors: readonly ActorItem[]): void {
    const shown = actors.slice(0, rowsShown);
    this.#rows.keep(shown.map(({ path }) => path));
    // A tenant's own tree begins below the root.
    const rootDepth = Math.min(...shown.map(({ path }) => depthOf(path)));
    for (const actor of shown) this.#drawActor(actor, depthOf(actor.path) - rootDepth);
    const more = actors.length > shown.length ? `, the first ${shown.length} shown` : '';
    setText(byId('actors-count', HTMLSpanElement), `${actors.length}${more}`);
  }

  #drawActor({ path, status, mailbox, restarts, lastFailure }: ActorItem, depth: number): void {
    const failure = lastFailure === undefined ? '' : `${lastFailure.name}: ${lastFailure.message}`;
    const name = path === '/' ? path : path.slice(path.lastIndexOf('/') + 1);
    const row = this.#rows.set(path, [name, status, String(mailbox.depth), String(restarts), failure]);
    row.title = path;
    row.dataset['status'] = status;
    cell(row, 0).style.setProperty('--depth', String(depth));
  }
}

function depthOf(path: string): number {
  return path.split('/').filter((segment) => segment !== '').length;
}
