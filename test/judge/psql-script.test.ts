import { expect, test } from 'vitest'
import { cutScript } from './psql-script.ts'

const cut = (script: string) => cutScript(script, '/data').map(({ sql }) => sql)

test.each([
  ['select 1; select 2;', ['select 1', 'select 2']],
  [
    "select ';' , $a$;$a$, E'\\';', \";\" /* ; /* ; */ */;x",
    ["select ';' , $a$;$a$, E'\\';', \";\" /* ; /* ; */ */", 'x'],
  ],
  ['-- a;\nselect 1 -- b;\n;', ['select 1']],
  ['\\d t\nselect 1;\n\\pset a\nselect 2 \\gset\nselect 3', ['select 1', 'select 2', 'select 3']],
  [
    'create rule r as on insert to t do (select 1; select 2); x',
    ['create rule r as on insert to t do (select 1; select 2)', 'x'],
  ],
  [
    'create function f() returns int begin atomic select case when true then 1 end; select 2; end; x',
    ['create function f() returns int begin atomic select case when true then 1 end; select 2; end', 'x'],
  ],
  ['begin; select 1; end;', ['begin', 'select 1', 'end']],
  ["\\set a 'it''s' b\nselect :'a', :a, x::a, :nope;", ["select 'it''sb', it'sb, x::a, :nope"]],
  ['\\if :skip\nselect 1;\n\\endif\nselect 2;', ['select 2']],
  ['select 1;\n\\c -\nselect 2;', ['select 1', 'discard all', 'select 2']],
])('%j', (script, statements) => {
  expect(cut(script)).toEqual(statements)
})

test('COPY data goes with its COPY', () => {
  expect(cutScript('copy t from stdin;\n1\ta;b\n\\.\nselect 1;', '/data')).toEqual([
    { sql: 'copy t from stdin', input: '1\ta;b\n' },
    { sql: 'select 1' },
  ])
})
