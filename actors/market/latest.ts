/** The latest of each key, written by the actor that makes it and read synchronously by whoever shows it. */
export class LatestBoard<Value extends { readonly sequence: number }> {
  readonly #values = new Map<string, Value>();

  set(key: string, value: Value): void {
    this.#values.set(key, value);
  }

  all(): Iterable<Value> {
    return this.#values.values();
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }
}
