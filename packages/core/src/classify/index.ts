export { type Body, classifyBody } from './body.ts'
export { type Classifier, type ClassifierOptions, createClassifier } from './classifier.ts'
export { classify } from './classify.ts'
export { createKnowledge, type Knowledge, type KnowledgeTables, type Known } from './knowledge.ts'
