/** Runs load against one contender while the others stand still, and checks at the end that what was acknowledged is durable. */
import type { Contender } from './contender.ts';
import type { Generator } from './generator.ts';
import type { LoadJob, LoadResult } from './job.ts';

export type LoadShape = Pick<LoadJob, 'accounts' | 'outstanding'> & Partial<Pick<LoadJob, 'accountsPerConnection'>>;

export interface LoadTimes {
  /** Before the first window of a contender, whose code is still cold, and before each later one. */
  readonly firstWarmUpMs: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** Prices have grown old during a pause: time for the sources to be asked again. */
const freshPricesMs = 50;

export class Load {
  readonly #generator: Generator;
  readonly #times: LoadTimes;
  readonly #totals = new Map<Contender, { acknowledged: number; filled: number }>();
  #runs = 0;

  constructor(generator: Generator, times: LoadTimes) {
    this.#generator = generator;
    this.#times = times;
  }

  /** The contender is resumed for the run and paused after it. */
  async run(contender: Contender, shape: LoadShape): Promise<LoadResult> {
    const totals = this.#totals.get(contender) ?? { acknowledged: 0, filled: 0 };
    const isFirst = totals.filled === 0;
    contender.resume();
    await new Promise((resolve) => setTimeout(resolve, freshPricesMs));
    try {
      const result = await this.#generator.run({
        ...{ port: contender.port, token: contender.token, serverPid: contender.pid },
        ...{ accounts: shape.accounts, outstanding: shape.outstanding, windowMs: this.#times.windowMs },
        accountsPerConnection: shape.accountsPerConnection ?? 1,
        run: `run${++this.#runs}`,
        warmUpMs: isFirst ? this.#times.firstWarmUpMs : this.#times.warmUpMs,
      });
      this.#totals.set(contender, {
        acknowledged: totals.acknowledged + result.acknowledged,
        filled: totals.filled + result.filled,
      });
      return result;
    } catch (error) {
      throw new Error(
        `${contender.name}, ${shape.accounts.length} accounts × ${shape.outstanding}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    } finally {
      contender.pause();
    }
  }

  /** @throws {Error} an order that was acknowledged or filled is not in the contender's database, or one too many is */
  async verify(): Promise<void> {
    for (const [contender, { acknowledged, filled }] of this.#totals) {
      const { orders, fills } = await contender.durable();
      if (orders === acknowledged && fills === filled) continue;
      throw new Error(
        `${contender.name} acknowledged ${acknowledged} orders and filled ${filled}, but ${orders} and ${fills} are durable`,
      );
    }
  }
}
