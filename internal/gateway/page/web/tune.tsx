// Setting a tuning, and undoing it: first what it would do, then doing it.
import { useState } from 'preact/hooks'
import { ask, operates, part, query } from './api'
import { Dialog, Field, notice, Says, Trouble } from './parts'
import type { AuditEntry, Change, Plan, Tuning } from './types'

export interface Tunable {
  name: string // of the field, behind the lane's or pool's
  is: 'count' | 'span' | 'switch'
  about: string
}

export const laneFields: Tunable[] = [
  { name: 'reserve', is: 'count', about: 'slots of the shoulder that are kept free' },
  { name: 'startWithin', is: 'span', about: 'the objective: jobs start within this' },
  { name: 'paused', is: 'switch', about: 'nobody takes its jobs' },
  { name: 'maxRuntime', is: 'span', about: 'a job that runs longer is stopped' },
  { name: 'priorities', is: 'count', about: 'the highest priority that jobs may have' },
]

export const poolFields: Tunable[] = [
  { name: 'min', is: 'count', about: 'workers that are always there' },
  { name: 'max', is: 'count', about: 'workers at most' },
  { name: 'hold', is: 'span', about: 'how long it is kept large' },
  { name: 'frozen', is: 'switch', about: 'the scaler leaves it as it is' },
]

export const budgetField: Tunable[] = [{ name: 'budget', is: 'count', about: 'workers of all pools together' }]

export const periods: [string, string][] = [
  ['15m', '15 minutes'], ['1h', 'an hour'], ['4h', '4 hours'], ['24h', 'a day'], ['', 'until it is removed'],
]

const pathOf = (field: string) => `/v1/tunings/${part(field)}`

interface Wish {
  field: string
  value: unknown
  period: string
  reason: string
}

const put = (w: Wish, dryRun: boolean, match = '') => ask<Change>('PUT', query(pathOf(w.field), { dryRun: dryRun ? 'true' : '' }),
  { match, body: { value: w.value, ...(w.period && { for: w.period }), ...(w.reason && { reason: w.reason }) } })

interface List {
  revision: number
  tunings: Tuning[]
}

export const tunings = () => ask<List>('GET', '/v1/tunings')

/** Offers to set a tuning of these fields. */
export function TuneButton({ title, prefix, fields }: { title: string; prefix: string; fields: Tunable[] }) {
  const [open, set] = useState(false)
  if (!operates()) return null
  return (
    <>
      <button type="button" onClick={() => set(true)} aria-haspopup="dialog">Tune{'\u2026'}</button>
      {open && <Tune title={title} prefix={prefix} fields={fields} close={() => set(false)} />}
    </>
  )
}

function Tune({ title, prefix, fields, close }: { title: string; prefix: string; fields: Tunable[]; close: () => void }) {
  const [name, setName] = useState(fields[0].name)
  const [value, setValue] = useState('')
  const [period, setPeriod] = useState('1h')
  const [reason, setReason] = useState('')
  const [seen, setSeen] = useState<{ change: Change; etag: string } | null>(null)
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const field = fields.find((f) => f.name === name)!
  const wish = (): Wish => ({ field: prefix + name, period, reason, value: valueOf(field, value) })
  const edit = (change: () => void) => {
    change()
    setSeen(null)
  }

  async function go(e: Event) {
    e.preventDefault()
    setBusy(true)
    setError('')
    try {
      if (!seen) {
        const a = await put(wish(), true)
        setSeen({ change: a.body, etag: a.etag })
      } else {
        await make(wish(), seen.etag)
        close()
      }
    } catch (e) {
      setError((e as Error).message)
      setSeen(null)
    }
    setBusy(false)
  }

  return (
    <Dialog title={title} close={close}>
      <form onSubmit={go}>
        <div class="fields">
          <Field label="Field">
            <select value={name} onChange={(e) => edit(() => {
              setName(e.currentTarget.value)
              setValue('')
            })}>
              {fields.map((f) => <option value={f.name}>{f.name}</option>)}
            </select>
          </Field>
          <Field label="Value">
            {field.is === 'switch' ? (
              <select value={value || 'true'} onChange={(e) => edit(() => setValue(e.currentTarget.value))}>
                <option value="true">yes</option>
                <option value="false">no</option>
              </select>
            ) : (
              <input key={field.is} required value={value} inputMode={field.is === 'count' ? 'numeric' : 'text'} autocomplete="off"
                pattern={field.is === 'count' ? '[0-9]+' : undefined} placeholder={field.is === 'count' ? '2' : '30s'}
                onInput={(e) => edit(() => setValue(e.currentTarget.value))} />
            )}
          </Field>
          <Field label="For">
            <select value={period} onChange={(e) => edit(() => setPeriod(e.currentTarget.value))}>
              {periods.map(([v, label]) => <option value={v}>{label}</option>)}
            </select>
          </Field>
          <Field label="Reason" wide>
            <input value={reason} maxLength={200} autocomplete="off" onInput={(e) => edit(() => setReason(e.currentTarget.value))} />
          </Field>
        </div>
        <p class="note">{`${prefix}${name}: ${field.about}.`}</p>
        <Trouble>{error}</Trouble>
        {seen && <Foreseen change={seen.change} />}
        <footer>
          <button type="submit" class="main" disabled={busy}>{seen ? `Set ${name}` : 'See what it does'}</button>
          <button type="button" onClick={close}>Close</button>
        </footer>
      </form>
    </Dialog>
  )
}

