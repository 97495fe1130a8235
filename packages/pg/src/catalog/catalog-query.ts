/**
 * Anything that runs a query on Postgres as node-postgres does: a pool, a client, or a wrapper around one.
 * Structural, so that no driver is needed here.
 */
export interface CatalogTarget {
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>
}

/**
 * One row of {@link CATALOG_QUERY}. Everything is text: what a driver makes of oids and arrays is the app's own business.
 *
 * Ids are `f`, `r` or `t` (function, relation, type) and an oid. `refs` holds ids, separated by commas; `b` and a name
 * stands for a function of pg_catalog.
 */
export interface CatalogRow {
  readonly kind: 'function' | 'operator' | 'relation' | 'policy' | 'type' | 'names'
  readonly id: string
  readonly schema: string
  readonly name: string
  /** Functions: the language, or `aggregate`. Relations: relkind. Names: what they are the names of. */
  readonly sort: string | null
  /** Functions: volatility, `t`rusted or `u`ntrusted, `a` when callable in attribute notation. Relations: persistence. Operators: `b` between Postgres's own types. */
  readonly marks: string | null
  readonly extension: string | null
  /** Names: all of one schema, as an array in JSON. */
  readonly body: string | null
  /** Functions: the defaults of its arguments, which a call may run. */
  readonly defaults: string | null
  readonly settings: string | null
  readonly refs: string | null
}

/**
 * All that a statement's text does not show, of one database, in one snapshot and one round trip. Postgres 14 or newer;
 * needs no privilege.
 *
 * Objects from oid 16384 on are the user's and the extensions', in whatever schema (`FirstNormalObjectId`). Objects of
 * pg_catalog are pinned, so pg_depend does not hold them: those are found by the text, or by name. Trigger functions
 * cannot be called. Rules other than a view's own matter to writes only, as do triggers, defaults and generated columns.
 * A materialised view is read like a table. A temporary relation is some other session's, which nobody else can read. Input and output functions of types must be in C: they are taken as reads.
 * What a type runs where nothing names it (the operators behind IN, ORDER BY or DISTINCT, implicit casts, the checks of the
 * domains in it) marks all that holds the type: other types, relations with a column of it, functions that take or return it.
 * Names tell what is newer than all this: of relations and types all, of functions and operators those of the server itself.
 */
