export { type Explanation, explain, type Outcome, type Place, type PlacedRoute } from './explain.ts'
