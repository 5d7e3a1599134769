package management

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

func TestJudgePolicies(t *testing.T) {
	queues := map[string]string{
		"siren.lane.bulk": lanes.Quorum, "siren.lane.express": lanes.Classic,
		"siren.dead": lanes.Classic, "siren.delay.5s": lanes.Classic,
	}
	p := &lanes.Policy{}
	p.Default()
	for _, c := range []struct {
		name   string
		policy brokerPolicy
		want   doctor.Severity
		says   string
	}{
		{
			"a TTL",
			brokerPolicy{Pattern: "^siren", Definition: map[string]any{"message-ttl": 1000.0}},
			doctor.Error,
			"message-ttl = 1000 on siren.dead, siren.delay.5s, siren.lane.bulk, siren.lane.express",
		},
		{
			"expiry",
			brokerPolicy{Pattern: "lane", Definition: map[string]any{"expires": 1000.0}},
			doctor.Error,
			"deletes a queue",
		},
		{
			"a length, dropping",
			brokerPolicy{Pattern: ".*", Definition: map[string]any{"max-length": 10.0}},
			doctor.Error, "drops its oldest jobs",
		},
		{"a length, dropping by word", brokerPolicy{
			Pattern: ".*",
			Definition: map[string]any{
				"max-length-bytes": 10.0,
				"overflow":         "drop-head",
			},
		}, doctor.Error, "drops its oldest jobs"},
		{"a length, refusing", brokerPolicy{
			Pattern: ".*",
			Definition: map[string]any{
				"max-length": 10.0,
				"overflow":   "reject-publish",
			},
		}, doctor.Warning, "refuses what is published"},
		{
			"dead-lettering of lanes, which have arguments",
			brokerPolicy{Pattern: "lane", Definition: map[string]any{"dead-letter-exchange": "x"}},
			doctor.OK,
			"none of",
		},
		{
			"dead-lettering of others",
			brokerPolicy{
				Pattern:    ".*",
				Definition: map[string]any{"dead-letter-exchange": "x"},
			},
			doctor.Warning,
			`= "x" on siren.dead, siren.delay.5s`,
		},
		{"a delivery limit of quorum queues", brokerPolicy{
			Pattern:    ".*",
			Definition: map[string]any{"delivery-limit": 5.0},
		}, doctor.Error, "on siren.lane.bulk"},
		{"a delivery limit that is none", brokerPolicy{
			Pattern:    ".*",
			Definition: map[string]any{"delivery-limit": 2147483647.0},
		}, doctor.OK, "none of"},
		{"a delivery limit of classic ones", brokerPolicy{
			Pattern:    "express",
			Definition: map[string]any{"delivery-limit": 5.0},
		}, doctor.OK, "none of"},
		{"a short consumer timeout", brokerPolicy{
			Pattern:    "lane",
			Definition: map[string]any{"consumer-timeout": 1500000.0},
		}, doctor.Error, "set broker.consumerTimeout: " +
			"25m in Siren's policy, or rabbitmqctl"},
		{"one that no policy may count on", brokerPolicy{
			Pattern:    "lane",
			Definition: map[string]any{"consumer-timeout": 60000.0},
		}, doctor.Error, "\nrabbitmqctl"},
		{
			"a long one",
			brokerPolicy{Pattern: "lane", Definition: map[string]any{"consumer-timeout": 7200000.0}},
			doctor.OK, "none of",
		},
		{
			"mirrors",
			brokerPolicy{Pattern: "lane", Definition: map[string]any{"ha-mode": "all"}},
			doctor.Note,
			"mirrored",
		},
		{
			"federation",
			brokerPolicy{Pattern: "lane", Definition: map[string]any{"federation-upstream-set": "all"}},
			doctor.Warning, "federated",
		},
		{"for exchanges", brokerPolicy{
			Pattern: ".*", ApplyTo: "exchanges",
			Definition: map[string]any{"message-ttl": 1000.0},
		}, doctor.OK, "none of"},
		{"for quorum queues", brokerPolicy{
			Pattern: ".*", ApplyTo: "quorum_queues",
			Definition: map[string]any{"message-ttl": 1000.0},
		}, doctor.Error, "= 1000 on siren.lane.bulk"},
		{
			"for others",
			brokerPolicy{Pattern: "^orders", Definition: map[string]any{"message-ttl": 1000.0}},
			doctor.OK,
			"none of",
		},
		{
			"harmless",
			brokerPolicy{Pattern: ".*", Definition: map[string]any{"queue-mode": "lazy"}},
			doctor.OK,
			"none of",
		},
		{"one that spares Siren", brokerPolicy{
			Pattern:    `^(?!siren\.)(?:.*(?:.*))`,
			Definition: map[string]any{"message-ttl": 1000.0},
		}, doctor.OK, "none of"},
		{"a pattern that Go doesn't know", brokerPolicy{
			Pattern:    "^(?!orders)",
			Definition: map[string]any{"message-ttl": 1000.0},
		}, doctor.Note, "couldn't be read here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.policy.Name = "p"
			found := judgePolicies("/", []brokerPolicy{c.policy}, queues, p)
			if len(found) != 1 {
				t.Fatalf("%+v", found)
			}
			f := found[0]
			if text := f.What + "\n" + f.Why + "\n" + f.Fix; f.Severity != c.want || !strings.Contains(text, c.says) ||
				f.Severity > doctor.OK && (f.Why == "" || f.Fix == "") {
				t.Errorf("%+v, want %s: …%s…", f, c.want, c.says)
			}
		})
	}
}

