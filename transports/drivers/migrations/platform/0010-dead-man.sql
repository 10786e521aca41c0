-- Accounts whose orders are withdrawn when their owner is not heard of: what is on when a node ends is on behind its start.
create table platform.dead_man (
  tenant_id  int not null,
  account_id bigint not null,
  timeout_ms int not null check (timeout_ms > 0),
  primary key (tenant_id, account_id)
);
