// Package democmd is siren demo: a burst of real media jobs on a private fleet, and the report of it.
package democmd