// Of several policies that match, the one with the highest priority counts; an operator's beside it.
func TestJudgePoliciesByPriority(t *testing.T) {
	all := []brokerPolicy{
		{Name: "ttl", Pattern: ".*", Priority: 1, Definition: map[string]any{"message-ttl": 1000.0}},
		{Name: "spares", Pattern: "^siren", Priority: 2, Definition: map[string]any{"queue-mode": "lazy"}},
	}
	queues := map[string]string{"siren.dead": lanes.Classic}
	if found := judgePolicies("/", all, queues, nil); doctor.Worst(found) != doctor.OK {
		t.Errorf("%+v", found)
	}
	all = append(all, brokerPolicy{
		Name: "caps", Pattern: ".*", Operator: true,
		Definition: map[string]any{"max-length": 5.0},
	})
	found := judgePolicies("media", all, queues, nil)
	want := `rabbitmqctl set_operator_policy --vhost 'media' --priority 0 --apply-to all 'caps' ` +
		`'^(?!siren\.)(?:.*(?:.*))' '{"max-length":5}'`
	if len(found) != 1 || found[0].Fix != want {
		t.Errorf("%+v\nwant %s", found, want)
	}
}

func TestJudgeNodes(t *testing.T) {
	quorum := &lanes.Policy{Broker: lanes.Broker{QueueType: lanes.Quorum}}
	fine := brokerNode{Name: "a", Running: true, DiskFree: 100 << 30, DiskFreeLimit: 2 << 30}
	with := func(change func(n *brokerNode)) brokerNode {
		n := fine
		change(&n)
		return n
	}
	for _, c := range []struct {
		name   string
		nodes  []brokerNode
		policy *lanes.Policy
		want   doctor.Severity
		says   string
	}{
		{"three", []brokerNode{fine, fine, fine}, quorum, doctor.OK, "3 of 3 nodes run"},
		{"one, with quorum queues", []brokerNode{fine}, quorum, doctor.Note, "on a single node"},
		{"two, with quorum queues", []brokerNode{fine, fine}, quorum, doctor.Warning, "stop when one of them is away"},
		{
			"one that is down",
			[]brokerNode{fine, with(func(n *brokerNode) { n.Running = false })},
			nil, doctor.Error,
			"doesn't run",
		},
		{
			"memory alarm",
			[]brokerNode{with(func(n *brokerNode) { n.MemAlarm = true })},
			nil, doctor.Error,
			"memory alarm",
		},
		{"disk alarm", []brokerNode{with(func(n *brokerNode) { n.DiskAlarm = true })}, nil, doctor.Error, "disk alarm"},
		{
			"nearly",
			[]brokerNode{with(func(n *brokerNode) { n.DiskFree = 3 << 30 })},
			nil, doctor.Warning,
			"3072 MiB of disk free",
		},
		{
			"a small limit",
			[]brokerNode{with(func(n *brokerNode) { n.DiskFreeLimit = 50 << 20 })},
			nil, doctor.Note,
			"disk_free_limit of 50 MiB",
		},
		{
			"a partition",
			[]brokerNode{with(func(n *brokerNode) { n.Partitions = []string{"b"} })},
			nil, doctor.Error,
			"partition",
		},
	} {
		found := judgeNodes(c.nodes, c.policy)
		said := false
		for _, f := range found {
			said = said || f.Severity == c.want && strings.Contains(f.What, c.says)
		}
		if doctor.Worst(found) != c.want || !said {
			t.Errorf("%s: %+v", c.name, found)
		}
	}
}

func TestJudgeBindings(t *testing.T) {
	p := &lanes.Policy{Lanes: []lanes.Lane{
		{Name: "express", Match: []string{"a=b"}},
		{Name: "standard", QueueType: lanes.Quorum},
	}}
	jobs := []binding{{"siren.lane.express", "express"}, {"siren.lane.standard.quorum", "standard"}}
	stray := []binding{{"siren.lane.standard.quorum", ""}}
	if f := judgeBindings(jobs, stray, p, nil); f.Severity != doctor.OK {
		t.Errorf("%+v", f)
	}
	if f := judgeBindings(jobs[:1], nil, p, []string{"siren.lane.standard.quorum"}); f.Severity != doctor.OK {
		t.Errorf("a queue that is away: %+v", f)
	}
	for says, f := range map[string]doctor.Finding{
		`isn't bound to lane "standard"`: judgeBindings(jobs[:1], stray, p, nil),
		`is bound to spy too, by the key "express"`: judgeBindings(append(jobs[:2:2], binding{"spy", "express"}),
			stray, p, nil),
		`isn't bound to the default lane "standard"`: judgeBindings(jobs, []binding{{"siren.lane.express", ""}}, p,
			nil),
		"is bound to 2 queues": judgeBindings(jobs,
			append(stray[:1:1], binding{"siren.lane.express", ""}), p, nil),
	} {
		if f.Severity != doctor.Error || !strings.Contains(f.What, says) {
			t.Errorf("%+v, want %s", f, says)
		}
	}
}
