import { STANDBY_TABLE } from '../../../packages/core/test/classify-standby-table.ts'
import { type Corpus, independentTexts, type Surroundings } from '../corpus.ts'
import { SCHEMA } from './schema.ts'

/** Every statement of the table of a standby's answers, put to a standby again. */
export const standbyTable: Corpus = {
  name: 'standby-table',
  suites: async (surroundings) => {
    const texts = [...Object.values(STANDBY_TABLE).flat().map(harmless), ...remoteTexts(surroundings)]
    // What others read goes last.
    const isDestructive = (sql: string) =>
      /^(DROP TABLE t|TRUNCATE|DROP OWNED|REASSIGN|CREATE RULE|ALTER TYPE)\b/.test(sql)
    const ordered = [...texts.filter((sql) => !isDestructive(sql)), ...texts.filter(isDestructive)]
    return [independentTexts('standby-table', SCHEMA, ordered)]
  },
}

/** The same statement, without what it would leave behind on this machine. */
function harmless(sql: string): string {
  return sql.replace(/'\/tmp\/[\w.]+'/, "'/dev/null'").replace("LOCATION '/tmp'", "LOCATION '/nonexistent'")
}

/** What writes on the primary from a standby's session, for real; and the rows of the table that need a session before. */
function remoteTexts({ cluster: { primary } }: Pick<Surroundings, 'cluster'>): readonly string[] {
  const target = `'host=${primary.host} port=${primary.port} user=postgres dbname=postgres'`
  return [
    `SELECT * FROM dblink(${target}, 'create table if not exists judged (a int); insert into judged values (1) returning a') AS r(a text)`,
    `SELECT dblink_exec(${target}, 'create table if not exists judged (a int)')`,
    `SELECT dblink_exec(${target}, 'insert into judged values (1)')`,
    `SELECT * FROM dblink(${target}, 'select 1') AS r(id int)`,
    'BEGIN; SAVEPOINT a; RELEASE a; COMMIT',
    'BEGIN; SELECT 1; COMMIT AND CHAIN; ROLLBACK',
    'PREPARE q AS SELECT 1; EXECUTE q',
    "PREPARE q AS INSERT INTO t2(v) VALUES ('p'); EXECUTE q",
    'PREPARE q AS SELECT * FROM t FOR UPDATE; EXECUTE q',
    'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT * FROM t; FETCH LAST FROM c; COMMIT',
    'BEGIN; SET LOCAL default_transaction_read_only = off; INSERT INTO t2(v) VALUES (1); COMMIT',
    'BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT',
    'BEGIN; SET TRANSACTION READ ONLY; SELECT 1; COMMIT',
    'SELECT * FROM ul',
    'SELECT * FROM us',
    'SELECT * FROM ul_serial',
    'EXPLAIN SELECT * FROM ul',
    'SELECT * FROM t LEFT JOIN ul USING (id) LIMIT 1',
    'SELECT * FROM vw_volatile',
    'SELECT * FROM vw_write',
    'TABLE s',
  ]
}
