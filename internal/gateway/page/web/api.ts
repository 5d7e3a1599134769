// The gateway's API: one way to ask, and what is known of who asks.
import { signal } from '@preact/signals'
import type { Whoami } from './types'

/** Problem is an answer that says what is wrong. */
export class Problem extends Error {
  constructor(readonly status: number, message: string) {
    super(message)
  }
}

const stored = 'siren.token'
let token = sessionStorage.getItem(stored) ?? ''

export const tokenWanted = signal('') // why a token is asked for; "": it isn't
export const me = signal<Whoami | null>(null)

/** Reports whether whoever looks may change things. */
export const operates = () => me.value?.roles.includes('operator') ?? false

export function useToken(text: string) {
  token = text.trim()
  if (token) sessionStorage.setItem(stored, token)
  else sessionStorage.removeItem(stored)
}

export const hasToken = () => token !== ''

export interface Answer<T> {
  body: T
  etag: string
}

/** Sends a request, and returns the answer or throws a Problem. */
export async function send(method: string, path: string, o: { body?: unknown; match?: string; signal?: AbortSignal;
  headers?: Record<string, string> } = {}): Promise<Response> {
  const headers: Record<string, string> = { ...o.headers }
  if (token) headers.Authorization = `Bearer ${token}`
  if (o.body !== undefined) headers['Content-Type'] = 'application/json'
  if (o.match) headers['If-Match'] = o.match
  let r: Response
  try {
    const body = o.body === undefined ? undefined : JSON.stringify(o.body)
    r = await fetch(path, { method, headers, body, signal: o.signal, credentials: 'omit', cache: 'no-store' })
  } catch (e) {
    if ((e as Error).name === 'AbortError') throw e
    throw new Problem(0, 'The gateway doesn\u2019t answer.')
  }
  if (r.ok) return r
  const problem = await r.json().catch(() => ({}))
  const parts = [problem.detail ?? problem.title ?? `The gateway answers ${r.status}.`]
  for (const e of problem.errors ?? []) if (e?.message) parts.push(e.message)
  if (r.status === 401) tokenWanted.value = token ? parts[0] : 'This gateway asks who you are.'
  throw new Problem(r.status, parts.join(' '))
}

/** Asks, and reads the answer. */
export async function ask<T>(method: string, path: string, o: Parameters<typeof send>[2] = {}): Promise<Answer<T>> {
  const r = await send(method, path, o)
  return { body: (await r.json()) as T, etag: r.headers.get('ETag') ?? '' }
}

export const get = async <T>(path: string, signal?: AbortSignal) => (await ask<T>('GET', path, { signal })).body

/** Writes parameters behind a path; those that are empty are left out. */
export function query(path: string, params: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(params)) if (v !== undefined && v !== '') q.set(k, String(v))
  const text = q.toString()
  return text ? `${path}?${text}` : path
}

export const part = encodeURIComponent

/** Asks who it is that looks. Without an answer to that nothing is offered that changes anything. */
export async function whoami() {
  try {
    me.value = await get<Whoami>('/v1/whoami')
  } catch {
    me.value = null
  }
}
