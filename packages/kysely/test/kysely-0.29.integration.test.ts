import { describeConformance } from './conformance.ts'

describeConformance('0.29', { hasAbortedTransactionError: true })
