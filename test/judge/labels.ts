import { parseSync } from 'libpg-query'

/** What the syntax tree of a text says about where it belongs, by R2's text and Postgres's grammar; the classifier has no part in it. */
export interface Label {
  /** A standby would accept it, but should not decide it (R2): on a standby it is wrong without an error. */
  readonly belongsOnPrimary: string | undefined
  /** It lives in a session or a transaction, so no single statement of it can be said to be on the wrong node (R2, R3). */
  readonly livesInSession: string | undefined
  /** It holds a write, a row lock or a schema change that it would execute. */
  readonly writes: string | undefined
  /** The plan is not the answer: EXPLAIN is not compared between nodes. */
  readonly isExplain: boolean
  /** Postgres's own grammar takes it. */
  readonly isParsed: boolean
  /** Its answer is drawn by lot: two nodes may well differ, and even agree with themselves for a while. */
  readonly isRandom: boolean
  /** Relations that it names, for a look at what they are. */
  readonly relations: readonly string[]
  /** Last names of the functions that it calls. */
  readonly calls: readonly string[]
}

interface Finding {
  belongsOnPrimary: string | undefined
  livesInSession: string | undefined
  writes: string | undefined
  isExplain: boolean
  isParsed: boolean
  isRandom: boolean
  relations: string[]
  calls: string[]
}

type Node = Readonly<Record<string, unknown>>

/** Labels every statement of the text; needs `loadModule()` of libpg-query to have resolved. */
export function labelOf(sql: string): Label {
  const finding: Finding = {
    belongsOnPrimary: undefined,
    livesInSession: undefined,
    writes: undefined,
    isExplain: false,
    isParsed: true,
    isRandom: false,
    relations: [],
    calls: [],
  }
  let statements: readonly { readonly stmt?: unknown }[]
  try {
    statements = parseSync(sql).stmts ?? []
  } catch {
    return { ...finding, isParsed: false }
  }
  for (const { stmt } of statements) {
    for (const [kind, node] of Object.entries((stmt ?? {}) as Node)) seeStatement(finding, kind, node as Node)
  }
  return finding
}

/** Session statements that R2 names, and what they hold on to. */
const SESSION_STATEMENTS: Readonly<Record<string, string>> = {
  PrepareStmt: 'prepared statement',
  ExecuteStmt: 'prepared statement',
  DeallocateStmt: 'prepared statement',
  DiscardStmt: 'session state',
  LoadStmt: 'session state',
  ListenStmt: 'LISTEN',
  UnlistenStmt: 'UNLISTEN',
  LockStmt: 'lock',
  CheckPointStmt: 'node-local',
  AlterSystemStmt: 'node-local',
  NotifyStmt: 'notification',
}

function seeStatement(finding: Finding, kind: string, node: Node): void {
  const session = SESSION_STATEMENTS[kind]
  if (session !== undefined) {
    finding.belongsOnPrimary ??= session
    return
  }
  switch (kind) {
    case 'SelectStmt':
      walk(finding, { [kind]: node })
      return
    case 'VariableSetStmt':
      seeSet(finding, node)
      return
    case 'VariableShowStmt':
    case 'FetchStmt':
    case 'ClosePortalStmt':
    case 'ConstraintsSetStmt':
      finding.livesInSession ??= kind
      return
    case 'TransactionStmt':
      finding.livesInSession ??= kind
      finding.belongsOnPrimary ??= 'transaction control'
      return
    case 'DeclareCursorStmt':
      // WITH HOLD is bit 0x20 of the options; it outlives its transaction.
      if ((Number(node['options'] ?? 0) & 0x20) !== 0) finding.belongsOnPrimary ??= 'cursor WITH HOLD'
      finding.livesInSession ??= kind
      walk(finding, node['query'])
      return
    case 'CopyStmt':
      if (node['is_from'] === true) finding.writes ??= 'COPY FROM'
      else if (typeof node['filename'] === 'string') finding.belongsOnPrimary ??= 'file of the server'
      walk(finding, node['query'])
      if (node['relation'] !== undefined) walk(finding, { RangeVar: node['relation'] })
      return
    case 'ExplainStmt':
      seeExplain(finding, node)
      return
    case 'DoStmt':
      // The tree ends at its body. A SET in there outlives the DO (R2).
      if (
        SET_IN_BODY.test(
          JSON.stringify(node['args'] ?? [])
            .replaceAll(/--.*?\\n/g, ' ')
            .replaceAll('\\t', ' '),
        )
      )
        finding.livesInSession ??= 'SET in DO'
      return
    case 'CallStmt':
      walk(finding, node['funccall'] === undefined ? undefined : { FuncCall: node['funccall'] })
      return
    case 'MergeStmt':
      if (!doesNothing(node)) finding.writes ??= kind
      walk(finding, node)
      return
    default:
      finding.writes ??= kind
  }
}

