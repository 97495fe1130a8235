import { D1_TURSO } from './d1-turso.ts'
import { FLY_NODE } from './fly-node.ts'
import { FLY_POSTGRES } from './fly-postgres.ts'
import { FLY_RUBY } from './fly-ruby.ts'
import { GITLAB } from './gitlab.ts'
import { LITEFS } from './litefs.ts'
import { RAILS } from './rails.ts'
import type { Ancestor } from './row.ts'

/** All systems that are compared, in the order of the page. */
export const ANCESTORS: readonly Ancestor[] = [FLY_RUBY, FLY_POSTGRES, LITEFS, FLY_NODE, RAILS, GITLAB, D1_TURSO]
