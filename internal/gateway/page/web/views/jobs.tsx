// Jobs: looking for them, and doing something to all that are found.
import { useEffect, useRef, useState } from 'preact/hooks'
import { get, operates, query } from '../api'
import { Bulk, type Verb } from '../bulk'
import { useLoad } from '../hooks'
import { now, snapshot } from '../live'
import { Ago, Bar, type Column, Field, JobLink, LaneLink, Section, State, Table, Text, Trouble } from '../parts'
import { go, route, to } from '../route'
import type { Job } from '../types'
import { lastPart, lasts, span } from '../words'

export interface JobPage {
  jobs: Job[]
  next?: string
}

export const listJobs = (params: Record<string, string | number | undefined>, end?: AbortSignal) =>
  get<JobPage>(query('/v1/jobs', params), end)

export const states = ['queued', 'running', 'retrying', 'completed', 'dead', 'cancelled', 'missing']
export const ages: [string, string][] = [['', 'any'], ['10m', '10 min'], ['1h', '1 h'], ['6h', '6 h'], ['24h', '1 day'], ['168h', '7 days']]
const names = ['state', 'lane', 'kind', 'selector', 'since'] as const
type Filter = Record<(typeof names)[number], string>

const filterOf = (p: URLSearchParams) => Object.fromEntries(names.map((n) => [n, p.get(n) ?? ''])) as Filter

export function JobsView() {
  const f = filterOf(route.value.params)
  const key = JSON.stringify(f)
  return (
    <>
      <div class="title"><h1>Jobs</h1></div>
      <FilterForm key={key} filter={f} />
      <Found key={'found' + key} filter={f} />
    </>
  )
}

function FilterForm({ filter }: { filter: Filter }) {
  const [f, set] = useState(filter)
  const [id, setId] = useState('')
  const lanes = snapshot.value?.lanes ?? []
  const change = (n: keyof Filter) => (e: { currentTarget: HTMLInputElement | HTMLSelectElement }) => {
    const next = { ...f, [n]: e.currentTarget.value }
    set(next)
    if (e.currentTarget instanceof HTMLSelectElement) go(to('jobs', '', next))
  }
  function look(e: Event) {
    e.preventDefault()
    go(id.trim() ? to('jobs', id.trim()) : to('jobs', '', f))
  }
  return (
    <form class="filters" role="search" aria-label="Jobs" onSubmit={look}>
      <Field label="Id"><input value={id} class="mono" autocomplete="off" onInput={(e) => setId(e.currentTarget.value)} /></Field>
      <Field label="State">
        <select value={f.state} onChange={change('state')}><option value="">any</option>{states.map((s) => <option>{s}</option>)}</select>
      </Field>
      <Field label="Lane">
        <select value={f.lane} onChange={change('lane')}>
          <option value="">any</option>
          {lanes.map((l) => <option>{l.name}</option>)}
          {f.lane && !lanes.some((l) => l.name === f.lane) && <option>{f.lane}</option>}
        </select>
      </Field>
      <Field label="Kind"><input value={f.kind} autocomplete="off" placeholder="transcode" onInput={change('kind')} /></Field>
      <Field label="Labels" wide><input value={f.selector} autocomplete="off" placeholder="tier=premium,batch!=true" onInput={change('selector')} /></Field>
      <Field label="Age"><select value={f.since} onChange={change('since')}>{ages.map(([v, n]) => <option value={v}>{n}</option>)}</select></Field>
      <button type="submit">Search</button>
    </form>
  )
}

const pageSize = 50

