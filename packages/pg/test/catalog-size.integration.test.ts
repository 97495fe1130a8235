import { monitorEventLoopDelay } from 'node:perf_hooks'
import { classify } from '@headwater/core/internal'
import { expect, it } from 'vitest'
import { loadCatalog } from '../src/catalog/load-catalog.ts'
import { CatalogWorld } from './catalog-world.ts'

const COUNT = 5000

/** Functions of about 700 characters, each calling the next two; every hundredth writes. */
const SCHEMA = `
  do $do$ begin
    for i in 1..${COUNT} loop
      execute format($make$ create function job_%s(n int) returns int language plpgsql as $body$
        declare found_count int; begin
          select count(*) into found_count from pg_class c join pg_namespace s on s.oid = c.relnamespace
            where c.relkind = 'r' and s.nspname not in ('pg_catalog', 'information_schema') and c.relname like 'job%%' and c.oid > n;
          if found_count > n then return job_%s(n - 1) + job_%s(n - 2); end if;
          for i in 1..n loop found_count := found_count + coalesce(nullif(i, 3), length(repeat('x', i))); end loop;
          %s
          return found_count + (select max(relpages) from pg_class where relname = 'job' and reltuples between 0 and n);
        end $body$ $make$, i, i + 1, i + 2, case when i = ${COUNT} then 'insert into log (body) values (1);' else '' end);
      if i % 5 = 0 then execute format('create view report_%s as select relname, relpages + %s as pages from pg_class', i, i); end if;
    end loop;
  end $do$`

it(`${COUNT} functions, each calling others, load in a reasonable time and leave others their turn`, async () => {
  await using world = await CatalogWorld.start('set check_function_bodies = off', SCHEMA)
  await loadCatalog(world.standby)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const start = performance.now()
  const knowledge = await loadCatalog(world.standby)
  const took = performance.now() - start
  delay.disable()
  console.log(
    `${COUNT} functions: ${took.toFixed(0)} ms, the event loop was held ${(delay.max / 1e6).toFixed(0)} ms at most`,
  )
  // The last one writes, and all the others reach it.
  expect(classify('select job_1(1)', knowledge)).toMatchObject({ access: 'write', reason: 'writing-function' })
  expect(classify('select * from report_5', knowledge).access).toBe('read')
  // A second or two on two idle cores; a machine that builds meanwhile takes several.
  expect(took).toBeLessThan(15_000)
}, 60_000)
