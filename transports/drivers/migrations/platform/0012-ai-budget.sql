-- What AI calls may cost and did cost. A reservation without a call is of a process that is at work, or was.
create table platform.ai_reservation (
  tenant_id  int not null,
  id         text not null,
  subject_id text not null,
  provider   text not null,
  model      text not null,
  day        int not null, -- whole days of UTC since 1970
  tokens     bigint not null check (tokens >= 0),
  usd        numeric(38, 18) not null check (usd >= 0),
  primary key (tenant_id, id)
);

-- A row for each attempt at a provider.
create table platform.ai_call (
  tenant_id          int not null,
  id                 text not null,
  at                 timestamptz not null,
  subject_id         text not null,
  purpose            text not null,
  provider           text not null,
  model              text not null,
  outcome            text not null, -- answered, lost, unsent, or why it failed
  input_tokens       bigint,
  cached_tokens      bigint,
  cache_write_tokens bigint,
  cache_1h_tokens    bigint,
  output_tokens      bigint,
  reasoning_tokens   bigint,
  cost_usd           numeric(38, 18), -- null: there is no price
  price_version      text not null,
  latency_ms         double precision not null,
  primary key (tenant_id, id)
);
create index ai_call_at on platform.ai_call (tenant_id, at);

-- What the budgets were charged, summed up: what a start has to read.
create table platform.ai_spend (
  tenant_id  int not null,
  subject_id text not null,
  model      text not null,
  day        int not null,
  tokens     bigint not null,
  usd        numeric(38, 18) not null,
  primary key (tenant_id, subject_id, model, day)
);
