// Where in the page one is: the part behind #, as in #/jobs?state=dead. So one file is enough, and back goes back.
import { signal } from '@preact/signals'

export interface Route {
  view: string
  id: string
  params: URLSearchParams
}

function read(): Route {
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?', 2)
  const [view, ...rest] = path.split('/')
  let id = rest.join('/')
  try {
    id = decodeURIComponent(id)
  } catch {
    // it is meant as it is
  }
  return { view, id, params: new URLSearchParams(search ?? '') }
}

export const route = signal<Route>(read())

addEventListener('hashchange', () => {
  const before = route.value
  route.value = read()
  if (before.view !== route.value.view || before.id !== route.value.id) {
    scrollTo(0, 0)
    document.getElementById('main')?.focus({ preventScroll: true })
  }
})

/** Returns the address of a view. */
export function to(view: string, id = '', params: Record<string, string | undefined> = {}): string {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(params)) if (v) q.set(k, v)
  const text = q.toString()
  return `#/${view}${id ? '/' + encodeURIComponent(id) : ''}${text ? '?' + text : ''}`
}

export const go = (address: string) => void (location.hash = address)
