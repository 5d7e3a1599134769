// Package audit is what people did to the running system: the entries of the audit log.
package audit

import (
	"slices"
	"strings"
	"time"
)

// Entry is one thing that a person did to the running system, or that ended by itself.
type Entry struct {
	At time.Time `json:"at"` // by Redis' clock
	// who it was by their own account: a system user, with the kube context where there is one
	By    string `json:"by"`
	Login string `json:"login,omitempty"` // the Redis user that it was done with
	// tune, remove, expire, restore, begin, end (of what a schedule does), move, migrate, purge, cancel, retry, replay;
	// of old, promote (now move)
	Verb   string    `json:"verb"`
	On     string    `json:"on"`               // the field, lane or job; the filter that chose jobs
	Before string    `json:"before,omitempty"` // the value, lane or state
	After  string    `json:"after,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Jobs   int       `json:"jobs,omitempty"`   // how many, where it was done to several
	Sample []string  `json:"sample,omitempty"` // ids of the first of them
	// the schedule that it is about, and when that is: friday: fri 18:00 every week for 4h (Europe/Berlin)
	Schedule string `json:"schedule,omitempty"`
}

// auditSample is how many ids an entry names: the audit is as long as its entries are short.
const auditSample = 20

// Did notes that it was done to these jobs too. A command makes one entry, however many jobs it is about.
func (e *Entry) Did(ids ...string) {
	e.Jobs += len(ids)
	if room := auditSample - len(e.Sample); room > 0 {
		e.Sample = append(e.Sample, ids[:min(room, len(ids))]...)
	}
}

// About reports whether the entry is about a field, a lane or a job. It takes the name or its beginning: "lane bulk",
// "lanes.bulk.", "job 06ezy".
func (e Entry) About(what string) bool {
	if strings.HasPrefix(e.On, what) {
		return true
	}
	id, job := strings.CutPrefix(what, "job ")
	return job && slices.ContainsFunc(e.Sample, func(s string) bool { return strings.HasPrefix(s, id) })
}
