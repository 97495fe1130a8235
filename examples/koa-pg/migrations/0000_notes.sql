create table note (
  id integer primary key generated always as identity,
  author text not null,
  body text not null,
  -- The region of the app that wrote it.
  written_in text not null,
  written_at timestamptz not null default now()
);
