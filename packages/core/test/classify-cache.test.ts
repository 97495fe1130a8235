import { describe, expect, test } from 'vitest'
import { createClassifier } from '../src/classify/classifier.ts'
import { classify } from '../src/classify/classify.ts'
import { createKnowledge } from '../src/classify/names/knowledge.ts'

describe('createClassifier', () => {
  test('gives the same object for the same text', () => {
    const classifier = createClassifier()
    const sql = 'INSERT INTO t VALUES (1)'
    expect(classifier.classify(sql)).toBe(classifier.classify(`INSERT INTO t${' VALUES (1)'}`))
  })

  test('holds at most maxEntries texts, and keeps those in use', () => {
    const classifier = createClassifier({ maxEntries: 100 })
    const used = classifier.classify('DELETE FROM used')
    for (let index = 0; index < 10_000; index++) {
      classifier.classify(`DELETE FROM t WHERE id = ${index}`)
      if (index % 20 === 0) expect(classifier.classify('DELETE FROM used')).toBe(used)
      expect(classifier.size).toBeLessThanOrEqual(100)
    }
  })

  test('texts that differ in one character get their own verdicts', () => {
    const classifier = createClassifier({ maxEntries: 64 })
    const text = 'SELECT f(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)'
    for (let round = 0; round < 3; round++) {
      for (let at = 'SELECT f('.length; at < text.length - 1; at++) {
        const called = `${text.slice(0, at)}(${text.slice(at + 1)})`
        const plain = `${text.slice(0, at)},${text.slice(at + 1)})`
        for (const sql of [called, plain]) expect(classifier.classify(sql)).toEqual(classify(sql))
      }
    }
  })

  test('remembers no text longer than maxLength, and nothing with maxEntries 0', () => {
    const classifier = createClassifier({ maxLength: 20 })
    classifier.classify('SELECT 1, 2, 3, 4, 5, 6, 7')
    expect(classifier.size).toBe(0)
    const none = createClassifier({ maxEntries: 0 })
    expect(none.classify('SELECT 1').access).toBe('read')
    expect(none.size).toBe(0)
  })

  test('learn() forgets the verdicts that were made without it', () => {
    const classifier = createClassifier()
    expect(classifier.classify('SELECT touch(1)').access).toBe('unknown')
    classifier.learn(createKnowledge({ functions: [['app.touch', { access: 'read', reason: 'reads-only' }]] }))
    expect(classifier.classify('SELECT touch(1)').access).toBe('read')
  })

  test.each([{ maxEntries: -1 }, { maxEntries: 1.5 }, { maxLength: Number.NaN }])('refuses %o', (options) => {
    expect(() => createClassifier(options)).toThrow(/expected a whole number/)
  })
})
