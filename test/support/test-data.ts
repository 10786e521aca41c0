/** Recorded market data that is not part of the repository: tests that need it are skipped, and say so, where it is not there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Path of a file below `$TEST_DATA_DIR`, or undefined and a printed line that names what is missing. */
export function testDataFile(name: string): string | undefined {
  const folder = process.env['TEST_DATA_DIR'];
  const path = folder && join(folder, name);
  if (path && existsSync(path)) return path;
  console.info(`skipped: needs ${name} below TEST_DATA_DIR, which is ${folder ?? 'not set'}`);
  return undefined;
}
