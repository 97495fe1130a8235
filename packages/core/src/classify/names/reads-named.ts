/**
 * Functions of Postgres's own that read the relation, or make a value of the type, which an argument names as text, and which
 * argument that is; `all` for those that read every relation there is.
 */
export const READS_NAMED: ReadonlyMap<string, 'first' | 'second' | 'all'> = new Map([
  ['table_to_xml', 'first'],
  ['table_to_xml_and_xmlschema', 'first'],
  ['schema_to_xml', 'all'],
  ['schema_to_xml_and_xmlschema', 'all'],
  ['database_to_xml', 'all'],
  ['database_to_xml_and_xmlschema', 'all'],
  ['pg_input_is_valid', 'second'],
  ['pg_input_error_info', 'second'],
] as const)
