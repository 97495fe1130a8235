-- Who is signed in. The cookie holds the id, signed.
create table session (
  id text primary key,
  name text not null,
  expires_at timestamptz not null
);

create index session_expires_at on session (expires_at);
