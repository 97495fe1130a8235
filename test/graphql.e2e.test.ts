import { createServer } from 'node:http'
import { ensurePrimary } from '@headwater/core'
import { headwater, replayErrorHandler } from '@headwater/http/express'
import type { RoutedPool } from '@headwater/pg'
import express from 'express'
import { buildSchema, execute, getOperationAST, parse } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listen, SECRET, Stage } from './stage.ts'

const schema = buildSchema(`
  type Query { who: String! }
  type Mutation { write(body: String!): String! }
`)

interface Operation {
  readonly query: string
  readonly operationName?: string
  readonly variables: Record<string, unknown>
}

/** Where each resolver of a mutation began. */
const begun: string[] = []
let stage: Stage

/** One path for all operations: which of them writes, only the parsed body says. */
function graphQl(region: string, pool: RoutedPool): express.Express {
  const app = express()
  app.set('env', 'test')
  app.use(headwater({ pool, secret: SECRET, earlyReplay: ({ url }) => (url === '/graphql' ? 'never' : undefined) }))
  app.post('/graphql', express.json(), async (request, response) => {
    const { query, operationName, variables } = request.body as Operation
    const document = parse(query)
    if (getOperationAST(document, operationName)?.operation === 'mutation') ensurePrimary()
    const rootValue = {
      who: async () => (await pool.query('select who from server')).rows[0].who,
      write: async ({ body }: { body: string }) => {
        begun.push(region)
        await pool.query('insert into note (body, region) values ($1, $2)', [body, region])
        return region
      },
    }
    response.json(await execute({ schema, document, rootValue, variableValues: variables }))
  })
  app.use(replayErrorHandler())
  return app
}

beforeAll(async () => {
  stage = await Stage.open({ startApp: ({ region, pool }) => listen(createServer(graphQl(region, pool))) })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

test('P5: queries of a GraphQL path stay next door, and its mutations begin at home only', async () => {
  const ask = async (query: string, variables = {}): Promise<unknown> => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const response = await stage.fetch('nrt', '/graphql', { ...init, body: JSON.stringify({ query, variables }) })
    return ((await response.json()) as { data: unknown }).data
  }
  for (let at = 0; at < 60; at += 1) {
    if (at % 3 > 0) expect(await ask('{ who }')).toEqual({ who: 'nrt' })
    else
      expect(await ask('mutation ($body: String!) { write(body: $body) }', { body: `${at}` })).toEqual({ write: 'ams' })
    if (at % 3 === 0) expect(await stage.notes(`${at}`)).toEqual(['ams'])
  }
  expect(begun).toEqual(Array(20).fill('ams'))
})
