/** Fails a test when a promise is rejected and nobody hears of it: outside of tests that ends the process. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';

export function trapRejections(): void {
  const caught: unknown[] = [];
  const trap = (reason: unknown): void => void caught.push(reason);
  beforeAll(() => void process.on('unhandledRejection', trap));
  afterAll(() => void process.off('unhandledRejection', trap));
  afterEach(async () => {
    await turn();
    expect(caught.splice(0)).toEqual([]);
  });
}
