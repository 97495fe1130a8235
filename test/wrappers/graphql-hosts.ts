import { ApolloServer, HeaderMap } from '@apollo/server'
import { initTRPC } from '@trpc/server'
import { createExpressMiddleware } from '@trpc/server/adapters/express'
import express from 'express'

import { createSchema, createYoga } from 'graphql-yoga'

/** A router that calls `write` for a POST of `postOf`, in one of the frameworks that answer errors by themselves. */
export interface Host {
  readonly name: string
  /** What it answers to an error that it does not know. */
  readonly status: 200 | 500
  readonly body: unknown
  /** Where it listens, below the path of its router. */
  readonly path: string
  readonly route: (write: () => Promise<unknown>) => Promise<express.Router>
}

const MUTATION = { query: 'mutation { write }' }
const TYPES = 'type Query { _: Boolean } type Mutation { write: String }'

const yoga: Host = {
  name: 'GraphQL Yoga',
  path: '',
  status: 200,
  body: MUTATION,
  async route(write) {
    const schema = createSchema({
      typeDefs: TYPES,
      resolvers: { Mutation: { write: async () => String(await write()) } },
    })
    const server = createYoga({ schema, logging: false, graphqlEndpoint: '/write' })
    return express.Router().use((request, response) => void server(request, response))
  },
}

const apollo: Host = {
  name: 'Apollo Server',
  path: '',
  status: 200,
  body: MUTATION,
  async route(write) {
    const server = new ApolloServer({
      typeDefs: TYPES,
      resolvers: { Mutation: { write: async () => String(await write()) } },
      stopOnTerminationSignals: false,
    })
    await server.start()
    return express.Router().use(express.json(), async (request, response) => {
      const headers = new HeaderMap(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      const {
        body,
        status,
        headers: given,
      } = await server.executeHTTPGraphQLRequest({
        httpGraphQLRequest: { method: request.method, headers, search: '', body: request.body },
        context: async () => ({}),
      })
      response.status(status ?? 200).set(Object.fromEntries(given))
      response.send(body.kind === 'complete' ? body.string : 'chunked')
    })
  },
}

const trpc: Host = {
  name: 'tRPC',
  path: '/write',
  status: 500,
  body: undefined,
  async route(write) {
    const t = initTRPC.create()
    const router = t.router({ write: t.procedure.mutation(async () => String(await write())) })
    return express.Router().use(createExpressMiddleware({ router }))
  },
}

export const HOSTS: readonly Host[] = [trpc, yoga, apollo]
