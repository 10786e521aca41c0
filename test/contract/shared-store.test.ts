import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { silentLog } from '../../runtime/actor.ts';
import { VirtualClock } from '../../runtime/clock.ts';
import { memoryStore } from '../../transports/drivers/memory-store.ts';
import { redisStore, type RedisStore } from '../../transports/drivers/redis.ts';
import { RedisServer } from '../support/redis.ts';
import { sharedStoreContract } from './shared-store.ts';

const limits = { valueBytes: 1_000, cacheBytes: 4_000 };

describe('the shared store in memory', () => {
  sharedStoreContract(async () => {
    const clock = new VirtualClock();
    const store = memoryStore({ clock, log: silentLog, limits });
    return { nodes: [store, store], advance: async (byMs) => clock.advance(byMs), settled: async () => {} };
  });
});

describe('the shared store in Redis', () => {
  let server: RedisServer;
  let opened: RedisStore[] = [];

  beforeAll(async () => {
    server = await RedisServer.start({ password: 'p4ssw0rd' });
  });
  afterEach(() => {
    for (const { link } of opened) {
      // The stand-in must not have answered for it.
      expect(link.counts()).toMatchObject({ isUp: true, failures: 0, fallbacks: 0 });
      link.close();
    }
    opened = [];
  });
  afterAll(() => server.stop());

  sharedStoreContract(async () => {
    await server.direct.flushall();
    const clock = new VirtualClock();
    const nodes = [await open(clock), await open(clock)] as const;
    return {
      nodes,
      async advance(byMs) {
        clock.advance(byMs);
        await server.age(byMs);
      },
      // A connection answers in order, so whatever was sent before a ping is done, and has gone out to all connections by then.
      async settled() {
        for (let times = 0; times < 2; times++) {
          for (const { link } of nodes)
            await link.ask<unknown>(
              (client) => client.ping(),
              () => undefined,
            );
        }
      },
    };
  });

  async function open(clock: VirtualClock): Promise<RedisStore> {
    const up = Promise.withResolvers<void>();
    const store = redisStore({
      ...{ host: '127.0.0.1', port: server.port, password: server.password, clock, log: silentLog },
      limits: {
        ...{ ...limits, answerMs: 10_000, inFlight: 1_000, probeMs: 1e9, connectMs: 10_000, silentMs: 20_000 },
        ...{ retryFirstMs: 10, retryMaxMs: 100 },
      },
      onState: (isUp) => isUp && up.resolve(),
    });
    opened.push(store);
    await up.promise;
    return store;
  }
});
