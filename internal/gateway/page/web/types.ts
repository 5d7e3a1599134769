// What the API answers, as far as the page shows it. Durations are written as Go writes them: 1m30s.
export interface LaneStatus {
  name: string
  ready: number
  skipped?: number
  excess?: number
  retrying: number
  nextRetry?: string
  busy: number
  slots: number
  inPerMin: number
  outPerMin: number
  oldestWait: string
  p95Wait: string
  startWithin: string
  service: string
  started: number
  inTime: number
  paused?: boolean
  promoted?: boolean
  stale?: boolean
  former?: boolean
}

export interface PoolStatus {
  name: string
  lanes: string[]
  guests?: string[]
  replicas: number
  others?: number
  ready: number
  starting: number
  parked: number
  retired: number
  stuck: number
  slots: number
  busy: number
  min: number
  max: number
  coldStart: string
  hold: string
  frozen?: boolean
  wanted: number
  target: number
  reason: string
  why: string
}

export interface Snapshot {
  at: string
  leader: string
  revision: number
  refused?: string
  budget: number
  others?: number
  lanes: LaneStatus[]
  pools: PoolStatus[]
}

export interface Plan {
  at: string
  pool: string
  from: number
  to: number
  park?: string[]
  unpark?: string[]
  retire?: string[]
  remove?: string[]
  reason: string
  why: string
}

export interface Run {
  job: string
  lane: string
  shoulder?: boolean
  since: string
  predicted?: string
}

export interface Heartbeat {
  worker: string
  pool: string
  at: string
  began?: string
  version?: string
  slots: number
  shoulder: number
  running?: Run[]
  subscribed: boolean
  host?: string
  cores?: number
  computing?: number
  parked?: boolean
  retired?: boolean
  draining?: boolean
}

export interface Output {
  url: string
  bytes: number
  type?: string
}

export interface Job {
  id: string
  state: string
  lane: string
  kind: string
  preset?: string
  labels?: Record<string, string>
  input?: string
  output?: string
  params?: unknown
  overwrite?: boolean
  priority?: number
  expiresAt?: string
  dedupKey?: string
  enqueuedAt: string
  readyAt?: string
  startedAt?: string
  endedAt?: string
  nextAt?: string
  wait?: string
  attempts?: number
  crashes?: number
  replay?: number
  worker?: string
  progress?: { fraction: number; note?: string; predicted?: string }
  outputs?: Output[]
  warnings?: string[]
  reason?: string
  error?: string
}

export interface Explanation {
  says: string[]
  ahead?: number
  predictedStart?: string
  predictedEnd?: string
  limits?: string[]
  plans?: Plan[]
}

export interface Tuning {
  field: string
  value: unknown
  by: string
  reason?: string
  at: string
  until?: string
  file: string
  inForce: boolean
  early?: boolean // its workers start
  idle?: string
  schedule?: string // its name
  when?: { at?: string; every?: string; cron?: string; for: string; timezone?: string }
  next?: { start: string; end: string }
}

export interface AuditEntry {
  at: string
  by: string
  verb: string
  on: string
  schedule?: string
  before?: string
  after?: string
  reason?: string
  until?: string
  jobs?: number
}

export interface Change {
  field: string
  was: string
  is: string
  state?: string
  says?: string[]
  plansBefore?: Plan[]
  plansAfter?: Plan[]
  until?: string
}

export interface Tally {
  count: number
  by?: Record<string, number>
  sample?: string[]
  refused?: { id: string; why: string }[]
  left?: number
}

export interface Reason {
  reason: string
  lane: string
  count: number
  latest?: string
  error?: string
}

export interface HistoryPoint {
  at: string
  lanes?: Record<string, { ready: number; busy: number; oldestWait: string; p95Wait: string }>
  pools?: Record<string, { ready: number; wanted: number }>
  workers: number
  budget: number
}

export interface Whoami {
  subject: string
  tenant?: string
  roles: string[]
}
