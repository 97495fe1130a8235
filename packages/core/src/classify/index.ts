export { type Classifier, type ClassifierOptions, createClassifier } from './classifier.ts'
export { classify } from './classify.ts'
export { type Body, classifyBody } from './grammar/body.ts'
export { mixedFrom } from './mixed-from.ts'
export {
  createKnowledge,
  IMPLIED_OPERATORS,
  type Inventory,
  isReadInSilence,
  type Knowledge,
  type KnowledgeTables,
  type Known,
  type NameKind,
} from './names/knowledge.ts'
export type { NameFilter } from './names/name-filter.ts'
export { needsOwnSession, type SessionNeed, type SessionVerdict, sessionNeedOf } from './session-need.ts'
