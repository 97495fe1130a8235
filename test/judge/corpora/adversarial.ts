import { type Corpus, independentTexts } from '../corpus.ts'
import { ADVERSARIAL_SETUP, ADVERSARIAL_TEXTS } from './adversarial-given.ts'

/** Texts that somebody else wrote to break the classifier, with the functions, views, operators and types that they need. */
export const adversarial: Corpus = {
  name: 'adversarial',
  suites: async ({ cluster: { primary } }) => {
    const setup = ADVERSARIAL_SETUP.map((sql) => sql.replaceAll('PGPORT', String(primary.port))).join(';\n')
    return [independentTexts('adversarial', setup, ADVERSARIAL_TEXTS)]
  },
}
