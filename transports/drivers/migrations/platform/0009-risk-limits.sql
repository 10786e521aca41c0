-- Bounds that somebody has set while the platform ran. Nothing is changed here: of the rows for one subject the last is in force, and a
-- row without bounds takes back what was set before.
create table platform.risk_limits (
  version     bigint generated always as identity primary key,
  scope       text not null check (scope in ('platform', 'tenant', 'account', 'strategy', 'symbol')),
  tenant_id   int,
  account_id  bigint,
  strategy_id text,
  symbol      text,
  limits      text not null, -- JSON, as on the wire
  reason      text not null,
  set_by      text not null,
  set_at      timestamptz not null
);
create index risk_limits_subject on platform.risk_limits (tenant_id, account_id, strategy_id, symbol, version desc);
