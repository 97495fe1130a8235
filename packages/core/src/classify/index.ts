export { type Body, classifyBody } from './body.ts'
export { type Classifier, type ClassifierOptions, createClassifier } from './classifier.ts'
export { classify } from './classify.ts'
export {
  createKnowledge,
  type Inventory,
  type Knowledge,
  type KnowledgeTables,
  type Known,
  type NameKind,
} from './knowledge.ts'
export type { NameFilter } from './name-filter.ts'