function valueOf(f: Tunable, text: string): unknown {
  if (f.is === 'switch') return text !== 'false'
  return f.is === 'count' && /^\d+$/.test(text.trim()) ? Number(text) : text.trim()
}

/** Shows what a change would do. */
function Foreseen({ change: c }: { change: Change }) {
  return (
    <div class="foreseen" aria-live="polite">
      <p><span class="mono">{c.field}</span> {c.was} {'\u2192'} <b>{c.is}</b></p>
      <Says says={c.says} />
      {(c.plansAfter ?? []).map((after) => {
        const before = c.plansBefore?.find((p) => p.pool === after.pool)
        return <p class="plan"><b>{after.pool}</b> {changes(before, after)}</p>
      })}
    </div>
  )
}

function changes(before: Plan | undefined, after: Plan): string {
  if (before && before.to === after.to) return `stays at ${after.to}: ${after.why}`
  return `${before?.to ?? after.from} \u2192 ${after.to}: ${after.why}`
}

/** Sets a tuning, and offers to take it back. */
async function make(w: Wish, match: string) {
  const before = (await tunings()).body.tunings.find((t) => idOf(t) === w.field)
  const a = await put(w, false, match)
  const undo = before ? () => setAgain(before) : () => remove(w.field)
  notice.value = { text: `${w.field} is ${a.body.is}; it was ${a.body.was}.`, undo: () => said(undo) }
}

/** Says what is wrong where nobody else does. */
export async function said(what: () => Promise<void>) {
  try {
    await what()
  } catch (e) {
    notice.value = { text: (e as Error).message, urgent: true }
  }
}

/** What a tuning is removed by: its field, and that of a schedule with the schedule's name. */
export const idOf = (t: Tuning) => t.schedule ? `${t.field}@${t.schedule}` : t.field

/** Ends a tuning, and offers to set it again. */
export async function remove(id: string, reason = 'undone') {
  const list = await tunings()
  const before = list.body.tunings.find((t) => idOf(t) === id)
  const a = await ask<Change>('DELETE', query(pathOf(id), { reason }), { match: list.etag })
  notice.value = {
    text: before?.schedule ? `${before.field} isn't scheduled by ${before.schedule} any more.` : `${id} is ${a.body.is} again, as the policy file has it.`,
    undo: before && (() => said(() => setAgain(before))),
  }
}

/** Sets a tuning as it was. */
async function setAgain(t: Tuning) {
  const left = t.until ? Math.round((Date.parse(t.until) - Date.now()) / 1000) : 0
  if (t.until && left <= 0) return remove(idOf(t))
  await ask<Change>('PUT', pathOf(t.field), {
    body: { value: t.value, ...(t.until && { for: `${left}s` }), reason: t.reason || 'undone', ...t.when, ...(t.schedule && { schedule: t.schedule }) },
  })
  notice.value = { text: `${t.field} is what it was.` }
}

/** Returns what undoes an entry of the audit log, if it is the latest one about a field. */
export function undoOf(e: AuditEntry, all: AuditEntry[], list: Tuning[]): (() => Promise<void>) | undefined {
  if (e.verb !== 'tune' && e.verb !== 'remove' || e.schedule) return undefined
  if (all.find((x) => x.on === e.on) !== e || e.before === undefined) return undefined
  const current = list.find((t) => t.field === e.on && !t.schedule)
  if (e.verb === 'remove') return current ? undefined : () => put({ field: e.on, value: read(e.before!), period: '', reason: 'undone' }, false).then(
    () => void (notice.value = { text: `${e.on} is ${e.before} again.`, undo: () => said(() => remove(e.on)) }))
  if (!current) return undefined
  if (current.file === e.before) return () => remove(e.on)
  return () => put({ field: e.on, value: read(e.before!), period: '', reason: 'undone' }, false).then(
    () => void (notice.value = { text: `${e.on} is ${e.before} again.`, undo: () => said(() => setAgain(current)) }))
}

/** Reads a value as the audit log spells it: 4, 30s, true, none, after=20m,to=standard. */
export function read(text: string): unknown {
  if (text === 'none' || text === '<nil>') return null
  if (/^-?\d+(\.\d+)?$/.test(text) || text === 'true' || text === 'false') return JSON.parse(text)
  if (!text.includes('=')) return text
  return Object.fromEntries(text.split(',').map((p) => {
    const [name, ...value] = p.split('=')
    return [name, read(value.join('='))]
  }))
}
