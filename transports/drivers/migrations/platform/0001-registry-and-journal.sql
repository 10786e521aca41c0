create table platform.tenant (
  tenant_id  int generated always as identity primary key, -- never given out twice
  slug       text not null unique check (slug ~ '^[a-z][a-z0-9-]{0,30}$'),
  name       text not null,
  status     text not null default 'provisioning' check (status in ('provisioning', 'active', 'suspended', 'closed')),
  created_at timestamptz not null default clock_timestamp()
);

-- Who may write: a node holds slots under an epoch that only grows, and every append is checked against it.
create table platform.node (
  node_id     text primary key,
  incarnation bigint not null,
  lease_until timestamptz not null,
  state       text not null check (state in ('up', 'draining', 'dead')),
  died_at     timestamptz,
  wire_ok_at  timestamptz,
  address     jsonb not null default '{}',
  version     text not null default '',
  weight      int not null default 100 check (weight > 0)
) with (fillfactor = 50);

create table platform.slot (
  slot        int primary key check (slot between 0 and 1023),
  epoch       bigint not null default 0,
  owner       text,
  incarnation bigint,
  lock_only   boolean not null default false, -- the one column whose UPDATE right the journal's writer gets, for FOR SHARE
  check ((owner is null) = (incarnation is null))
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
insert into platform.slot (slot) select generate_series(0, 1023);

-- One row is the whole outcome of one command. Columns are final: a partition cannot have others, and the payload has a version.
-- No default partition, no other index, no trigger, no foreign key.
create table platform.journal (
  tenant_id  int not null,
  account_id bigint not null,
  seq        bigint not null,
  epoch      bigint not null,
  command_id text not null,
  digest     bytea not null,
  at         timestamptz not null default clock_timestamp(),
  payload    text not null,
  primary key (tenant_id, account_id, seq)
) partition by list (tenant_id);

-- SHA-256 of a key → whose it is. What it may do stands in the tenant's api_key, or in platform.api_key without a tenant.
create table platform.credential (
  hash      bytea primary key check (octet_length(hash) = 32),
  tenant_id int references platform.tenant,
  key_id    text not null
);

create table platform.api_key (
  key_id     text primary key,
  role       text not null,
  scopes     text[] not null,
  name       text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default clock_timestamp()
);

-- Each entry's hash covers the one before it.
create table platform.audit (
  seq           bigint primary key check (seq > 0),
  at            timestamptz not null,
  tenant_id     int,
  subject       text not null,
  action        text not null,
  target        text not null,
  details       jsonb not null,
  previous_hash bytea not null,
  hash          bytea not null
);
