-- The keys of this tenant's people, each wrapped by the master key; the tenant's own key is in platform.data_key.
-- A row without its wrapped key says that the key was destroyed on purpose, and that there will never be another.
create table :schema.person_key (
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
create table :schema.person_detail (
  subject_id text not null,
  name       text not null,
  value      bytea not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (subject_id, name)
);

revoke all on :schema.person_key, :schema.person_detail from public;
