package load

import "github.com/polyglot-media/siren/internal/sim"

// Merge returns the jobs of several loads, the earliest first.
func Merge(sources ...sim.Source) sim.Source {
	m := &merged{}
	for _, s := range sources {
		if j, ok := s.Next(); ok {
			m.sources, m.next = append(m.sources, s), append(m.next, j)
		}
	}
	return m
}

// merged is the loads that have jobs left, and the next one of each.
type merged struct {
	sources []sim.Source
	next    []sim.Job
}

// Next implements sim.Source.
func (m *merged) Next() (sim.Job, bool) {
	first := -1
	for i, j := range m.next {
		if first < 0 || j.At < m.next[first].At {
			first = i
		}
	}
	if first < 0 {
		return sim.Job{}, false
	}
	job := m.next[first]
	if j, ok := m.sources[first].Next(); ok {
		m.next[first] = j
		return job, true
	}
	last := len(m.next) - 1
	m.next[first], m.sources[first] = m.next[last], m.sources[last]
	m.next, m.sources = m.next[:last], m.sources[:last]
	return job, true
}
