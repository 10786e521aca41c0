-- The keys that encrypt what is secret or personal, each wrapped by the master key, which is never in the database.
-- A row without its wrapped key says that the key was destroyed on purpose, and that there will never be another.

-- One key a tenant; tenant 0 is the platform itself.
create table platform.data_key (
  tenant_id     int not null check (tenant_id >= 0),
  version       int not null check (version > 0),
  master_key_id text,
  wrapped       bytea,
  created_at    timestamptz not null default clock_timestamp(),
  shredded_at   timestamptz,
  primary key (tenant_id, version),
  check ((wrapped is null) = (shredded_at is not null)),
  check ((wrapped is null) = (master_key_id is null))
);

-- The platform's own staff; the people of a tenant have the same two tables in its schema.
create table platform.person_key (
  subject_id    text not null,
  version       int not null check (version > 0),
  generation    int not null, -- version of the tenant's key when this one was made: an older one is due for rotation
  master_key_id text,
  wrapped       bytea,
  created_at    timestamptz not null default clock_timestamp(),
  shredded_at   timestamptz,
  primary key (subject_id, version),
  check ((wrapped is null) = (shredded_at is not null)),
  check ((wrapped is null) = (master_key_id is null))
);

-- What is known of a person, encrypted with that person's key. Everything else knows a person by the subject id alone.
create table platform.person_detail (
  subject_id text not null,
  name       text not null,
  value      bytea not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (subject_id, name)
);

revoke all on platform.data_key, platform.person_key, platform.person_detail from public;
