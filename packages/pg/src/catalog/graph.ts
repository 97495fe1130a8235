import { type Access, classifyBody, type Knowledge, type Known, type NameKind } from '@headwater/core/internal'
import { judgeCatalogFunction } from './catalog-function.ts'
import type { CatalogKnowledge, CatalogObject, Evidence } from './object.ts'

const READS: Known = Object.freeze({ access: 'read', reason: 'reads-only' })
const RANK: Readonly<Record<Access, number>> = { read: 0, unknown: 1, session: 2, write: 3 }

/**
 * The objects of one database and what each of them needs, found by letting needs rise along calls until nothing
 * changes: a function is a read when all that it can reach is, cycles included.
 *
 * It starts from "everything reads". A verdict on a body asks for names; whatever asked for a name is judged again when
 * that name has risen. No object rises more than four times, so the work is bounded by the number of calls.
 */
export class CatalogGraph {
  readonly #objects = new Map<string, GraphObject>()
  readonly #names: Readonly<Record<NameKind, Map<string, Name>>> = {
    function: new Map(),
    operator: new Map(),
    relation: new Map(),
    type: new Map(),
  }
  readonly #overrides: Knowledge
  #waiting: GraphObject[] = []
  #next = 0
  /** The object that is being judged: it depends on the names that are asked for. */
  #judged: GraphObject | undefined
  readonly #knowledge: Knowledge & Pick<CatalogKnowledge, 'findType'>

  /** `overrides` is what the app says, which beats what is found here. */
  constructor(overrides: Knowledge) {
    this.#overrides = overrides
    this.#knowledge = {
      findFunction: (schema, name) => overrides.findFunction(schema, name) ?? this.#ask('function', schema, name),
      findOperator: (schema, name) => overrides.findOperator(schema, name) ?? this.#ask('operator', schema, name),
      findRelation: (schema, name) => overrides.findRelation(schema, name) ?? this.#ask('relation', schema, name),
      findType: (schema, name) => this.#ask('type', schema, name),
      ...(overrides.inventory === undefined ? {} : { inventory: overrides.inventory }),
    }
  }

  get objects(): Iterable<CatalogObject> {
    return this.#objects.values()
  }

  /** Adds an object, or more evidence about one that is there already. */
  add(id: string, kind: NameKind, schema: string, name: string, evidence: Evidence): void {
    let object = this.#objects.get(id)
    if (object === undefined) {
      object = new GraphObject(id, kind, schema, name)
      this.#objects.set(id, object)
      this.#nameOf(kind, schema, name)
      this.#nameOf(kind, undefined, name)
    }
    object.evidence.push(evidence)
    this.#wait(object)
  }

  /** More evidence about an object that may not be there. */
  addTo(id: string, evidence: Evidence): void {
    const object = this.#objects.get(id)
    if (object === undefined) return
    object.evidence.push(evidence)
    this.#wait(object)
  }

  /** Judges one object that waits; `false` when none does. In steps, so that a caller can let others run between them. */
  step(): boolean {
    const object = this.#waiting[this.#next]
    if (object === undefined) {
      this.#waiting = []
      this.#next = 0
      return false
    }
    this.#next += 1
    object.isWaiting = false
    this.#judged = object
    let known = object.known
    for (const evidence of object.evidence) known = stricter(known, this.#weigh(evidence, object))
    this.#judged = undefined
    if (rankOf(known) > rankOf(object.known)) this.#raise(object, known)
    return true
  }

  #wait(object: GraphObject): void {
    // What writes cannot rise any more.
    if (object.isWaiting || object.known.access === 'write') return
    object.isWaiting = true
    this.#waiting.push(object)
  }

  #weigh({ text, refs, fact }: Evidence, object: GraphObject): Known {
    let known = fact ?? READS
    if (text !== undefined) known = stricter(known, classifyBody(text.language, text.body, this.#knowledge))
    for (const ref of refs ?? []) {
      if (ref.startsWith('b')) {
        known = stricter(known, judgeCatalogFunction(ref.slice(1)))
        continue
      }
      const target = this.#objects.get(ref)
      if (target === undefined) continue
      target.dependents.add(object)
      known = stricter(known, this.#overridden(target) ?? target.known)
    }
    return known
  }

  #overridden(target: GraphObject): Known | undefined {
    return target.kind === 'function' ? this.#overrides.findFunction(target.schema, target.name) : undefined
  }

  #raise(object: GraphObject, known: Known): void {
    object.known = Object.freeze({ access: known.access, reason: reasonByName(known) })
    for (const dependent of object.dependents) this.#wait(dependent)
    for (const schema of [object.schema, undefined]) {
      const name = this.#nameOf(object.kind, schema, object.name)
      if (rankOf(known) <= rankOf(name.known)) continue
      name.known = object.known
      for (const dependent of name.dependents) this.#wait(dependent)
    }
  }

  #ask(kind: NameKind, schema: string | undefined, name: string): Known | undefined {
    const found = this.#names[kind].get(keyOf(schema, name))
    if (found === undefined) return undefined
    if (this.#judged !== undefined) found.dependents.add(this.#judged)
    return found.known
  }

  #nameOf(kind: NameKind, schema: string | undefined, name: string): Name {
    const key = keyOf(schema, name)
    let found = this.#names[kind].get(key)
    if (found === undefined) {
      found = { known: READS, dependents: new Set() }
      this.#names[kind].set(key, found)
    }
    return found
  }
}

class GraphObject implements CatalogObject {
  readonly id: string
  readonly kind: NameKind
  readonly schema: string
  readonly name: string
  readonly evidence: Evidence[] = []
  readonly dependents: Set<GraphObject> = new Set()
  known: Known = READS
  isWaiting = false

  constructor(id: string, kind: NameKind, schema: string, name: string) {
    this.id = id
    this.kind = kind
    this.schema = schema
    this.name = name
  }
}

/** All objects of one name: a call by that name needs what the strictest of them needs. */
interface Name {
  known: Known
  readonly dependents: Set<GraphObject>
}

/** No name holds a zero byte. */
const keyOf = (schema: string | undefined, name: string): string => `${schema ?? ''}\0${name}`

function stricter(left: Known, right: Known): Known {
  return rankOf(right) > rankOf(left) ? right : left
}

/** A call of something that does not exist is not tried on a standby, unlike other unknowns. */
function rankOf({ access, reason }: Known): number {
  return reason === 'newer-than-catalog' ? RANK[access] + 0.5 : RANK[access]
}

/** What a caller sees: that a name writes, not which statement inside does. */
function reasonByName({ access, reason }: Known): Known['reason'] {
  switch (reason) {
    case 'data-modification':
    case 'row-lock':
    case 'table-lock':
    case 'schema-change':
    case 'select-into':
    case 'copy-from':
    case 'maintenance':
    case 'syntax':
      return 'writing-function'
    case 'override':
      return access === 'write' ? 'writing-function' : access === 'session' ? 'session-state' : 'unseen-function'
    default:
      return reason
  }
}
