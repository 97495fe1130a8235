import { expect, test } from 'vitest'
import {
  configurationFile,
  nodeSettings,
  primaryConnection,
  settingsOfTemplate,
} from '../src/postgres/server-settings.ts'

test("the user's settings win over ours, but not over the cluster's", () => {
  const settings = nodeSettings('nrt', { wal_level: 'logical', shared_buffers: '64MB' })
  expect(settings).toMatchObject({
    wal_level: 'logical',
    shared_buffers: '64MB',
    cluster_name: 'nrt',
    hot_standby: 'on',
  })
})

test('values are quoted as postgresql.conf reads them', () => {
  expect(configurationFile({ search_path: `"a'b", public`, log_line_prefix: '\\%m' })).toBe(
    `search_path = '"a''b", public'\nlog_line_prefix = '\\\\%m'\n`,
  )
})

test('only what pg_control records is part of a template', () => {
  expect(settingsOfTemplate({ max_connections: '20', work_mem: '1MB' })).toEqual({ max_connections: '20' })
})

test('a replica presents itself by its name', () => {
  expect(primaryConnection({ host: '127.0.0.1', port: 5433 }, 'nrt')).toBe(
    'host=127.0.0.1 port=5433 user=postgres application_name=nrt',
  )
})
