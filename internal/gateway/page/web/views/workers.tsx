// Workers: what each runs, and how far it is.
import { useState } from 'preact/hooks'
import { get, query } from '../api'
import { useLoad } from '../hooks'
import { now, snapshot } from '../live'
import { Ago, Bar, type Column, Field, JobLink, LaneLink, PoolLink, Section, State, Table, Text, Trouble } from '../parts'
import { go, route, to } from '../route'
import type { Heartbeat, Job, Run } from '../types'
import { count, ms, several, span } from '../words'

type Ran = Pick<Job, 'kind' | 'progress'>

interface Page {
  count: number
  workers: Heartbeat[]
  jobs?: Record<string, Ran>
  next?: string
}

const pageSize = 100

export function WorkersView() {
  const pool = route.value.params.get('pool') ?? ''
  const pools = snapshot.value?.pools ?? []
  return (
    <>
      <div class="title">
        <h1>Workers</h1>
        <span class="actions">
          <Field label="Pool">
            <select value={pool} onChange={(e) => go(to('workers', '', { pool: e.currentTarget.value }))}>
              <option value="">all</option>
              {pools.map((p) => <option value={p.name}>{p.name}</option>)}
            </select>
          </Field>
        </span>
      </div>
      <Workers pool={pool} key={pool} />
    </>
  )
}

/** The workers of a pool; "": of all. */
export function Workers({ pool }: { pool: string }) {
  const [pages, turn] = useState<string[]>([''])
  const after = pages[pages.length - 1]
  const l = useLoad(`workers ${pool} ${after}`, 
    (end) => get<Page>(query('/v1/workers', { pool, after, limit: pageSize, jobs: 'true' }), end), 1500)
  const first = (pages.length - 1) * pageSize
  const shown = l.value?.workers.length ?? 0
  const columns: Column<Heartbeat>[] = [
    { name: 'Worker', class: 'name', show: (w) => <span class="named mono" title={w.worker}><bdi>{w.worker}</bdi></span> },
    { name: 'Pool', class: 'bare', show: (w) => <PoolLink name={w.pool} /> },
    { name: 'State', class: 'bare', show: (w) => <State is={stateOf(w)} /> },
    { name: 'Slots', class: 'bare', show: (w) => <Slots of={w} /> },
    { name: 'Runs', class: 'wide most runs', show: (w) => <Runs of={w} records={l.value?.jobs ?? {}} /> },
    { name: 'Cores', num: true, show: (w) => w.cores ? <>{w.computing ? w.computing.toFixed(1) : '0'}<span class="of">{`/${w.cores}`}</span></> : '\u2013' },
    { name: 'Heard', num: true, show: (w) => <Ago at={w.at} /> },
    { name: 'Up', num: true, show: (w) => <Ago at={w.began} /> },
    { name: 'Version', class: 'quiet', show: (w) => <Text mono>{w.version ?? ''}</Text> },
  ]
  return (
    <Section title={pool ? 'Workers' : 'All workers'} note={l.value && several(l.value.count, 'worker')}
      actions={(pages.length > 1 || l.value?.next) && (
        <>
          <span class="note">{shown > 0 && `${count(first + 1)}\u2013${count(first + shown)}`}</span>
          <button type="button" disabled={pages.length < 2} onClick={() => turn(pages.slice(0, -1))}>Back</button>
          <button type="button" disabled={!l.value?.next} onClick={() => turn([...pages, l.value!.next!])}>Next</button>
        </>
      )}>
      <Trouble>{l.error}</Trouble>
      <Table caption="Workers" columns={pool ? columns.filter((c) => c.name !== 'Pool') : columns} rows={l.value?.workers}
        keyOf={(w) => w.worker} empty="No worker is there." />
    </Section>
  )
}

function stateOf(w: Heartbeat): string {
  if (w.draining) return 'draining'
  if (w.retired) return 'retired'
  if (w.parked) return 'parked'
  if (!w.subscribed) return 'not connected'
  return w.running?.length ? 'busy' : 'idle'
}

/** A square for each slot: those with a job are full, those of the shoulder have a line below. */
function Slots({ of: w }: { of: Heartbeat }) {
  const runs = w.running ?? []
  const shared = runs.filter((r) => !r.shoulder).length, shoulder = runs.length - shared
  const words = `${shared} of ${several(w.slots, 'slot')} and ${shoulder} of ${w.shoulder} on the shoulder are busy`
  if (w.slots + w.shoulder > 24) return <span title={words}>{`${runs.length}/${w.slots + w.shoulder}`}</span>
  return (
    <span class="slots" role="img" aria-label={words} title={words}>
      {Array.from({ length: w.slots }, (_, i) => <i class={i < shared ? 'on' : ''} />)}
      {Array.from({ length: w.shoulder }, (_, i) => <i class={i < shoulder ? 'shoulder on' : 'shoulder'} />)}
    </span>
  )
}

function Runs({ of: w, records }: { of: Heartbeat; records: Record<string, Ran> }) {
  if (!w.running?.length) return <span class="quiet">nothing</span>
  return <>{w.running.map((r) => <OneRun key={r.job} run={r} record={records[r.job]} />)}</>
}

function OneRun({ run: r, record }: { run: Run; record?: Ran }) {
  const since = now.value - Date.parse(r.since)
  const fraction = record?.progress?.fraction ?? (r.predicted ? Math.min(0.99, since / ms(r.predicted)) : 0)
  const left = r.predicted ? `${span(since)} of about ${span(ms(r.predicted))}` : span(since)
  return (
    <span class="run">
      <JobLink id={r.job} />
      <LaneLink name={r.lane} />
      <span class="quiet">{record?.kind}</span>
      <Bar part={fraction} label={`Progress of ${r.job}`} />
      <span class="num" title={record?.progress?.note}>{left}</span>
    </span>
  )
}
