import { type Html, html } from './html.ts'
import type { Note } from './notes.ts'

export interface PageProperties {
  readonly notes: readonly Note[]
  readonly name: string | undefined
  readonly region: string
  readonly complaint?: string | undefined
}

/** The guest book as a page: forms and links, no script. `html` escapes what guests wrote. */
export function page({ notes, name, region, complaint }: PageProperties): Html {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width" />
    <title>Guest book</title>
    <style>
      body { font: 1rem/1.5 system-ui; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }
      input, button { font: inherit; padding: 0.4rem 0.6rem; }
      li { margin: 0.5rem 0; } small { opacity: 0.7; } [role='alert'] { color: #c33; }
    </style>
  </head>
  <body>
    <h1>Guest book</h1>
    <p><small>This page was made in ${region}.</small></p>
    ${complaint === undefined ? '' : html`<p role="alert">${complaint}</p>`}
    ${name === undefined ? signInForm() : noteForm(name)}
    <ul>
      ${notes.map(
        (note) =>
          html`<li>${note.body}<br /><small>${note.author}, written in ${note.writtenIn}, ${note.writtenAt.toISOString()}</small></li>`,
      )}
    </ul>
  </body>
</html>`
}

function signInForm(): Html {
  return html`<form method="post" action="/sign-in">
    <label>Your name <input name="name" required maxlength="40" /></label>
    <button>Sign in</button>
  </form>`
}

function noteForm(name: string): Html {
  return html`<form method="post" action="/notes">
      <label>${name} writes <input name="body" required maxlength="500" autofocus /></label>
      <button>Sign the book</button>
    </form>
    <form method="post" action="/sign-out"><button>Sign out</button></form>`
}
