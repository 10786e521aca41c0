/**
 * Roles and what they may do. Nothing is allowed that does not stand here.
 * Traders and tenant admins act within their own tenant, and traders on their own accounts: the credential says which.
 */
export const roles = ['trader', 'tenant-admin', 'platform-admin', 'ops', 'auditor'] as const;

export type Role = (typeof roles)[number];

const allowed = {
  // What may be heard there, each channel says for itself.
  'streams:read': ['trader', 'tenant-admin', 'platform-admin', 'ops', 'auditor'],
  'market:read': ['trader', 'tenant-admin'],
  'accounts:read': ['trader', 'tenant-admin', 'auditor'],
  'orders:write': ['trader'],
  // A tenant admin may take an order back but never send one; nor may anyone who runs the platform.
  'orders:cancel': ['trader', 'tenant-admin'],
  // A tenant admin stops what is the tenant's, those who run the platform all of it.
  'kill-switches:read': ['trader', 'tenant-admin', 'platform-admin', 'ops', 'auditor'],
  'kill-switches:write': ['tenant-admin', 'platform-admin', 'ops'],
  'risk-limits:read': ['trader', 'tenant-admin', 'platform-admin', 'ops', 'auditor'],
  // Who sets a limit, or lets trading go on behind one, is never who trades under it.
  'risk-limits:write': ['tenant-admin', 'platform-admin', 'ops'],
  'signals:read': ['trader', 'tenant-admin'],
  'signals:write': ['trader', 'tenant-admin'],
  // It costs the tenant money.
  'completions:write': ['trader', 'tenant-admin'],
  'ai-costs:read': ['tenant-admin', 'auditor'],
  // A tenant admin sees the subtree of the tenant.
  'actors:read': ['tenant-admin', 'platform-admin', 'ops', 'auditor'],
  'actors:control': ['platform-admin', 'ops'],
  'services:read': ['platform-admin', 'ops', 'auditor'],
  'database:read': ['platform-admin', 'ops', 'auditor'],
  'health:read': ['trader', 'tenant-admin', 'platform-admin', 'ops', 'auditor'],
  'metrics:read': ['platform-admin', 'ops', 'auditor'],
} as const satisfies Readonly<Record<string, readonly Role[]>>;

export type Action = keyof typeof allowed;

export const actions = Object.keys(allowed) as readonly Action[];

export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

export function isAllowed(role: Role, action: Action): boolean {
  return (allowed[action] as readonly Role[]).includes(role);
}
