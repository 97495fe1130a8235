import { fileURLToPath } from 'node:url'
import { describeGuestBook } from '@headwater/example-local-world/guest-book-suite'

describeGuestBook('koa-pg', { folder: fileURLToPath(new URL('..', import.meta.url)) })
