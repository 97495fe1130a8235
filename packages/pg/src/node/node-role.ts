/** What the sessions of a server are made for. */
export type NodeRole = 'primary' | 'replica'
