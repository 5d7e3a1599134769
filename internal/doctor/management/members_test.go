package management

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// TestExamineCluster has what a real cluster is easily brought to.
func TestJudgeMembers(t *testing.T) {
	up := []brokerNode{{Name: "a", Running: true}, {Name: "b", Running: true}, {Name: "c", Running: true}}
	cDown := []brokerNode{up[0], up[1], {Name: "c"}}
	all := []string{"a", "b", "c"}
	quorum := func(members, online []string) []brokerQueue {
		return []brokerQueue{{Name: "siren.dead", Type: lanes.Quorum, Members: members, Online: online}}
	}
	classic := []brokerQueue{{Name: "siren.dead", Type: lanes.Classic, Node: "c"}}
	type want struct {
		check string
		doctor.Severity
		says string
	}
	for _, c := range []struct {
		name   string
		nodes  []brokerNode
		queues []brokerQueue
		want   []want
	}{
		{"one node", up[:1], quorum(all[:1], all[:1]), nil},
		{"three members", up, quorum(all, all), []want{
			{"broker.members", doctor.OK, "all 1 quorum queues have 3 members"},
			{"broker.restart", doctor.OK, "any one of the nodes can be stopped"},
		}},
		{"a node is down", cDown, quorum(all, all), []want{
			{"broker.members", doctor.OK, "all 1 quorum queues"},
			{"broker.restart", doctor.Note, "stopping node a now"},
			{"broker.restart", doctor.Note, "stopping node b now"},
		}},
		{"no majority", cDown, quorum(all, []string{"a", "c"}), []want{
			{"broker.members", doctor.Error, "siren.dead (1 of 3)"},
			{"broker.members", doctor.OK, "all 1 quorum queues"},
		}},
		{"its node is down", cDown, classic, []want{
			{"broker.members", doctor.Error, "siren.dead (c)"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := judgeMembers("/", c.nodes, c.queues)
			if len(found) != len(c.want) {
				t.Fatalf("%+v", found)
			}
			for i, f := range found {
				w := c.want[i]
				if f.Check != w.check || f.Severity != w.Severity || !strings.Contains(f.What, w.says) {
					t.Errorf("%+v, want %+v", f, w)
				}
			}
		})
	}
}
