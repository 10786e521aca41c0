/** What a client may say, as strict as the platform is. */
import { z } from 'zod';

const decimalText = z
  .string()
  .max(64)
  .regex(/^(0|[1-9][0-9]*)(\.[0-9]{1,8})?$/);
const id = z.string().max(64);

const order = z.strictObject({
  clientOrderId: z.string().regex(/^[\w.:-]{1,64}$/),
  symbol: z.string().min(1).max(32),
  side: z.enum(['buy', 'sell']),
  type: z.literal('market'),
  quantity: decimalText,
  timeInForce: z.enum(['ioc', 'fok']),
});

export const clientMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('authenticate'), id: id.optional(), token: z.string().max(256) }),
  z.strictObject({ type: z.literal('subscribe'), id: id.optional(), channels: z.array(z.string().max(100)).max(200) }),
  z.strictObject({ type: z.literal('submit-order'), id: id.optional(), account: z.string().max(32), order }),
]);

export type Order = z.infer<typeof order>;
export type ClientMessage = z.infer<typeof clientMessage>;
