/** What one row of the journal holds: 310 bytes, about what a market order comes to. */
import assert from 'node:assert/strict';

const bytes = 310;

const row = {
  v: 1,
  command: { type: 'submit-order', clientOrderId: 'bench', symbol: 'EURUSD', side: 'buy', quantity: '0.01' },
  events: [{ type: 'order-submitted', orderId: 'o-1', symbol: 'EURUSD', margin: '3.62', note: '' }],
  reply: { type: 'order', orderId: 'o-1', state: 'SUBMITTED' },
  ...{ traceId: null, subjectId: null },
};

export const examplePayload = padded();

function padded(): string {
  row.events[0]!.note = 'x'.repeat(bytes - JSON.stringify(row).length);
  const text = JSON.stringify(row);
  assert.equal(text.length, bytes);
  return text;
}
