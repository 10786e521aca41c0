/** The platform's REST API, with problems as values. */
import type {
  AccountItem,
  ActorItem,
  FillItem,
  InstrumentItem,
  List,
  OrderRequest,
  OrderResult,
  PositionItem,
  ProblemBody,
} from './wire.ts';

export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: ProblemBody };

/** Not one of the platform's codes: no answer came, so it is not known what became of the request. */
export const noAnswer = 'NO_ANSWER';

const answerWithinMs = 10_000;

export class Api {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  accounts(): Promise<Answer<List<AccountItem>>> {
    return this.#call('GET', '/accounts');
  }

  account(account: string): Promise<Answer<AccountItem>> {
    return this.#call('GET', `/accounts/${encodeURIComponent(account)}`);
  }

  instruments(): Promise<Answer<List<InstrumentItem>>> {
    return this.#call('GET', '/instruments');
  }

  positions(account: string): Promise<Answer<List<PositionItem>>> {
    return this.#call('GET', `/accounts/${encodeURIComponent(account)}/positions`);
  }

  fills(account: string, limit: number): Promise<Answer<List<FillItem>>> {
    return this.#call('GET', `/accounts/${encodeURIComponent(account)}/fills?limit=${limit}`);
  }

  actors(): Promise<Answer<List<ActorItem>>> {
    return this.#call('GET', '/actors');
  }

  submitOrder(account: string, order: OrderRequest): Promise<Answer<OrderResult>> {
    return this.#call('POST', `/accounts/${encodeURIComponent(account)}/orders`, order);
  }

  cancelOrder(account: string, orderId: string): Promise<Answer<unknown>> {
    return this.#call('DELETE', `/accounts/${encodeURIComponent(account)}/orders/${encodeURIComponent(orderId)}`);
  }

  async #call<Value>(method: string, path: string, body?: object): Promise<Answer<Value>> {
    const json = body === undefined ? undefined : JSON.stringify(body);
    try {
      const response = await fetch(`/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#key}`,
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(json === undefined ? {} : { body: json }),
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.timeout(answerWithinMs),
      });
      const value: unknown = response.status === 204 ? undefined : await response.json();
      if (response.ok) return { ok: true, value: value as Value };
      return { ok: false, problem: { ...(value as ProblemBody), status: response.status } };
    } catch {
      return { ok: false, problem: { code: noAnswer, title: 'The platform did not answer' } };
    }
  }
}