/** A MERGE all of whose actions are DO NOTHING. */
function doesNothing(node: Node): boolean {
  const clauses = Array.isArray(node['mergeWhenClauses']) ? (node['mergeWhenClauses'] as readonly Node[]) : []
  return clauses.every((clause) => (clause['MergeWhenClause'] as Node | undefined)?.['commandType'] === 'CMD_NOTHING')
}

const SET_IN_BODY = /(;|\b(begin|then|loop|else))(\s|\\n)+set\s+(?!local\b)/i
const STEERING = /^(default_)?transaction_(read_only|isolation|deferrable)$|^session_authorization$|^role$/

function seeSet(finding: Finding, node: Node): void {
  const name = String(node['name'] ?? '')
  if (name === 'TRANSACTION' || name === 'TRANSACTION SNAPSHOT') {
    finding.livesInSession ??= 'transaction control'
    return
  }
  if (node['is_local'] === true && !STEERING.test(name)) finding.livesInSession ??= 'SET LOCAL'
  else if (node['is_local'] === true) finding.livesInSession ??= 'transaction control'
  else finding.belongsOnPrimary ??= 'session state'
}

function seeExplain(finding: Finding, node: Node): void {
  finding.isExplain = true
  const [[kind, query] = ['', undefined]] = Object.entries((node['query'] ?? {}) as Node)
  if (kind === 'ExecuteStmt') finding.livesInSession ??= 'prepared statement'
  if (!analyzes(node['options'])) return
  seeStatement(finding, kind, (query ?? {}) as Node)
}

/** The last ANALYZE among the options counts. (defGetBoolean in src/backend/commands/define.c) */
function analyzes(options: unknown): boolean {
  let isOn = false
  for (const option of Array.isArray(options) ? options : []) {
    const { defname, arg } = ((option as Node)['DefElem'] ?? {}) as Node
    if (defname !== 'analyze') continue
    const value = (arg ?? {}) as {
      Integer?: { ival?: number }
      String?: { sval?: string }
      Boolean?: { boolval?: boolean }
    }
    if (value.Integer !== undefined) isOn = (value.Integer.ival ?? 0) !== 0
    else if (value.Boolean !== undefined) isOn = value.Boolean.boolval === true
    else isOn = value.String === undefined || !/^(false|off)$/i.test(value.String.sval ?? '')
  }
  return isOn
}

/** Looks at everything below an executed query. */
function walk(finding: Finding, root: unknown): void {
  const pending: unknown[] = [root]
  while (pending.length > 0) {
    const node = pending.pop()
    if (Array.isArray(node)) pending.push(...node)
    else if (typeof node === 'object' && node !== null) {
      for (const [kind, child] of Object.entries(node)) {
        if (typeof child !== 'object' || child === null) continue
        seeNode(finding, kind, child as Node)
        pending.push(child)
      }
    }
  }
}

function seeNode(finding: Finding, kind: string, node: Node): void {
  switch (kind) {
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
      finding.writes ??= kind
      return
    case 'MergeStmt':
      if (!doesNothing(node)) finding.writes ??= kind
      return
    case 'intoClause':
      finding.writes ??= 'SELECT INTO'
      return
    case 'lockingClause':
    case 'LockingClause':
      finding.writes ??= 'row lock'
      return
    case 'RangeTableSample':
      if (node['repeatable'] === undefined) finding.isRandom = true
      return
    case 'RangeVar':
    case 'relation':
      seeRelation(finding, node)
      return
    case 'FuncCall':
      seeCall(finding, node)
  }
}

/** Views of pg_catalog over one node's own state, by R2's "node-local statistics" and sections 2.3 and 2.6 of the reference. */
const NODE_VIEWS =
  /^pg_(stat_(?!s$)\w+|statio_\w+|locks|cursors|prepared_statements|prepared_xacts|settings|file_settings|hba_file_rules|ident_file_mappings|replication_slots|replication_origin_status|backend_memory_contexts|shmem_allocations(_numa)?|config|aios|buffercache\w*|sequences)$/

function seeRelation(finding: Finding, node: Node): void {
  const name = String(node['relname'] ?? '')
  const schema = node['schemaname']
  if (name === '') return
  if ((schema === undefined || schema === 'pg_catalog') && NODE_VIEWS.test(name)) finding.belongsOnPrimary ??= name
  const quoted = `"${name.replaceAll('"', '""')}"`
  finding.relations.push(schema === undefined ? quoted : `"${String(schema).replaceAll('"', '""')}".${quoted}`)
}

