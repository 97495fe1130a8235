import { relations, sql } from 'drizzle-orm'
import {
  date,
  integer,
  jsonb,
  numeric,
  pgEnum,
  pgMaterializedView,
  pgTable,
  pgView,
  serial,
  text,
  timestamp,
} from 'drizzle-orm/pg-core'

const mood = pgEnum('mood', ['sad', 'ok', 'happy'])

/** `SHOP_SCHEMA` as Drizzle sees it. */
export const person = pgTable('person', {
  id: serial().primaryKey(),
  name: text().notNull(),
  email: text(),
  mood: mood(),
  age: integer(),
  managerId: integer('manager_id'),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
})
export const product = pgTable('product', {
  id: serial().primaryKey(),
  sku: text().notNull().unique(),
  price: numeric({ mode: 'number' }).notNull(),
  tags: text().array().notNull().default([]),
  detail: jsonb(),
})
export const purchase = pgTable('purchase', {
  id: serial().primaryKey(),
  personId: integer('person_id').notNull(),
  productId: integer('product_id').notNull(),
  quantity: integer().notNull().default(1),
  note: text(),
  placedOn: date('placed_on').notNull().default(sql`current_date`),
})
export const audit = pgTable('audit', { id: serial().primaryKey(), what: text().notNull() })
export const adult = pgView('adult', { id: integer(), name: text(), age: integer() }).existing()
export const daily = pgMaterializedView('daily', { placedOn: date('placed_on'), purchases: integer() }).existing()

export const personRelations = relations(person, ({ many, one }) => ({
  purchases: many(purchase),
  manager: one(person, { fields: [person.managerId], references: [person.id] }),
}))
export const purchaseRelations = relations(purchase, ({ one }) => ({
  person: one(person, { fields: [purchase.personId], references: [person.id] }),
  product: one(product, { fields: [purchase.productId], references: [product.id] }),
}))
