// Job: what became of it, why, and what it made.
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { ask, get, operates, me, part, query } from '../api'
import { safeHref } from '../foreign'
import { useLoad } from '../hooks'
import { now } from '../live'
import { At, Bar, Facts, LaneLink, notice, Says, Section, State, Text, Trouble } from '../parts'
import { listen } from '../stream'
import { said } from '../tune'
import type { Explanation, Job, Output } from '../types'
import { lasts, size, span } from '../words'
import { Labels } from './jobs'

export function JobView({ id }: { id: string }) {
  const [job, set] = useState<Job | null>(null)
  const [error, setError] = useState('')
  const path = `/v1/jobs/${part(id)}`
  useEffect(() => {
    set(null)
    setError('')
    get<Job>(path).then(set, (e) => setError(e.message))
    return listen(`${path}/events`, (e) => {
      if (e.type === 'job') {
        set(JSON.parse(e.data))
        setError('')
      }
      return e.type === 'end'
    }, () => {})
  }, [path])
  const state = job?.state ?? ''
  const every = job && !final(state) ? 2000 : 0
  const why = useLoad(`why ${id} ${state}`, (end) => get<Explanation>(`${path}/explain`, end), every)
  const log = useLoad(`log ${id} ${state}`, (end) => get<{ log: string }>(`${path}/logs`, end), every)
  return (
    <>
      <div class="title">
        <h1><span class="kind">Job</span> <Text mono>{job?.id ?? id}</Text> {job && <State is={state} />}</h1>
        <span class="actions">{job && <Verbs job={job} />}</span>
      </div>
      <Trouble>{error}</Trouble>
      {job && (
        <>
          <div class="two">
            <Section title="Timeline"><Timeline job={job} why={why.value} /></Section>
            <Section title="Why"><Trouble>{why.error}</Trouble><Says says={[...(why.value?.says ?? []), ...(why.value?.limits ?? [])]} /></Section>
          </div>
          {job.outputs && job.outputs.length > 0 && (
            <Section title="Output"><div class="outputs">{job.outputs.map((o) => <Made key={o.url} output={o} />)}</div></Section>
          )}
          <div class="two">
            <Section title="Request"><Request job={job} /></Section>
            <Section title="Log" note="what its programs said last">
              {log.value?.log ? <pre tabIndex={0} aria-label="Log">{log.value.log}</pre> : <p class="empty">{log.error || 'Nothing is kept.'}</p>}
            </Section>
          </div>
        </>
      )}
    </>
  )
}

const final = (state: string) => ['completed', 'dead', 'cancelled', 'missing'].includes(state)

interface Moment {
  name: string
  at?: string
  note?: ComponentChildren
  urgent?: boolean
  ahead?: boolean // still to come
}

/** The moments of a job's life, in their order. */
function moments(j: Job, why?: Explanation): Moment[] {
  const all: Moment[] = [{ name: 'Enqueued', at: j.enqueuedAt }]
  if (j.readyAt && Math.abs(Date.parse(j.readyAt) - Date.parse(j.enqueuedAt)) > 100) all.push({ name: 'Ready', at: j.readyAt, note: <>in <LaneLink name={j.lane} /></> })
  else all[0].note = <>ready in <LaneLink name={j.lane} /></>
  if (j.startedAt) all.push({ name: 'Claimed', at: j.startedAt, note: <>after {lasts(j.wait ?? '0s')}{j.worker && <> by <Text mono>{j.worker}</Text></>}</> })
  if ((j.attempts ?? 0) > 1 || j.crashes) {
    const crashed = j.crashes ? `, ${j.crashes} of them crashed` : ''
    all.push({ name: 'Attempts', note: `${j.attempts}${crashed}`, urgent: !!j.crashes })
  }
  if (j.error && j.state !== 'completed') all.push({ name: 'Error', note: <Text>{j.error}</Text>, urgent: true })
  if (j.state === 'running') {
    const note = <><Bar part={j.progress?.fraction ?? 0} label="Progress" /> {Math.floor((j.progress?.fraction ?? 0) * 100)} % <Text>{j.progress?.note ?? ''}</Text></>
    all.push({ name: 'Running', note })
  }
  if (j.state === 'queued') all.push({ name: 'Starts', at: why?.predictedStart, ahead: true, note: why?.ahead === undefined ? undefined : `${why.ahead} before it` })
  if (j.state === 'retrying') all.push({ name: 'Next attempt', at: j.nextAt, ahead: true })
  if (j.state === 'running' && why?.predictedEnd) all.push({ name: 'Ends', at: why.predictedEnd, ahead: true, note: 'predicted' })
  if (j.endedAt) {
    const name = j.state === 'completed' ? 'Committed' : j.state[0].toUpperCase() + j.state.slice(1)
    all.push({ name, at: j.endedAt, note: j.reason ? <Text>{j.reason}</Text> : undefined, urgent: j.state === 'dead' || j.state === 'missing' })
  }
  return all
}