/** Functions that a standby accepts but should not decide, by what R2 calls them. */
const FUNCTIONS: readonly (readonly [string, RegExp])[] = [
  ['advisory lock', /^pg_(try_)?advisory_/],
  ['sequence', /^(nextval|currval|lastval|setval|pg_sequence_last_value|pg_get_sequence_data)$/],
  ['notification', /^(pg_notify|pg_listening_channels|pg_notification_queue_usage)$/],
  ['exported snapshot', /^pg_export_snapshot$/],
  [
    'transaction horizon',
    /^(txid_(current|status)\w*|pg_current_(snapshot|xact_id\w*)|pg_xact_status|pg_last_committed_xact|pg_xact_commit_timestamp\w*)$/,
  ],
  [
    'large object handle',
    /^(lo_(open|close|creat|create|export|from_bytea|import|lseek\w*|put|tell\w*|truncate\w*|unlink)|loread|lowrite)$/,
  ],
  ['remote server', /^(dblink(_\w+)?|postgres_fdw_\w+)$/],
  ['session state', /^(setseed|pg_my_temp_schema|set_limit|isn_weak|hll_set_\w+|set_nls_sort)$/],
  ['node-local', /^hypopg(_\w+)?$/],
  // What amcheck and pageinspect look at, and pg_visibility's checks, are the files of the node that answers: damage and
  // hint bits are not replicated.
  [
    'node-local',
    /^(bt_index_check|bt_index_parent_check|gin_index_check|verify_heapam|get_raw_page|bt_metap|bt_page_stats|bt_page_items|bt_multi_page_stats|hash_bitmap_info|pgstathashindex|pg_check_(frozen|visible)|pg_freespace)$/,
  ],
  [
    'node-local',
    /^(pg_stat_(?!s$)\w+|pg_is_in_recovery|pg_is_wal_replay_paused|pg_last_(wal|xact_replay)\w*|pg_wal_(replay|summar)\w+|pg_get_wal_\w+|pg_current_wal\w*|pg_switch_wal|pg_walfile\w*|pg_split_walfile_name|pg_promote|pg_backend_pid|inet_(server|client)_(addr|port)|pg_(cancel|terminate)_backend|pg_reload_conf|pg_rotate_logfile\w*|pg_current_logfile|pg_read_(binary_)?file\w*|pg_ls_\w+|pg_control_\w+|pg_backup_\w+|pg_(create|drop|copy)_\w*slot|pg_replication_(slot|origin)\w*|pg_logical_slot\w*|pg_create_restore_point|pg_log_\w+|pg_lock_status|pg_blocking_pids|pg_safe_snapshot_blocking_pids|pg_prepared_(statement|xact)|pg_cursor|pg_postmaster_start_time|pg_conf_load_time|pg_show_all_settings|pg_show_all_file_settings|pg_hba_file_rules|pg_get_backend_memory_contexts|pg_get_shmem\w*|pg_get_aios|pg_get_replication_slots|pg_prewarm|autoprewarm\w*|pg_buffercache\w*|pg_config|pg_database_collation_actual_version|pg_collation_actual_version|pg_numa_available|pg_sync_replication_slots|pg_get_loaded_modules|pg_isolation_test_session_is_blocked|pg_jit_available)$/,
  ],
]
/** orafce's packages that live in the memory or the files of one server, or in one session. */
const PACKAGES =
  /^((dbms_(alert|output|pipe|sql)|utl_file)\.\w+|dbms_random\.(initialize|seed|terminate)|plvdate\.(default_holidays|(no)?include_start|(un)?set_nonbizday|(un)?use_\w+))$/
const RANDOM = /^(random(_normal)?|gen_random_(uuid|bytes)|gen_salt|normal_rand|uuidv[47]|uuid_generate_v[14]\w*)$/
const STATE_SETTINGS = /^(in_hot_standby|(default_)?transaction_(read_only|isolation|deferrable))$/

function seeCall(finding: Finding, node: Node): void {
  const path = (Array.isArray(node['funcname']) ? node['funcname'] : []).map((part) =>
    String((part as { String?: { sval?: string } }).String?.sval ?? ''),
  )
  const name = path.at(-1) ?? ''
  finding.calls.push(name)
  if (PACKAGES.test(path.slice(-2).join('.'))) finding.belongsOnPrimary ??= 'node-local'
  if (RANDOM.test(name)) finding.isRandom = true
  const args = Array.isArray(node['args']) ? (node['args'] as readonly unknown[]) : []
  if (name === 'set_config') {
    if (isTrue(args[2])) finding.livesInSession ??= 'set_config'
    else finding.belongsOnPrimary ??= 'session state'
    if (STATE_SETTINGS.test(text(args[0]) ?? '')) finding.livesInSession ??= 'transaction control'
    return
  }
  if (name === 'current_setting') {
    const setting = text(args[0])
    if (setting === undefined || STATE_SETTINGS.test(setting)) finding.livesInSession ??= 'current_setting'
    if (setting !== undefined && STATE_SETTINGS.test(setting)) finding.belongsOnPrimary ??= 'node-local'
    return
  }
  for (const [reason, pattern] of FUNCTIONS) {
    if (pattern.test(name)) {
      finding.belongsOnPrimary ??= reason
      return
    }
  }
}

function text(node: unknown): string | undefined {
  return (node as { A_Const?: { sval?: { sval?: string } } } | undefined)?.A_Const?.sval?.sval
}

function isTrue(node: unknown): boolean {
  const constant = (node as { A_Const?: { boolval?: { boolval?: boolean } } } | undefined)?.A_Const
  return constant?.boolval?.boolval === true
}