function Found({ filter }: { filter: Filter }) {
  const [pages, turn] = useState<string[]>([''])
  const [verb, setVerb] = useState<Verb | null>(null)
  const after = pages[pages.length - 1]
  const l = useLoad(JSON.stringify(filter) + after, (end) => listJobs({ ...filter, after, limit: pageSize }, end), after ? 0 : 2000)
  const asked = Object.entries(filter).filter(([, v]) => v)
  const said = asked.map(([n, v]) => `${n} ${v}`).join(', ')
  const verbs: Verb[] = ['cancel', 'retry', 'move']
  const short = l.value?.next && l.value.jobs.length < pageSize
  return (
    <Section title="Found" note={<><Text>{said || 'the newest first'}</Text>{short && '; so many were looked through that the list ends here: Next goes on'}</>} actions={
      <>
        {operates() && asked.length > 0 && verbs.map((v) => (
          <button type="button" aria-haspopup="dialog" onClick={() => setVerb(v)}>{v[0].toUpperCase() + v.slice(1)} all{'\u2026'}</button>
        ))}
        {(pages.length > 1 || l.value?.next) && (
          <>
            <button type="button" disabled={pages.length < 2} onClick={() => turn(pages.slice(0, -1))}>Back</button>
            <button type="button" disabled={!l.value?.next} onClick={() => turn([...pages, l.value!.next!])}>Next</button>
          </>
        )}
      </>
    }>
      <Trouble>{l.error}</Trouble>
      {short && !l.value?.jobs.length ? <p class="empty">None of those that were looked through.</p> : <JobTable jobs={l.value?.jobs} />}
      {verb && (
        <Bulk verb={verb} filter={Object.fromEntries(asked)} said={said} lanes={(snapshot.value?.lanes ?? []).map((x) => x.name)}
          close={() => setVerb(null)} after={l.again} />
      )}
    </Section>
  )
}

export function JobTable({ jobs, without }: { jobs?: Job[]; without?: string }) {
  const columns: Column<Job>[] = [
    { name: 'Job', class: 'name', show: (j) => <JobLink id={j.id} /> },
    { name: 'State', class: 'bare', show: (j) => <State is={j.state} /> },
    { name: 'Lane', class: 'bare', show: (j) => <LaneLink name={j.lane} /> },
    { name: 'Kind', class: 'bare', show: (j) => <Text>{j.preset || j.kind}</Text> },
    { name: 'Labels', class: 'wide labels', show: (j) => <Labels of={j.labels} /> },
    { name: 'Input', class: 'input bare', show: (j) => <Text>{j.input ? lastPart(j.input) : ''}</Text> },
    { name: 'Age', num: true, show: (j) => <Ago at={j.enqueuedAt} /> },
    { name: 'Waited', num: true, show: (j) => j.startedAt ? lasts(j.wait ?? '0s') : '\u2013' },
    { name: 'Ran', num: true, show: (j) => ran(j) },
    { name: 'Tries', num: true, show: (j) => j.attempts ?? 0 },
    { name: 'Note', class: 'wide how', show: (j) => <How job={j} /> },
  ]
  return (
    <Table caption="Jobs, the newest first" columns={columns.filter((c) => c.name.toLowerCase() !== without)} rows={jobs}
      keyOf={(j) => j.id} empty="There is no such job." />
  )
}

function ran(j: Job): string {
  if (!j.startedAt) return '\u2013'
  return span((j.endedAt ? Date.parse(j.endedAt) : now.value) - Date.parse(j.startedAt))
}

/** What there is to say of a job at the end of its line. */
function How({ job: j }: { job: Job }) {
  if (j.state === 'running') return <Bar part={j.progress?.fraction ?? 0} label={`Progress of ${j.id}`} />
  if (j.state === 'dead' || j.state === 'retrying') {
    const why = [j.reason, j.error].filter(Boolean).join(': ')
    return <span class="clipped" title={why}><bdi>{why}</bdi></span>
  }
  return null
}

export const Labels = ({ of }: { of?: Record<string, string> }) => (
  <>{Object.entries(of ?? {}).map(([k, v]) => <span class="label"><bdi>{k}</bdi>=<bdi>{v}</bdi></span>)}</>
)

/** The search in the head of the page: an id leads to its job, key=value to all with that label. */
export function Search() {
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => {
    const focus = () => box.current?.focus()
    addEventListener('siren:search', focus)
    return () => removeEventListener('siren:search', focus)
  }, [])
  function look(e: Event) {
    e.preventDefault()
    const text = box.current!.value.trim()
    if (!text) return
    box.current!.value = ''
    box.current!.blur()
    go(/[=!,\s]/.test(text) ? to('jobs', '', { selector: text }) : to('jobs', text))
  }
  return (
    <form class="search" role="search" aria-label="Everywhere" onSubmit={look}>
      <input ref={box} type="search" aria-label="Job id or label" placeholder="Job id or label  /" autocomplete="off" spellcheck={false} />
    </form>
  )
}
