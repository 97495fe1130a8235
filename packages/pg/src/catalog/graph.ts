import {
  type Access,
  classifyBody,
  isReadInSilence,
  type Knowledge,
  type Known,
  type NameKind,
} from '@headwater/core/internal'
import { judgeCatalogFunction } from './catalog-function.ts'
import type { CatalogKnowledge, CatalogObject, Evidence } from './object.ts'

const READS: Known = Object.freeze({ access: 'read', reason: 'reads-only' })
const RUNS_ARGUMENTS_UNSEEN: Known = Object.freeze({ access: 'write', reason: 'procedural-code' })
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
  readonly #attributes = new Set<string>()
  /** The strictest of the operators that a word may stand for, and of what a name may name that only a value holds. */
  readonly #implied: Name = { known: READS, dependents: new Set() }
  readonly #named: Name = { known: READS, dependents: new Set() }
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
      findAttribute: (name) =>
        this.#attributes.has(name)
          ? (overrides.findFunction(undefined, name) ?? this.#ask('function', undefined, name))
          : undefined,
      findImplied: () => this.#answer(this.#implied),
      findNamed: () => this.#answer(this.#named),
      findType: (schema, name) => this.#ask('type', schema, name),
      ...(overrides.inventory === undefined ? {} : { inventory: overrides.inventory }),
    }
  }

  /** What the operators need that a word may stand for. */
  get implied(): Known {
    return this.#implied.known
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
    if (evidence.isAttribute === true) this.#attributes.add(name)
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
      known = stricter(known, asReferred(this.#overridden(target) ?? target.known, text !== undefined))
    }
    return known
  }

  #overridden(target: GraphObject): Known | undefined {
    return target.kind === 'function' ? this.#overrides.findFunction(target.schema, target.name) : undefined
  }

  #raise(object: GraphObject, known: Known): void {
    const { access, runsArguments } = known
    object.known = Object.freeze({
      access,
      reason: reasonByName(known),
      ...(runsArguments === true ? { runsArguments } : {}),
    })
    if (object.evidence.some(({ isImplied }) => isImplied === true)) this.#raiseName(this.#implied, object.known)
    const mayBeNamed = object.kind === 'relation' || (object.kind === 'function' && this.#attributes.has(object.name))
    if (mayBeNamed && isReadInSilence(object.known)) this.#raiseName(this.#named, object.known)
    for (const dependent of object.dependents) this.#wait(dependent)
    for (const schema of [object.schema, undefined]) {
      this.#raiseName(this.#nameOf(object.kind, schema, object.name), object.known)
    }
  }

  #raiseName(name: Name, known: Known): void {
    if (rankOf(known) <= rankOf(name.known)) return
    name.known = known
    for (const dependent of name.dependents) this.#wait(dependent)
  }

  #ask(kind: NameKind, schema: string | undefined, name: string): Known | undefined {
    const found = this.#names[kind].get(keyOf(schema, name))
    return found === undefined ? undefined : this.#answer(found)
  }

  #answer(found: Name): Known {
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

/** What refers to a function by name shows what it gives it; what calls it in another way (an operator, a cast) does not. */
function asReferred(known: Known, isShown: boolean): Known {
  if (known.runsArguments !== true) return known
  return isShown ? { access: known.access, reason: known.reason } : RUNS_ARGUMENTS_UNSEEN
}

/** A call of something that does not exist is not tried on a standby, unlike other unknowns; what runs its arguments is not always. */
function rankOf({ access, reason, runsArguments }: Known): number {
  if (reason === 'newer-than-catalog') return RANK[access] + 0.5
  return runsArguments === true ? RANK[access] + 0.25 : RANK[access]
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
