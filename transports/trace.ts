/** Ids that follow a request through gateways, actors and the journal. */
import { randomBytes } from 'node:crypto';

const prefix = randomBytes(8).toString('hex');
let count = 0;

/** 32 hexadecimal digits, as W3C Trace Context wants them; unique among all processes. */
export function newTraceId(): string {
  count += 1;
  return prefix + count.toString(16).padStart(16, '0');
}

const TRACE_PARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;
const REQUEST_ID = /^[A-Za-z0-9_.:-]{1,64}$/;

/** The caller's own id where it is well formed, else a new one. */
export function traceIdOf(traceParent: unknown, requestId: unknown): string {
  const parent = typeof traceParent === 'string' ? TRACE_PARENT.exec(traceParent)?.[1] : undefined;
  if (parent !== undefined) return parent;
  return typeof requestId === 'string' && REQUEST_ID.test(requestId) ? requestId : newTraceId();
}
