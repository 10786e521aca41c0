/** A value that must never be printed: whatever prints it shows `[secret]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for the call that needs it. Do not keep it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  // What console.log and util.inspect ask for; the registered symbol spares an import.
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}