function Timeline({ job: j, why }: { job: Job; why?: Explanation }) {
  const start = Date.parse(j.enqueuedAt)
  const end = j.endedAt ? Date.parse(j.endedAt) : now.value
  const began = j.startedAt ? Date.parse(j.startedAt) : end
  const share = end > start ? (began - start) / (end - start) : 0
  const words = `Waited ${span(began - start)}, ran ${j.startedAt ? span(end - began) : 'not yet'}`
  return (
    <div class="timeline">
      <div class="stretch" role="img" aria-label={words} title={words}>
        <span class="waited" style={{ flexGrow: share }} />
        {j.startedAt && <span class={j.state === 'dead' ? 'ran bad' : 'ran'} style={{ flexGrow: 1 - share }} />}
      </div>
      <p class="note"><span class="key waited" />waited {span(began - start)}{j.startedAt && <><span class={j.state === 'dead' ? 'key ran bad' : 'key ran'} />ran {span(end - began)}</>}</p>
      <ol>
        {moments(j, why).map((m) => (
          <li key={m.name} class={[m.urgent && 'urgent', m.ahead && 'ahead'].filter(Boolean).join(' ') || undefined}>
            <span class="what">{m.name}</span>
            <span class="when">{m.at ? <At at={m.at} /> : ''}</span>
            <span class="delta">{m.at ? `${m.ahead ? 'in ' : '+'}${span(Math.abs(Date.parse(m.at) - (m.ahead ? now.value : start)))}` : ''}</span>
            <span class="said">{m.note}</span>
          </li>
        ))}
      </ol>
      {j.warnings && <Says says={j.warnings} />}
    </div>
  )
}

function Request({ job: j }: { job: Job }) {
  return (
    <>
      <Facts facts={[
        ['Lane', <LaneLink name={j.lane} />], ['Kind', <Text>{j.kind}</Text>], ['Preset', <Text>{j.preset || '\u2013'}</Text>],
        ['Priority', j.priority ?? 0], ['Attempts', j.attempts ?? 0], ['Copy', j.replay ?? 0],
        ...(j.expiresAt ? [['Expires', <At at={j.expiresAt} />] as [string, ComponentChildren]] : []),
        ...(j.dedupKey ? [['Dedup key', <Text mono>{j.dedupKey}</Text>] as [string, ComponentChildren]] : []),
      ]} />
      <dl class="lines">
        {j.labels && <><dt>Labels</dt><dd><Labels of={j.labels} /></dd></>}
        {j.input && <><dt>Input</dt><dd><Address url={j.input} /></dd></>}
        {j.output && <><dt>Output</dt><dd><Address url={j.output} /></dd></>}
        {j.params !== undefined && <><dt>Params</dt><dd><pre tabIndex={0} aria-label="Params">{JSON.stringify(j.params, null, 2)}</pre></dd></>}
      </dl>
    </>
  )
}

/** A URL: a link if it leads to the web, else text. */
function Address({ url }: { url: string }) {
  return safeHref(url) && URL.canParse(url)
    ? <a class="mono url" href={url} target="_blank" rel="noopener noreferrer"><bdi>{url}</bdi></a>
    : <span class="mono url"><bdi>{url}</bdi></span>
}

const origins = [location.origin, ...(document.querySelector<HTMLMetaElement>('meta[name=origins]')?.content ?? '').split(' ')]

/** Reports whether the page may show what is there: see the page's Content-Security-Policy. */
function shown(url: string): boolean {
  return !!safeHref(url) && URL.canParse(url) && origins.includes(new URL(url).origin)
}

function Made({ output: o }: { output: Output }) {
  const type = o.type ?? ''
  return (
    <figure>
      {shown(o.url) && type.startsWith('image/') && <img src={o.url} alt="What the job made" loading="lazy" referrerpolicy="no-referrer" />}
      {shown(o.url) && type.startsWith('video/') && <video src={o.url} controls preload="metadata" />}
      {shown(o.url) && type.startsWith('audio/') && <audio src={o.url} controls preload="metadata" />}
      <figcaption><Address url={o.url} /> <span class="quiet">{size(o.bytes)}{type && ', '}<Text>{type}</Text></span></figcaption>
    </figure>
  )
}

/** What can be done to a job in its state. */
function Verbs({ job: j }: { job: Job }) {
  const [busy, set] = useState('')
  const may = operates() || me.value?.roles.includes('producer')
  if (!may) return null
  const act = (name: string, method: string, path: string) => async () => {
    set(name)
    await said(async () => {
      const { body } = await ask<{ fate: string; lane?: string }>(method, query(`/v1/jobs/${part(j.id)}${path}`, { reason: 'from the page' }))
      notice.value = { text: `${j.id}: ${name}${body.fate === 'already' ? ' already' : ''}${body.lane ? `, in ${body.lane}` : ''}.` }
    })
    set('')
  }
  const verb = (label: string, name: string, method: string, path: string) => (
    <button type="button" disabled={!!busy} onClick={act(name, method, path)}>{label}</button>
  )
  return (
    <>
      {operates() && j.state === 'queued' && verb('Promote', 'promoted', 'POST', '/promote')}
      {['dead', 'retrying', 'cancelled', 'missing'].includes(j.state) && verb('Retry', 'retried', 'POST', '/retry')}
      {!final(j.state) && verb('Cancel', 'cancelled', 'DELETE', '')}
    </>
  )
}
