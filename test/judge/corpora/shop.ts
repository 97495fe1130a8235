/** What the builders' texts run on: five tables' worth of a shop, with a view and a materialized view. */
export const SHOP_SCHEMA = `
  create type mood as enum ('sad', 'ok', 'happy');
  create table person (id serial primary key, name text not null, email text unique, mood mood, age int, manager_id int references person (id), created_at timestamptz not null default now());
  create table product (id serial primary key, sku text not null unique, price numeric(10, 2) not null, tags text[] not null default '{}', detail jsonb);
  create table purchase (id bigserial primary key, person_id int not null references person (id), product_id int not null references product (id), quantity int not null default 1, note text, placed_on date not null default current_date);
  create table audit (id serial primary key, what text not null, at timestamptz not null default now());
  insert into person (name, email, mood, age, manager_id) select 'p' || i, 'p' || i || '@example.org', (array['sad', 'ok', 'happy'])[1 + i % 3]::mood, 10 + i % 60, nullif(i / 10, 0) from generate_series(1, 100) i;
  insert into product (sku, price, tags, detail) select 'sku-' || i, i * 1.5, array['a', 'b' || i % 7], jsonb_build_object('n', i, 'k', jsonb_build_array(i)) from generate_series(1, 60) i;
  insert into purchase (person_id, product_id, quantity, note, placed_on) select 1 + i % 100, 1 + i % 60, 1 + i % 5, 'n' || i, date '2026-01-01' + i % 90 from generate_series(1, 400) i;
  create view adult as select id, name, age from person where age >= 18;
  create materialized view daily as select placed_on, count(*)::int as purchases from purchase group by placed_on;
  create unique index on daily (placed_on);
`
