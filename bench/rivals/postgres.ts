// In a package of its own: beside Drizzle it would be a peer of it, and make a second Drizzle.
export { default } from 'postgres'
