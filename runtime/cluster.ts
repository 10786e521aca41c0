/** Which entity belongs to which slot. Slots, not entities, are owned by nodes. */
import { createHash } from 'node:crypto';
import { entityName, type EntityKey } from './journal.ts';

/** Fixed for life: another number would move every entity. */
export const slotCount = 1_024;

/** 0 to 1,023; follows from the numbers alone, so that a rename never moves an entity. */
export function slotOf(key: EntityKey): number {
  return createHash('sha1').update(entityName(key)).digest().readUInt32BE(0) % slotCount;
}
