import { expect, test } from 'vitest';
import { createLog } from '../../bin/log.ts';

function lines(logLevel: 'info' | 'warn'): { log: ReturnType<typeof createLog>; written: string[] } {
  const written: string[] = [];
  return { written, log: createLog({ logLevel, isProduction: true }, { write: (line) => written.push(line) }) };
}

test.each([
  { password: 'hunter2' },
  { database: { password: 'hunter2' } },
  { request: { headers: { authorization: 'Bearer hunter2' } } },
  { body: { apiKey: 'hunter2', token: 'hunter2' } },
  { secret: 'hunter2' },
])('a secret is not written: %o', (fields) => {
  const { log, written } = lines('info');
  log.info(fields, 'done');
  expect(written.join('')).toContain('[secret]');
  expect(written.join('')).not.toContain('hunter2');
});

test.each(['error', 'err'])('an error under the name %s is told with its message and where it came from', (name) => {
  const { log, written } = lines('info');
  log.error({ [name]: new RangeError('leverage must be 1 to 500, was 0') }, 'a subscriber failed');
  expect(JSON.parse(written[0]!)[name]).toMatchObject({
    ...{
      type: 'RangeError',
      message: 'leverage must be 1 to 500, was 0',
      stack: expect.stringContaining('log.test.ts'),
    },
  });
});

test('a line is JSON with level, time and message, and what is below the level is left out', () => {
  const { log, written } = lines('warn');
  log.info({}, 'listening');
  log.warn({ port: 3001 }, 'slow');
  expect(written.map((line) => JSON.parse(line))).toEqual([
    { level: 40, time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/), port: 3001, msg: 'slow' },
  ]);
});
