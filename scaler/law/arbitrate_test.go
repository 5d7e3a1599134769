package law

import (
	"reflect"
	"testing"
)

// ask1 returns a request of a pool with one lane of the same name.
func ask1(lane string, rank, existing, floor, need, want int) Request {
	return Request{
		Pool: lane, Existing: existing, Replicas: existing, Floor: floor,
		Shares: []Share{{lane, rank, need, 0}}, Want: want,
	}
}

func TestArbitrate(t *testing.T) {
	tests := []struct {
		name     string
		budget   int
		requests []Request
		want     []Grant
	}{
		{
			"what is frozen is there, whatever anybody else needs", 10,
			[]Request{ask1("a", 0, 2, 4, 9, 9), {Pool: "b", Existing: 7, Replicas: 7, Frozen: true}},
			[]Grant{{Target: 3, To: 3, Cut: true}, {Target: 7, To: 7}},
		},
		{
			"more is frozen than the budget has", 10,
			[]Request{ask1("a", 0, 1, 1, 1, 1), {Pool: "b", Existing: 12, Replicas: 12, Frozen: true}},
			[]Grant{{Target: 0, To: 0, Cut: true}, {Target: 10, To: 10}},
		},
		{"nobody asks", 10, nil, []Grant{}},
		{
			"enough for all", 10,
			[]Request{ask1("a", 0, 2, 1, 4, 4), ask1("b", 1, 3, 0, 3, 3)},
			[]Grant{{Target: 4, To: 4}, {Target: 3, To: 3}},
		},
		{
			"the most urgent first, wherever its pool stands", 10,
			[]Request{ask1("b", 1, 0, 0, 8, 8), ask1("a", 0, 0, 0, 8, 8)},
			[]Grant{
				{Target: 2, To: 2, Cut: true, For: "a"}, {Target: 8, To: 8},
			},
		},
		{"floors before all needs", 10, []Request{ask1("a", 0, 0, 0, 20, 20), ask1("b", 1, 0, 3, 5, 5)}, []Grant{
			{Target: 7, To: 7, Cut: true, For: ""}, {Target: 3, To: 3, Cut: true, For: "a"},
		}},
		{
			"floors beyond the budget are cut too", 4,
			[]Request{ask1("a", 0, 0, 3, 3, 3), ask1("b", 1, 0, 3, 3, 3)},
			[]Grant{
				{Target: 3, To: 3}, {Target: 1, To: 1, Cut: true},
			},
		},
		{"a floor above the need is kept", 10, []Request{ask1("a", 0, 0, 3, 0, 3)}, []Grant{{Target: 3, To: 3}}},
		{
			"a pool's lanes come at their own urgency", 10,
			[]Request{
				{Pool: "p", Shares: []Share{{"a", 0, 3, 0}, {"c", 2, 9, 0}}, Want: 9},
				{Pool: "q", Shares: []Share{{"b", 1, 5, 0}}, Want: 5},
			},
			[]Grant{{Target: 5, To: 5, Cut: true, For: "b"}, {Target: 5, To: 5}},
		},
		{
			"at the same urgency, in the policy's order", 6,
			[]Request{ask1("a", 1, 0, 0, 4, 4), ask1("b", 1, 0, 0, 4, 4)},
			[]Grant{{Target: 4, To: 4}, {Target: 2, To: 2, Cut: true, For: "a"}},
		},
		{
			"what is held gives way to what is needed, without waiting", 10,
			[]Request{ask1("a", 0, 4, 0, 8, 8), ask1("b", 1, 6, 0, 1, 6)},
			[]Grant{{Target: 8, To: 4, Waits: true}, {Target: 2, To: 2, Yielded: true, For: "a"}},
		},
		{
			"also when a less urgent lane needs it", 10,
			[]Request{ask1("a", 0, 8, 0, 1, 8), ask1("b", 1, 2, 0, 7, 7)},
			[]Grant{{Target: 3, To: 3, Yielded: true, For: "b"}, {Target: 7, To: 2, Waits: true}},
		},
		{
			"the more urgent pool holds first", 10,
			[]Request{ask1("b", 1, 5, 0, 0, 5), ask1("a", 0, 3, 0, 0, 3), ask1("c", 2, 2, 0, 4, 4)},
			[]Grant{{Target: 3, To: 3, Yielded: true, For: "c"}, {Target: 3, To: 3}, {Target: 4, To: 2, Waits: true}},
		},
		{
			"what a lane needed a moment ago comes before what a less urgent one needs", 10,
			[]Request{
				{Pool: "a", Existing: 6, Replicas: 6, Shares: []Share{{"a", 0, 1, 6}}, Want: 6},
				{Pool: "b", Existing: 3, Replicas: 3, Shares: []Share{{"b", 1, 8, 3}}, Want: 8},
			},
			[]Grant{{Target: 6, To: 6}, {Target: 4, To: 4, Cut: true, For: "a"}},
		},
		{
			"and after what a more urgent one needs", 10,
			[]Request{
				{Pool: "a", Existing: 2, Replicas: 2, Shares: []Share{{"a", 0, 9, 9}}, Want: 9},
				{Pool: "b", Existing: 8, Replicas: 8, Shares: []Share{{"b", 1, 1, 8}}, Want: 8},
			},
			[]Grant{{Target: 9, To: 2, Waits: true}, {Target: 1, To: 1, Yielded: true, For: "a"}},
		},
		{
			"what still leaves counts", 10,
			[]Request{
				{Pool: "a", Existing: 2, Replicas: 2, Shares: []Share{{"a", 0, 9, 0}}, Want: 9},
				{Pool: "b", Existing: 5, Replicas: 1, Shares: []Share{{"b", 1, 1, 0}}, Want: 1},
			},
			[]Grant{{Target: 9, To: 5, Waits: true}, {Target: 1, To: 1}},
		},
		{
			"room goes to the most urgent lane first", 10,
			[]Request{
				ask1("b", 1, 2, 0, 5, 5),
				ask1("a", 0, 1, 0, 5, 5),
				{Pool: "c", Existing: 5, Replicas: 0, Shares: []Share{{"c", 2, 0, 0}}},
			},
			[]Grant{{Target: 5, To: 2, Waits: true}, {Target: 5, To: 3, Waits: true}, {}},
		},
		{
			"over the budget already", 3,
			[]Request{ask1("a", 0, 4, 0, 4, 4), ask1("b", 1, 4, 0, 4, 4)},
			[]Grant{{Target: 3, To: 3, Cut: true}, {Target: 0, To: 0, Cut: true, For: "a"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Arbitrate(tt.budget, tt.requests); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// FuzzArbitrate checks what holds for any requests. The bytes are a budget and, for each pool, its numbers.
func FuzzArbitrate(f *testing.F) {
	f.Add([]byte{12, 2, 2, 2, 0, 5, 1, 9, 9, 1, 1, 0, 2, 3, 3, 4, 6})
	f.Add([]byte{3, 9, 0, 1, 0, 0, 0, 0, 0, 0, 4, 4, 1, 2, 2, 2, 2})
	f.Add([]byte{12, 2, 2, 2, 0, 5, 1, 9, 9, 9, 15, 0, 2, 3, 3, 4, 6})
	f.Add([]byte{0, 1, 1, 1, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		budget, requests := requestsOf(data)
		grants := Arbitrate(budget, requests)
		target, asked, existing := 0, 0, 0
		for i, g := range grants {
			r := requests[i]
			target += g.Target
			asked += max(g.To, r.Replicas) + r.Existing - r.Replicas
			existing += r.Existing
			most := max(r.Floor, r.Want, r.Shares[0].Total, r.Shares[1].Total, r.Shares[0].Lately, r.Shares[1].Lately)
			if r.Frozen {
				most = r.Replicas
			}
			if g.Target < 0 || g.Target > most || g.To < 0 || g.To > g.Target {
				t.Errorf("%+v of %+v", g, r)
			}
			if g.Waits != (g.To < g.Target) || g.Cut && g.Target >= r.Shares[1].Total &&
				g.Target >= r.Shares[0].Total || g.Cut && g.Yielded {
				t.Errorf("the marks of %+v don't fit %+v", g, r)
			}
			if g.For != "" && (g.For == r.Shares[0].Lane || g.For == r.Shares[1].Lane) {
				t.Errorf("%+v gave way to itself", g)
			}
			// Nobody more urgent goes without what somebody less urgent has beyond the floor.
			for j, o := range grants {
				if g.Target < r.Shares[0].Total && requests[j].Shares[0].Rank > r.Shares[0].Rank &&
					!requests[j].Frozen &&
					o.Target > requests[j].Floor {
					t.Errorf("pool %d is short of %d and has %+v, pool %d has %+v of %+v", i, r.Shares[0].Total, g, j,
						o, requests[j])
				}
			}
		}
		if target > max(budget, 0) {
			t.Errorf("targets of %d with a budget of %d", target, budget)
		}
		if asked > max(budget, existing) {
			t.Errorf("%d replicas are asked for; the budget is %d, %d exist", asked, budget, existing)
		}
		if !reflect.DeepEqual(grants, Arbitrate(budget, requests)) {
			t.Error("the same requests, other grants")
		}
	})
}

func requestsOf(data []byte) (budget int, requests []Request) {
	budget = int(data[0])
	for d := data[1:]; len(d) >= 8 && len(requests) < 8; d = d[8:] {
		name := string(rune('a' + len(requests)))
		n := func(i int) int { return int(d[i] % 64) }
		r := Request{Pool: name, Replicas: n(0), Existing: n(0) + n(1)%4, Floor: n(2) % 8}
		first := Share{name + "1", n(3) % 4, n(4), min(n(0), n(7)/2)}
		second := Share{name + "2", first.Rank + n(5)%3, max(n(6), first.Total), min(n(0), n(7)/3)}
		r.Shares, r.Want = []Share{first, second}, max(second.Total, min(n(7), r.Replicas))
		if d[1]%16 == 15 {
			r = Request{
				Pool: name, Existing: r.Existing, Replicas: r.Replicas, Frozen: true,
				Shares: []Share{{Lane: name + "1"}, {Lane: name + "2"}},
			}
		}
		requests = append(requests, r)
	}
	return budget, requests
}
