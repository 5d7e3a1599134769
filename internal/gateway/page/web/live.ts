// What comes by itself: what the leading scaler sees each second, what it decides, and that tunings have changed.
import { computed, signal } from '@preact/signals'
import { get, me, query } from './api'
import { add, loadHistory } from './history'
import { listen, type Link } from './stream'
import type { LaneStatus, Plan, Snapshot } from './types'
import { clock, lasts, ms, span } from './words'

export const snapshot = signal<Snapshot | null>(null)
export const decisions = signal<Plan[]>([]) // the latest first
export const tuningsRevision = signal(-1)
export const link = signal<{ state: Link; why: string }>({ state: 'connecting', why: '' })
export const trouble = signal('') // why nobody knows what the scaler sees
export const now = signal(Date.now()) // by the servers' clock, each second

let ahead = 0 // of this machine's clock, the servers'
const mostDecisions = 200

setInterval(() => (now.value = Date.now() + ahead), 1000)

/** Reports whether whoever looks may see more than jobs. */
export const seesFleet = computed(() => {
  const w = me.value
  return !w || (!w.tenant && w.roles.some((r) => r === 'reader' || r === 'operator'))
})

function heard(e: { type: string; data: string }) {
  const data = JSON.parse(e.data)
  switch (e.type) {
    case 'snapshot':
      ahead = Date.parse(data.at) - Date.now()
      if (Math.abs(ahead) < 2000) ahead = 0
      snapshot.value = data
      trouble.value = ''
      now.value = Date.now() + ahead
      add(data)
      break
    case 'decision':
      if (!decisions.value.some((d) => d.at === data.at && d.pool === data.pool)) {
        decisions.value = [data, ...decisions.value].slice(0, mostDecisions)
      }
      break
    case 'tunings':
      tuningsRevision.value = data.revision
      break
    case 'trouble':
      trouble.value = data.why
  }
}

let stop = () => {}

/** Begins to listen, and asks for what was before. */
export function start() {
  stop()
  stop = () => {}
  if (!seesFleet.value) return
  stop = listen('/v1/events', heard, (state, why) => (link.value = { state, why }))
  loadHistory()
  get<{ decisions: Plan[] }>(query('/v1/decisions', { since: '24h', limit: 100 })).then(
    (a) => (decisions.value = a.decisions), () => {})
}

export type Verdict = 'late' | 'was late' | 'paused' | 'stale' | 'promoted' | 'in time'

/** Says how a lane fares: late while a job waits longer than it should, was late when jobs of the last minutes did. */
export function verdict(l: LaneStatus): Verdict {
  if (l.paused) return 'paused'
  if (l.stale) return 'stale'
  if (isLate(l)) return 'late'
  if (l.inTime * 100 < l.started * 95) return 'was late'
  return l.promoted ? 'promoted' : 'in time'
}

/** Says when a lane is empty if jobs go on to come and go as they did within the last minutes; "" when nothing waits, or
 * nobody can say. */
export function clears(l: LaneStatus): string {
  if (!l.ready || l.paused) return ''
  if (!l.outPerMin && !l.inPerMin) return ''
  const net = l.outPerMin - l.inPerMin
  if (Math.abs(net) <= 0.05 * l.inPerMin) return 'steady'
  return net > 0 ? span((l.ready / net) * 6e4) : 'grows'
}

/** Reports whether a job of the lane waits longer than it should. Nobody takes those of a paused one. */
export const isLate = (l: LaneStatus) => !l.paused && ms(l.oldestWait) > ms(l.startWithin)

const old = 5000

/** Says of when the numbers are, if they aren't of now. */
export const asOf = computed(() => {
  const s = snapshot.value
  const stale = s && (link.value.state === 'away' || trouble.value || now.value - Date.parse(s.at) > old)
  return stale ? `as it was at ${clock(s.at, now.value)}` : ''
})

/** Says how all lanes fare, in a sentence. */
export const headline = computed<{ text: string; urgent: boolean }>(() => {
  const s = snapshot.value
  if (link.value.state === 'away') return { text: link.value.why, urgent: true }
  if (trouble.value) return { text: trouble.value[0].toUpperCase() + trouble.value.slice(1), urgent: true }
  if (!s) return { text: 'Waiting for the scaler\u2026', urgent: false }
  const age = now.value - Date.parse(s.at)
  if (age > old) return { text: `No scaler has said anything for ${span(age)}.`, urgent: true }
  const of = (v: Verdict) => s.lanes.filter((l) => verdict(l) === v)
  const late = of('late'), was = of('was late'), paused = of('paused')
  const said = []
  if (late.length === 1) {
    const [l] = late
    said.push(`${l.name} is late: a job has waited ${lasts(l.oldestWait)}, its objective is ${lasts(l.startWithin)}.`)
  } else if (late.length) said.push(`${names(late)} are late.`)
  if (was.length === 1 && !late.length) {
    const [l] = was
    said.push(`${l.name} was late: ${l.started - l.inTime} of the last ${l.started} jobs didn\u2019t start within ${lasts(l.startWithin)}.`)
  } else if (was.length) said.push(`${names(was)} ${was.length > 1 ? 'were' : 'was'} late.`)
  if (!s.lanes.some((l) => l.ready || l.busy || l.started)) said.push('Nothing waits, and nothing runs.')
  else if (!said.length) said.push(`Every ${paused.length ? 'other ' : ''}lane starts its jobs in time.`)
  if (paused.length) said.push(`${names(paused)} ${paused.length > 1 ? 'are' : 'is'} paused.`)
  return { text: said.join(' '), urgent: late.length + was.length > 0 }
})

/** Names a few lanes, and counts the others. */
function names(lanes: LaneStatus[]): string {
  const few = lanes.slice(0, lanes.length > 5 ? 3 : 5).map((l) => l.name)
  return listed(lanes.length > few.length ? [...few, `${lanes.length - few.length} more`] : few)
}

export function listed(names: string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`
}
