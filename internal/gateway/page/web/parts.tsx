// The small parts that views are made of.
import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { now } from './live'
import { to } from './route'
import { clock, span } from './words'

type Children = { children?: ComponentChildren }

/** Shows text that a stranger wrote: it keeps its direction to itself. */
export const Text = ({ children, mono, class: c }: Children & { mono?: boolean; class?: string }) => (
  <bdi class={[mono && 'mono', c].filter(Boolean).join(' ') || undefined}>{children}</bdi>
)

/** Lead to a job, a lane, a pool. */
export const JobLink = ({ id }: { id: string }) => <NameLink view="jobs" name={id} mono />
export const LaneLink = ({ name }: { name: string }) => <NameLink view="lanes" name={name} />
export const PoolLink = ({ name }: { name: string }) => <NameLink view="pools" name={name} />

/** Leads to what has this name; of a long one a table shows the beginning. */
const NameLink = ({ view, name, mono }: { view: string; name: string; mono?: boolean }) => (
  <a class={mono ? 'named mono' : 'named'} href={to(view, name)} title={name.length > 20 ? name : undefined}><bdi>{name}</bdi></a>
)

/** Says when something was. */
export function At({ at }: { at?: string }) {
  if (!at) return <span class="quiet">{'\u2013'}</span>
  return <time dateTime={at} title={at}>{clock(at, now.value)}</time>
}

const whole = (n: number) => Math.round(n / 1000) * 1000

/** Says how long ago something was, and goes on counting. */
export const Ago = ({ at }: { at?: string }) =>
  at ? <time dateTime={at} title={at}>{span(whole(now.value - Date.parse(at)))}</time> : <span class="quiet">{'\u2013'}</span>

const urgentStates = ['dead', 'missing', 'late', 'was late', 'stale', 'stuck']

/** Says a state: what is urgent is accented, what is over is quiet. */
export function State({ is }: { is: string }) {
  const how = urgentStates.includes(is) ? 'urgent' : is === 'completed' || is === 'in time' ? 'quiet' : ''
  return <span class={`state ${how}`}>{is}</span>
}

/** A bar of how much of a whole there is. */
export function Bar({ part, label }: { part: number; label: string }) {
  const p = Math.max(0, Math.min(1, part))
  return (
    <span class="bar" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100}
      aria-valuenow={Math.round(p * 100)}>
      <span style={{ width: `${p * 100}%` }} />
    </span>
  )
}

/** A part of a view, with a heading that isn't louder than what is below it. */
export function Section({ title, note, actions, children, id }: Children & {
  title: string; note?: ComponentChildren; actions?: ComponentChildren; id?: string
}) {
  const name = id ?? title.toLowerCase().replace(/[^a-z]+/g, '-')
  return (
    <section aria-labelledby={`h-${name}`} id={name}>
      <header>
        <h2 id={`h-${name}`}>{title}</h2>
        {note && <span class="note">{note}</span>}
        {actions && <span class="actions">{actions}</span>}
      </header>
      {children}
    </section>
  )
}

export interface Column<T> {
  name: string
  show: (row: T) => ComponentChildren
  num?: boolean // aligned to the right
  class?: string // wide: may break; slim: hidden on phones
}

/** A table, whose rows become blocks on a phone. */
export function Table<T>({ caption, columns, rows, keyOf, empty, mark, class: c }: {
  caption: string; columns: Column<T>[]; rows: T[] | undefined; keyOf: (row: T) => string; empty: string
  mark?: (row: T) => boolean; class?: string
}) {
  if (!rows) return null // nobody has answered yet
  if (!rows.length) return <p class="empty">{empty}</p>
  const styleOf = (c: Column<T>) => [c.num && 'num', c.class].filter(Boolean).join(' ') || undefined
  return (
    <table role="table" class={c} onKeyDown={walk}>
      <caption class="unseen">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">{columns.map((c) => <th role="columnheader" scope="col" class={styleOf(c)}>{c.class === 'do' ? <span class="unseen">{c.name}</span> : c.name}</th>)}</tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((r) => (
          <tr role="row" key={keyOf(r)} class={mark?.(r) ? 'marked' : undefined}>
            {columns.map((c) => <td role="cell" class={styleOf(c)} data-name={c.name}>{c.show(r)}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Has the arrow keys go from row to row. */
function walk(e: KeyboardEvent) {
  if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return
  const row = (e.target as HTMLElement).closest('tr')
  if (!row || (e.target as HTMLElement).matches('input, select, textarea')) return
  for (let r: Element | null = row; (r = e.key === 'ArrowDown' ? r.nextElementSibling : r.previousElementSibling);) {
    const first = r.querySelector<HTMLElement>('a, button')
    if (first) {
      first.focus()
      e.preventDefault()
      return
    }
  }
}

/** Names and values, one below the other. */
export const Facts = ({ facts }: { facts: [name: string, value: ComponentChildren, urgent?: boolean][] }) => (
  <dl class="facts">
    {facts.map(([name, value, urgent]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd class={urgent ? 'urgent' : undefined}>{value}</dd>
      </div>
    ))}
  </dl>
)

export const Trouble = ({ children }: Children) =>
  children ? <p class="trouble" role="alert"><bdi>{children}</bdi></p> : null

/** Sentences, one below the other. */
export const Says = ({ says }: { says: string[] | undefined }) =>
  says?.length ? <ul class="says">{says.map((s) => <li><bdi>{s}</bdi></li>)}</ul> : null

/** One of a few, chosen by a press. */
export function Choice<T extends string | number>({ label, value, of, set }: {
  label: string; value: T; of: [T, string][]; set: (v: T) => void
}) {
  return (
    <span class="choice" role="group" aria-label={label}>
      {of.map(([v, name]) => (
        <button type="button" key={v} aria-pressed={v === value} onClick={() => set(v)}>{name}</button>
      ))}
    </span>
  )
}

/** A field of a form, with its name above it. */
export const Field = ({ label, children, wide }: Children & { label: string; wide?: boolean }) => (
  <label class={wide ? 'field wide' : 'field'}><span>{label}</span>{children}</label>
)

/** A window over the page, until it is closed. */
export function Dialog({ title, close, children }: Children & { title: string; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    box.current?.showModal()
    box.current?.querySelector<HTMLElement>('select, input')?.focus()
    return () => before?.focus()
  }, [])
  return (
    <dialog ref={box} aria-label={title} onClose={close} onClick={(e) => e.target === box.current && close()}>
      <div class="inside">
        <header>
          <h2>{title}</h2>
          <button type="button" class="plain" aria-label="Close" onClick={close}>{'\u2715'}</button>
        </header>
        {children}
      </div>
    </dialog>
  )
}

interface Notice {
  text: string
  urgent?: boolean
  undo?: () => Promise<void>
}

/** What has just been done, with a way back. */
export const notice = signal<Notice | null>(null)

export function Notices() {
  const n = notice.value
  return (
    <div class="notices" role="status">
      {n && (
        <p class={n.urgent ? 'urgent' : undefined}>
          <span><bdi>{n.text}</bdi></span>
          {n.undo && <button type="button" onClick={() => n.undo!()}>Undo</button>}
          <button type="button" class="plain" aria-label="Dismiss" onClick={() => (notice.value = null)}>{'\u2715'}</button>
        </p>
      )}
    </div>
  )
}
