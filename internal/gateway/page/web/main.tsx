// The page: its frame, and the view that the address names.
import { effect, signal } from '@preact/signals'
import { render } from 'preact'
import { useState } from 'preact/hooks'
import { hasToken, me, tokenWanted, useToken, whoami } from './api'
import { clean, guardText } from './foreign'
import { paint, setTheme, theme, type Theme } from './hooks'
import { headline, link, now, seesFleet, snapshot, start } from './live'
import { Choice, Dialog, Field, Notices, Trouble } from './parts'
import { go, route, to } from './route'
import { clock } from './words'
import { DeadView } from './views/dead'
import { JobView } from './views/job'
import { JobsView, Search } from './views/jobs'
import { LaneView } from './views/lane'
import { Overview } from './views/overview'
import { PoolView } from './views/pool'
import { TuningsView } from './views/tunings'
import { WorkersView } from './views/workers'

const helping = signal(false)
const views: [view: string, name: string, key: string][] = [
  ['', 'Overview', 'o'], ['jobs', 'Jobs', 'j'], ['workers', 'Workers', 'w'], ['dead', 'Dead letters', 'd'], ['tunings', 'Tunings', 't'],
]
const within: Record<string, string> = { lanes: '', pools: '' } // views that are reached by another one

function View() {
  const { view, id } = route.value
  if (!seesFleet.value && view !== 'jobs') return <JobsView />
  switch (view) {
    case '': return <Overview />
    case 'lanes': return <LaneView key={id} name={id} />
    case 'pools': return <PoolView key={id} name={id} />
    case 'workers': return <WorkersView />
    case 'jobs': return id ? <JobView key={id} id={id} /> : <JobsView />
    case 'dead': return <DeadView />
    case 'tunings': return <TuningsView />
    default: return <><div class="title"><h1>Nothing is here</h1></div><p class="empty"><a href={to('')}>Overview</a></p></>
  }
}

function Page() {
  const here = within[route.value.view] ?? route.value.view
  return (
    <>
      <header class="top">
        <a class="skip" href="#main" onClick={(e) => {
          e.preventDefault()
          document.getElementById('main')?.focus()
        }}>Skip to the content</a>
        <a class="brand" href={to('')} aria-label="Siren, overview"><i aria-hidden="true" />Siren</a>
        <nav aria-label="Views">
          {views.filter(([view]) => seesFleet.value || view === 'jobs').map(([view, name]) => (
            <a href={to(view)} aria-current={view === here ? 'page' : undefined}>{name}</a>
          ))}
        </nav>
        <Search />
        <span class="ends">
          <LinkState />
          <Choice label="Colours" value={theme.value} of={[['light', 'Light'], ['auto', 'Auto'], ['dark', 'Dark']] as [Theme, string][]} set={setTheme} />
          <button type="button" class="plain" aria-label="Help" aria-haspopup="dialog" onClick={() => (helping.value = true)}>?</button>
        </span>
      </header>
      <main id="main" tabIndex={-1}>{tokenWanted.value ? <Token /> : <View />}</main>
      <footer class="foot">
        <span>{snapshot.value ? `scaler ${clean(snapshot.value.leader)}, policy ${snapshot.value.revision}` : ''}</span>
        <span>{me.value ? `${me.value.subject}${me.value.tenant ? ` of ${me.value.tenant}` : ''}: ${me.value.roles.join(', ')}` : ''}
          {hasToken() && <> <button type="button" class="plain" onClick={forget}>Forget the token</button></>}</span>
        <span><a href="/openapi.json">API</a> <a href="/licences.txt">Licences</a></span>
      </footer>
      <Notices />
      {helping.value && <Help />}
    </>
  )
}

function LinkState() {
  const { state, why } = link.value
  if (!seesFleet.value) return null
  const words = state === 'live' ? 'Live' : state === 'away' ? 'Not connected' : 'Connecting'
  return (
    <span class={`link ${state}`} role="status" title={why || undefined}>
      <i aria-hidden="true" /><span class="word">{words}</span>
      <span class="clock" aria-hidden="true">{clock(now.value)}</span>
    </span>
  )
}

function forget() {
  useToken('')
  location.reload()
}

function Token() {
  const [text, set] = useState('')
  async function enter(e: Event) {
    e.preventDefault()
    useToken(text)
    tokenWanted.value = ''
    await whoami()
    if (!tokenWanted.value) start()
  }
  return (
    <form class="token" onSubmit={enter}>
      <h1>Siren</h1>
      <Trouble>{tokenWanted.value}</Trouble>
      <Field label="Token" wide><input type="password" value={text} required autocomplete="off" spellcheck={false} onInput={(e) => set(e.currentTarget.value)} /></Field>
      <p class="note">It stays in this tab, and is forgotten when the tab is closed.</p>
      <footer><button type="submit" class="main">Enter</button></footer>
    </form>
  )
}

function Help() {
  const keys: [string, string][] = [
    ['/', 'search for a job'], ['g, then o j w d t', 'overview, jobs, workers, dead letters, tunings'],
    ['\u2191 \u2193', 'from row to row'], ['Esc', 'close what is open'], ['?', 'this help'],
  ]
  return (
    <Dialog title="Help" close={() => (helping.value = false)}>
      <dl class="lines">{keys.map(([k, v]) => <><dt><kbd>{k}</kbd></dt><dd>{v}</dd></>)}</dl>
      <p class="note">A line is the longest wait now, a dotted one the wait that 95 of 100 jobs stay within. What is beyond
        the objective is urgent. A search with = or ! is for labels, such as tier=premium; any other for a job{'\u2019'}s id.</p>
    </Dialog>
  )
}

let going = false

addEventListener('keydown', (e) => {
  const target = e.target as HTMLElement
  if (e.ctrlKey || e.metaKey || e.altKey || target.closest('dialog, input, select, textarea')) return
  if (going) {
    going = false
    const v = views.find(([, , key]) => key === e.key)
    if (v) go(to(v[0]))
    return
  }
  if (e.key === 'g') {
    going = true
    setTimeout(() => (going = false), 1500)
  } else if (e.key === '/') {
    e.preventDefault()
    dispatchEvent(new Event('siren:search'))
  } else if (e.key === '?') helping.value = true
})

guardText()
paint()
effect(() => {
  const { view, id } = route.value
  const name = id || (views.find(([v]) => v === view)?.[1] ?? '')
  document.title = clean(`${headline.value.urgent ? '\u25b2 ' : ''}${name} \u00b7 Siren`)
})
whoami().then(() => {
  if (!tokenWanted.value) start()
})
render(<Page />, document.getElementById('page')!)