export const CATALOG_QUERY: string = `
with
namespace as materialized (
  select oid, nspname, nspname like 'pg\\_temp\\_%' or nspname like 'pg\\_toast%' as is_temporary
  from pg_catalog.pg_namespace
),
ref as materialized (
  select classid, objid,
    string_agg(case refclassid when 'pg_catalog.pg_proc'::regclass then 'f' else 't' end || refobjid::text, ',') as refs
  from pg_catalog.pg_depend
  where deptype = 'n' and refobjid >= 16384
    and refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass)
    and classid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_rewrite'::regclass,
      'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_constraint'::regclass)
  group by classid, objid
),
member as materialized (
  select d.objid, e.extname
  from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
  where d.classid = 'pg_catalog.pg_proc'::regclass and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'
),
own as materialized (select oid, proname, prosrc, prolang from pg_catalog.pg_proc where oid < 16384),
aggregate as materialized (
  select a.aggfnoid, string_agg('b' || o.proname::text, ',') as refs
  from pg_catalog.pg_aggregate a
  join own o on o.oid in (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
  where a.aggfnoid >= 16384
  group by a.aggfnoid
),
behind as materialized (
  select b.type, 'f' || b.function::oid::text as ref
  from (
    select castsource as type, castfunc as function from pg_catalog.pg_cast where oid >= 16384
    union select casttarget, castfunc from pg_catalog.pg_cast where oid >= 16384
    union select oprleft, oprcode from pg_catalog.pg_operator where oid >= 16384
    union select oprright, oprcode from pg_catalog.pg_operator where oid >= 16384
    union select amproclefttype, amproc from pg_catalog.pg_amproc where oid >= 16384
    union select amprocrighttype, amproc from pg_catalog.pg_amproc where oid >= 16384
    union select rngtypid, rngcanonical from pg_catalog.pg_range where rngtypid >= 16384
    union select rngtypid, rngsubdiff from pg_catalog.pg_range where rngtypid >= 16384
  ) b
  join pg_catalog.pg_proc p on p.oid = b.function
  join pg_catalog.pg_language l on l.oid = p.prolang
  where b.type >= 16384 and p.oid >= 16384 and l.lanname not in ('c', 'internal')
),
part as materialized (
  select c.reltype as whole, a.atttypid as type
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
  where a.atttypid >= 16384 and a.attnum > 0 and not a.attisdropped and c.reltype <> 0
  union select oid, typbasetype from pg_catalog.pg_type where typbasetype >= 16384
  union select oid, typelem from pg_catalog.pg_type where typelem >= 16384
  union select rngtypid, rngsubtype from pg_catalog.pg_range where rngsubtype >= 16384
  union select rngmultitypid, rngtypid from pg_catalog.pg_range where rngtypid >= 16384
),
marked as materialized (
  with recursive holder as (
    select type from behind
    union select contypid from pg_catalog.pg_constraint where contypid >= 16384
    union select p.whole from holder h join part p on p.type = h.type
  )
  select type from holder
),
coerced as materialized (
  select a.attrelid, string_agg(a.ref, ',') as refs
  from (
    select a.attrelid, 't' || a.atttypid::text as ref
    from marked m join pg_catalog.pg_attribute a on a.atttypid = m.type
    where a.attnum > 0 and not a.attisdropped and a.attrelid >= 16384
    union
    select a.attrelid, 'f' || c.castfunc::text
    from pg_catalog.pg_cast c join pg_catalog.pg_attribute a on a.atttypid = c.casttarget
    where c.oid >= 16384 and c.castcontext = 'i' and c.castsource < 16384 and c.casttarget < 16384 and c.castfunc >= 16384
      and a.attnum > 0 and not a.attisdropped and a.attrelid >= 16384
  ) a
  group by a.attrelid
),
child as materialized (
  select i.inhparent, string_agg('r' || c.oid::text, ',') as refs
  from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
  where c.relkind = 'f' or c.relpersistence = 'u' or c.relhassubclass
  group by i.inhparent
)
select 'function' as kind, 'f' || p.oid::text as id, n.nspname::text as schema, p.proname::text as name,
  case when p.prokind = 'a' then 'aggregate' else l.lanname::text end as sort,
  p.provolatile::text || case when l.lanpltrusted then 't' else 'u' end
    || case when p.pronargs >= 1 and p.pronargs - p.pronargdefaults <= 1 and (a.typtype in ('c', 'd', 'p') or p.provariadic <> 0) then 'a' else '' end as marks,
  m.extname::text as extension,
  case when p.prokind = 'a' then null
    when l.lanname = 'internal' then (select min(o.proname::text) from own o where o.prosrc = p.prosrc and o.prolang = p.prolang)
    when p.prosqlbody is not null then pg_catalog.pg_get_function_sqlbody(p.oid)
    when l.lanname <> 'c' then p.prosrc end as body,
  case when p.pronargdefaults > 0 then pg_catalog.pg_get_expr(p.proargdefaults, 0) end as defaults,
  array_to_string(p.proconfig, ',') as settings,
  concat_ws(',', r.refs, g.refs, (
    select string_agg('t' || m.type::text, ',') from marked m
    where m.type = p.prorettype or m.type = any (coalesce(p.proallargtypes, p.proargtypes::oid[])))) as refs
from pg_catalog.pg_proc p
join namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
left join pg_catalog.pg_type a on a.oid = p.proargtypes[0]
left join member m on m.objid = p.oid
left join ref r on r.classid = 'pg_catalog.pg_proc'::regclass and r.objid = p.oid
left join aggregate g on g.aggfnoid = p.oid
where p.oid >= 16384 and not n.is_temporary
  and p.prorettype not in ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
union all
select 'operator', 'o' || o.oid::text, n.nspname::text, o.oprname::text, null,
  case when o.oprleft < 16384 and o.oprright < 16384 then 'b' end, null, null, null, null,
  case when o.oprcode >= 16384 then 'f' || o.oprcode::oid::text else 'b' || w.proname::text end
from pg_catalog.pg_operator o
join namespace n on n.oid = o.oprnamespace
left join own w on w.oid = o.oprcode
where o.oid >= 16384 and not n.is_temporary and o.oprcode <> 0
union all
select 'relation', 'r' || c.oid::text, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, null,
  case when c.relkind = 'v' then pg_catalog.pg_get_viewdef(c.oid) end, null, null,
  concat_ws(',', r.refs, h.refs, k.refs)
from pg_catalog.pg_class c
join namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_rewrite w on w.ev_class = c.oid and w.ev_type = '1' and c.relkind = 'v'
left join ref r on r.classid = 'pg_catalog.pg_rewrite'::regclass and r.objid = w.oid
left join child h on h.inhparent = c.oid
left join coerced k on k.attrelid = c.oid
where c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and (c.relkind in ('v', 'f', 'S') or c.relpersistence <> 'p' or c.relrowsecurity or h.refs is not null or k.refs is not null)
  and n.nspname not like 'pg\\_toast%' and c.relpersistence <> 't'
union all
select 'policy', 'r' || c.oid::text, '', '', null, null, null, pg_catalog.pg_get_expr(y.polqual, y.polrelid), null, null, r.refs
from pg_catalog.pg_policy y
join pg_catalog.pg_class c on c.oid = y.polrelid
left join ref r on r.classid = 'pg_catalog.pg_policy'::regclass and r.objid = y.oid
where c.relrowsecurity and y.polcmd in ('r', '*') and y.polqual is not null
union all
select 'type', 't' || t.oid::text, n.nspname::text, t.typname::text, null, null, null,
  pg_catalog.pg_get_expr(k.conbin, 0), null, null,
  concat_ws(',', case when t.typtype = 'd' then 't' || t.typbasetype::text end, r.refs)
from pg_catalog.pg_type t
join namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_constraint k on k.contypid = t.oid and k.contype = 'c'
left join ref r on r.classid = 'pg_catalog.pg_constraint'::regclass and r.objid = k.oid
where t.oid >= 16384 and t.typtype = 'd' and not n.is_temporary
union all
select 'type', 't' || t.oid::text, n.nspname::text, t.typname::text, null, null, null, null, null, null,
  case when c.castfunc >= 16384 then 'f' || c.castfunc::text else 'b' || o.proname::text end
from pg_catalog.pg_cast c
join pg_catalog.pg_type t on t.oid = c.casttarget
join namespace n on n.oid = t.typnamespace
left join own o on o.oid = c.castfunc
where c.oid >= 16384 and c.castfunc <> 0 and (c.casttarget >= 16384 or c.castsource < 16384)
union all
select 'type', 't' || t.oid::text, n.nspname::text, t.typname::text, null, null, null, null, null, null, x.ref
from (
  select b.type, b.ref from behind b
  union
  select p.whole, 't' || p.type::text from part p join marked m on m.type = p.type
) x
join pg_catalog.pg_type t on t.oid = x.type
join namespace n on n.oid = t.typnamespace
where not n.is_temporary
union all
select 'names', '', n.nspname::text, '', x.sort, null, null, pg_catalog.json_agg(x.name)::text, null, null, null
from (
  select distinct pronamespace as namespace, 'function' as sort, proname::text as name from pg_catalog.pg_proc where oid < 16384
  union all
  select distinct oprnamespace, 'operator', oprname::text from pg_catalog.pg_operator where oid < 16384
  union all
  select relnamespace, 'relation', relname::text from pg_catalog.pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
  union all
  select typnamespace, 'type', typname::text from pg_catalog.pg_type
  where typtype <> 'c' and not (typtype = 'b' and typcategory = 'A' and typname like '\\_%')
) x join namespace n on n.oid = x.namespace
where not n.is_temporary
group by n.nspname, x.sort`
