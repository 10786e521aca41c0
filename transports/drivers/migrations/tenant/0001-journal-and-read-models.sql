create schema if not exists :schema;

-- Made alone and then attached: CREATE TABLE … PARTITION OF would stop every append of every tenant.
-- The check spares ATTACH the look at each row.
create table :schema.journal (
  tenant_id  int not null check (tenant_id = :tenant_id),
  account_id bigint not null,
  seq        bigint not null,
  epoch      bigint not null,
  command_id text not null,
  digest     bytea not null,
  at         timestamptz not null default clock_timestamp(),
  payload    text not null,
  primary key (tenant_id, account_id, seq)
);
alter table platform.journal attach partition :schema.journal for values in (:tenant_id);

create table :schema.account (
  account_id   bigint generated always as identity primary key, -- never given out twice
  slug         text not null unique check (slug ~ '^[a-z][a-z0-9-]{0,30}$'),
  currency     text not null,
  oms          text not null check (oms in ('netting', 'hedging')),
  leverage     int not null check (leverage between 1 and 500),
  ai_may_order boolean not null,
  owner        text not null,
  stream_epoch text not null, -- identity of the account's journal on the wire; new only after a restore or import
  created_at   timestamptz not null default clock_timestamp()
);

-- From here on read models: all of it follows from the journal.

create table :schema.checkpoint (
  account_id     bigint primary key,
  seq            bigint not null,
  working_orders int not null -- orders that are not ended, counted here so that nobody looks through all of them
) with (fillfactor = 50);

-- States change often and are not indexed, so that a change stays within its page.
create table :schema."order" (
  account_id         bigint not null,
  order_id           text not null,
  number             bigint not null, -- seq of its first row: newest first
  client_order_id    text not null,
  symbol             text not null,
  side               text not null,
  type               text not null,
  quantity           numeric(38,18) not null,
  limit_price        numeric(38,18),
  time_in_force      text not null,
  source             text not null,
  state              text not null,
  filled_quantity    numeric(38,18) not null,
  filled_value       numeric(38,18) not null, -- sum of price × quantity of its fills, exact
  average_fill_price numeric generated always as (case when filled_quantity > 0 then round(filled_value / filled_quantity, 8) end) stored,
  denial             jsonb,
  reason             text,
  submitted_at       timestamptz not null,
  updated_at         timestamptz not null,
  seqs               bigint[] not null, -- the journal rows that touched it
  primary key (account_id, order_id)
) with (fillfactor = 70);
create index order_newest on :schema."order" (account_id, number);

create table :schema.fill (
  account_id bigint not null,
  seq        bigint not null,
  ordinal    int not null, -- place of the event within its row
  fill_id    text not null,
  order_id   text not null,
  symbol     text not null,
  side       text not null,
  quantity   numeric(38,18) not null,
  price      numeric(38,18) not null,
  at         timestamptz not null,
  broker_at  timestamptz not null,
  primary key (account_id, seq, ordinal)
);

create table :schema.ledger (
  account_id      bigint not null,
  seq             bigint not null,
  ordinal         int not null,
  reason          text not null,
  amount          numeric(38,18) not null,
  balance         numeric(38,18) not null,
  currency        text not null,
  order_id        text,
  fill_id         text,
  quote_amount    numeric(38,18),
  conversion_rate numeric(38,18),
  at              timestamptz not null,
  primary key (account_id, seq, ordinal)
);

create table :schema.position (
  account_id    bigint not null,
  position_id   text not null,
  symbol        text not null,
  side          text not null,
  state         text not null check (state in ('open', 'closed')),
  quantity      numeric(38,18) not null,
  cost          numeric(38,18) not null,
  average_price numeric(38,18) not null,
  updated_at    timestamptz not null,
  seq           bigint not null,
  primary key (account_id, position_id)
) with (fillfactor = 70);

-- Which commands were handled, and where their outcome stands: asked when the actor's own memory does not reach back far enough.
create table :schema.command (
  account_id bigint not null,
  command_id text not null,
  digest     bytea not null,
  seq        bigint not null,
  primary key (account_id, command_id)
);

-- What is not derived from the journal.

create table :schema.api_key (
  key_id     text primary key,
  role       text not null,
  scopes     text[] not null,
  name       text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default clock_timestamp()
);

create table :schema.audit (
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

create table :schema.signal (
  signal_id  text primary key,
  created_at timestamptz not null,
  body       jsonb not null
);
