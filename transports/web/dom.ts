/** Small helpers over the DOM. Text enters the page through `textContent` alone, so that nothing from the wire is ever markup. */

/** @throws {Error} the page has no such element of this kind */
export function byId<Kind extends HTMLElement>(id: string, kind: abstract new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page must have a ${kind.name} named ${id}`);
  return found;
}

export function setText(element: Node, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function option(value: string, label = value): HTMLOptionElement {
  return new Option(label, value);
}

/** Rows of a table by key: what did not change is left as it stands, so that focus and selection stay too. */
export class Rows {
  readonly #body: HTMLElement;
  readonly #columns: readonly string[];
  readonly #rows = new Map<string, HTMLTableRowElement>();

  /** @param columns a class for each cell */
  constructor(body: HTMLElement, columns: readonly string[]) {
    this.#body = body;
    this.#columns = columns;
  }

  /** The row of `key`, made at the end of the table if it is new. */
  row(key: string): HTMLTableRowElement {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = document.createElement('tr');
    row.dataset['key'] = key;
    for (const name of this.#columns) {
      const cell = document.createElement('td');
      cell.className = name;
      row.append(cell);
    }
    this.#rows.set(key, row);
    this.#body.append(row);
    return row;
  }

  /** Sets the texts of a row from the first cell on; cells beyond them are left alone. */
  set(key: string, texts: readonly string[]): HTMLTableRowElement {
    const row = this.row(key);
    for (const [index, text] of texts.entries()) setText(cell(row, index), text);
    return row;
  }

  /** Shows these rows in this order and takes away all others. */
  keep(keys: readonly string[]): void {
    const wanted = new Set(keys);
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    for (const [index, key] of keys.entries()) {
      const row = this.row(key);
      const there = this.#body.children[index];
      if (there !== row) this.#body.insertBefore(row, there ?? null);
    }
  }
}

/** @throws {RangeError} the row has fewer cells */
export function cell(row: HTMLTableRowElement, index: number): HTMLTableCellElement {
  const found = row.cells[index];
  if (found === undefined) throw new RangeError(`a row of ${row.cells.length} cells has none at ${index}`);
  return found;
}
