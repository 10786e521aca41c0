/** What the parts of the request's shape share. */
import { z } from 'zod';

/** Of functions and schemas. */
export const nameText = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -');

/** Faults that are told of one request. */
export const mostFaults = 100;

/**
 * A list whose length is judged before any item is, and whose items are looked at until there are faults enough: a body of a MiB holds
 * half a million wrong ones, and to describe each would keep everybody else waiting for most of a second.
 */
export function listOf<Item extends z.ZodType>(item: Item, least: number, most: number, what: string) {
  const message = `must be a list of ${least} to ${most} ${what}`;
  return z
    .array(z.unknown(), message)
    .min(least, message)
    .max(most, message)
    .transform((given, context): z.output<Item>[] => {
      const items: z.output<Item>[] = [];
      let faults = 0;
      for (const [at, one] of given.entries()) {
        const result = item.safeParse(one);
        if (result.success) items.push(result.data);
        else {
          for (const issue of result.error.issues) {
            context.issues.push({ ...issue, path: [at, ...issue.path], input: one } as z.core.$ZodRawIssue);
          }
          faults += result.error.issues.length;
        }
        if (faults >= mostFaults) break;
      }
      // Transforms behind this run also where the only faults are unknown keys; nobody sees what they make of it.
      return items;
    });
}

/** A fault that is no slip: the field is known, and what it asks for is not done here. */
export const unsupported = 'unsupported';

/**
 * A known field that asks for what we do not do. It may be absent or null, or say what would be so without it.
 *
 * @param instead ends the sentence "is not supported"
 */
export function neutral(instead: string, isNeutral: (value: unknown) => boolean = () => false) {
  return z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined || value === null || isNeutral(value)) return;
      context.addIssue({ code: 'custom', params: { [unsupported]: true }, message: `is not supported${instead}` });
    })
    .optional();
}

/** For a branch of a union that exists to be refused by name. */
export function refuseBranch(field: 'type' | 'role', message: string) {
  return (_value: unknown, context: z.RefinementCtx): void => {
    context.addIssue({ code: 'custom', path: [field], params: { [unsupported]: true }, message });
  };
}
