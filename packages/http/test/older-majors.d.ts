// The older majors are installed under another name; the types of the newer ones fit what the tests use.
declare module 'express-4' {
  export { default } from 'express'
}
declare module 'koa-2' {
  export { default } from 'koa'
}
