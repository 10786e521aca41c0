import { expect, test } from 'vitest';
import { actions, isAllowed, isRole, roles } from '../../config/roles.ts';

/** Every role beside every action: a change of rights is a change of this table. */
const matrix = {
  trader: [
    'streams:read',
    'market:read',
    'accounts:read',
    'orders:write',
    'orders:cancel',
    'kill-switches:read',
    'risk-limits:read',
    'signals:read',
    'signals:write',
    'completions:write',
    'health:read',
  ],
  'tenant-admin': [
    'streams:read',
    'market:read',
    'accounts:read',
    'orders:cancel',
    'kill-switches:read',
    'kill-switches:write',
    'risk-limits:read',
    'risk-limits:write',
    'signals:read',
    'signals:write',
    'completions:write',
    'ai-costs:read',
    'actors:read',
    'health:read',
  ],
  'platform-admin': [
    'streams:read',
    'kill-switches:read',
    'kill-switches:write',
    'risk-limits:read',
    'risk-limits:write',
    'actors:read',
    'actors:control',
    'services:read',
    'database:read',
    'health:read',
    'metrics:read',
  ],
  ops: [
    'streams:read',
    'kill-switches:read',
    'kill-switches:write',
    'risk-limits:read',
    'risk-limits:write',
    'actors:read',
    'actors:control',
    'services:read',
    'database:read',
    'health:read',
    'metrics:read',
  ],
  auditor: [
    'streams:read',
    'accounts:read',
    'kill-switches:read',
    'risk-limits:read',
    'ai-costs:read',
    'actors:read',
    'services:read',
    'database:read',
    'health:read',
    'metrics:read',
  ],
} as const;

test.each(roles)('a %s may do what the table says and nothing else', (role) => {
  expect(actions.filter((action) => isAllowed(role, action))).toEqual(matrix[role]);
});

test('whoever runs the platform cannot trade on it or see money', () => {
  for (const role of ['platform-admin', 'ops'] as const) {
    for (const action of ['orders:write', 'orders:cancel', 'accounts:read'] as const)
      expect(isAllowed(role, action)).toBe(false);
  }
});

test('an auditor changes nothing', () => {
  expect(actions.filter((action) => isAllowed('auditor', action) && !action.endsWith(':read'))).toEqual([]);
});

test.each(['', 'root', 'Trader', 'toString', '__proto__'])('%j is no role', (text) => {
  expect(isRole(text)).toBe(false);
});
