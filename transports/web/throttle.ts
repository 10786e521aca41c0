/** Work that is wished for more often than it should be done. */

/**
 * Runs at once when called, then at most every `everyMs` and never twice at a time.
 * However many calls come in between, one more run follows them, so the last wish is always fulfilled.
 */
export function throttle(everyMs: number, run: () => Promise<void>): () => void {
  let state: 'idle' | 'busy' | 'wanted' = 'idle';
  const start = (): void => {
    state = 'busy';
    const pause = new Promise((resolve) => setTimeout(resolve, everyMs));
    void Promise.allSettled([run(), pause]).then(() => {
      const isWanted = state === 'wanted';
      state = 'idle';
      if (isWanted) start();
    });
  };
  return () => {
    if (state === 'idle') start();
    else state = 'wanted';
  };
}
