import { IMPLIED_OPERATORS, type Known } from '@headwater/core/internal'
import { findCatalogFunction } from './catalog-function.ts'
import type { CatalogRow } from './catalog-query.ts'
import { judgeForeignBody } from './foreign-language.ts'
import { judgeExtensionFunction } from './known-extensions.ts'
import type { Evidence } from './object.ts'

/** What each row of the catalog shows by itself. */
export class CatalogFacts {
  /** Functions that `x.f` calls when x is a row. */
  readonly attributes: Set<string> = new Set()
  /** The ids of functions behind an operator or a cast. In C, and not volatile, they are taken as reads. */
  readonly #trusted = new Set<string>()

  constructor(rows: readonly CatalogRow[]) {
    for (const { kind, id, marks, refs } of rows) {
      if (kind === 'operator' || kind === 'type') for (const ref of split(refs)) this.#trusted.add(ref)
      if (kind === 'function' && marks?.endsWith('a') === true) this.attributes.add(id)
    }
  }

  evidenceOf(row: CatalogRow): Evidence {
    switch (row.kind) {
      case 'function':
        return { ...this.#functionEvidence(row), isAttribute: this.attributes.has(row.id) }
      case 'relation':
        return { ...relationText(row), refs: split(row.refs), fact: this.#relationFact(row) }
      case 'type':
        return row.body === null ? { refs: split(row.refs) } : expression(row.body, row.refs)
      case 'operator':
        return { refs: split(row.refs), isImplied: row.marks === 'b' && IMPLIED_OPERATORS.includes(row.name) }
      case 'policy':
      case 'names':
        return { refs: split(row.refs) }
    }
  }

  #functionEvidence(row: CatalogRow): Evidence {
    const { sort: language, body, extension, name, marks, settings } = row
    const refs = split(row.refs)
    const isSettingNode = settings !== null && /(?:^|,)(?:default_)?transaction_/.test(settings)
    const fact = isSettingNode ? TRANSACTION_SETTING : undefined
    if (language === 'sql' || language === 'plpgsql')
      return { text: body === null ? undefined : { language, body }, refs, fact }
    if (language === 'aggregate') return { refs }
    // Another name for one of Postgres's own.
    if (language === 'internal') return body === null ? { refs, fact: UNSEEN } : { refs: [...refs, `b${body}`], fact }
    if (language !== 'c') {
      const text = body === null || language === null ? undefined : { language, body }
      return { text, refs, fact: judgeForeignBody(body ?? '', marks?.[1] === 't') }
    }
    const known = extension === null ? undefined : judgeExtensionFunction(extension, name)
    if (known !== undefined) return { refs, fact: known }
    const isTrusted = marks?.[0] !== 'v' && (this.#trusted.has(row.id) || findCatalogFunction(name) !== undefined)
    return { refs, fact: isTrusted ? undefined : UNSEEN }
  }

  #relationFact({ sort, marks }: CatalogRow): Known | undefined {
    if (sort === 'S') return SEQUENCE
    if (sort === 'f') return FOREIGN
    return marks === 'u' ? UNLOGGED : undefined
  }
}

const UNSEEN: Known = Object.freeze({ access: 'unknown', reason: 'unseen-function' })
const SEQUENCE: Known = Object.freeze({ access: 'write', reason: 'sequence' })
const FOREIGN: Known = Object.freeze({ access: 'write', reason: 'remote-server' })
const UNLOGGED: Known = Object.freeze({ access: 'write', reason: 'unlogged' })
const TRANSACTION_SETTING: Known = Object.freeze({ access: 'write', reason: 'transaction-control' })

function relationText({ body }: CatalogRow): Evidence {
  return body === null ? {} : { text: { language: 'sql', body } }
}

/** An expression over nothing, as evidence. */
export function expression(body: string | null, refs: string | null): Evidence {
  return {
    text: body === null ? undefined : { language: 'sql', body: `select ${body}` },
    refs: split(refs),
  }
}

function split(refs: string | null): readonly string[] {
  return refs === null || refs === '' ? [] : refs.split(',')
}
