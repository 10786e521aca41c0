/** The environment of a command: variables as they are, what `.env` adds to them, and the configuration they give. */
import { existsSync } from 'node:fs';
import { readConfig, type Config, type ConfigResult } from '../config/config.ts';
import { Failure } from './failure.ts';

/**
 * Reads `.env` of the working folder, if there is one, and the environment, whose variables win.
 * @throws {Failure} `.env` cannot be read
 */
export function readEnvironment(changes: Readonly<Record<string, string>> = {}): ConfigResult {
  loadEnvFile('.env');
  return readConfig({ ...process.env, ...changes });
}

/** @throws {Failure} with a line for each fault in the configuration */
export function requireConfig(changes?: Readonly<Record<string, string>>): Config {
  const result = readEnvironment(changes);
  if (!result.ok) throw new Failure(result.faults);
  return result.config;
}

function loadEnvFile(path: string): void {
  if (!existsSync(path)) return;
  try {
    process.loadEnvFile(path);
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
