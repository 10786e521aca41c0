/** A progress bar on stderr: redrawn in place on a terminal, a line every tenth of the way elsewhere. */

export interface ProgressTarget {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressOptions {
  /** What is counted, in the plural: `rows`. */
  readonly unit?: string;
  readonly target?: ProgressTarget;
}

const barWidth = 24;
const defaultColumns = 80;
const eraseLine = '\r\u001B[K';

export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #unit: string;
  readonly #target: ProgressTarget;
  readonly #step: number;
  #shown = -1;

  /** @param total above zero; what `report` counts towards */
  constructor(label: string, total: number, { unit = '', target = process.stderr }: ProgressOptions = {}) {
    this.#label = label;
    this.#total = total;
    this.#unit = unit;
    this.#target = target;
    this.#step = target.isTTY ? 1 : 10;
  }

  /** Tells how much is done in all, not how much was added; more than the total counts as the total. May be called as often as one likes. */
  report(done: number): void {
    const ratio = Math.min(1, Math.max(0, done / this.#total));
    const percent = Math.floor((ratio * 100) / this.#step) * this.#step;
    if (percent <= this.#shown) return;
    this.#shown = percent;
    this.#target.write(this.#target.isTTY ? this.#redraw(percent, done) : `${this.#line(percent, done)}\n`);
  }

  /** Leaves the bar where it is and goes to the next line. Nothing is drawn afterwards. */
  finish(): void {
    if (this.#target.isTTY && this.#shown >= 0) this.#target.write('\n');
    this.#shown = 100;
  }

  #redraw(percent: number, done: number): string {
    const filled = Math.round((percent / 100) * barWidth);
    const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
    // A line that wraps could not be redrawn.
    return eraseLine + `${bar} ${this.#line(percent, done)}`.slice(0, (this.#target.columns ?? defaultColumns) - 1);
  }

  #line(percent: number, done: number): string {
    const counted = `${grouped(Math.min(done, this.#total))} of ${grouped(this.#total)} ${this.#unit}`.trimEnd();
    return `${String(percent).padStart(3)} % ${this.#label}: ${counted}`;
  }
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}
