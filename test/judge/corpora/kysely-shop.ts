import type { Generated, SelectQueryBuilder } from 'kysely'

/** `SHOP_SCHEMA` as Kysely sees it. */
export interface ShopDatabase {
  person: {
    id: Generated<number>
    name: string
    email: string | null
    mood: 'sad' | 'ok' | 'happy' | null
    age: number | null
    manager_id: number | null
    created_at: Generated<Date>
  }
  product: {
    id: Generated<number>
    sku: string
    price: number
    tags: Generated<string[]>
    detail: unknown
  }
  purchase: {
    id: Generated<number>
    person_id: number
    product_id: number
    quantity: Generated<number>
    note: string | null
    placed_on: Generated<string>
  }
  audit: { id: Generated<number>; what: string; at: Generated<Date> }
  adult: { id: number; name: string; age: number }
  daily: { placed_on: string; purchases: number }
}

/** A query in which the columns of `person` can be named, whatever else is joined to it. */
export type PersonQuery = SelectQueryBuilder<ShopDatabase, 'person', object>
