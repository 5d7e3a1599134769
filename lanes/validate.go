package lanes

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/location/guard"
	"github.com/polyglot-media/siren/lanes/plain"
)

// nameForm is what lanes and pools may be called: a DNS label that leaves room for a prefix (siren.lane.…, Deployment
// names).
var nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// runtimeMargin is how far maxRuntime has to stay below the broker's consumer timeout: a job that is over its time is
// first told to stop, then committed or retried, and all of that happens before its delivery is acknowledged.
const runtimeMargin = 5 * time.Minute

// shortestConsumerTimeout leaves time to the scaler, too: it keeps jobs that wait for their next attempt for up to 15
// minutes, and gives them back by the margin when it can't put them into their lanes. The timeout of the delay queues
// is the broker's own.
const shortestConsumerTimeout = Duration(15*time.Minute + runtimeMargin)

// Validate checks the whole policy (defaults already filled in) and returns every problem at once as Problems, or nil.
func (p *Policy) Validate() error { return p.validate().err() }

func (p *Policy) validate() Problems {
	problems := p.validateFields()
	p.checkSchedules(&problems)
	return problems
}

// validateFields checks all but the schedules, which no tuning can change.
func (p *Policy) validateFields() Problems {
	var problems Problems
	p.checkLanes(&problems)
	p.checkPools(&problems)
	p.checkStorage(&problems)
	p.checkPresets(&problems)
	p.checkBroker(&problems)
	p.checkTiming(&problems)
	return problems
}

func (p *Policy) checkTiming(problems *Problems) {
	t := p.Timing
	for _, f := range []struct {
		name string
		v    Duration
	}{
		{"heartbeat", t.Heartbeat},
		{"goneAfter", t.GoneAfter},
		{"lease", t.Lease},
		{"keep", t.Keep},
		{"serviceTime", t.ServiceTime},
		{"coldStart", t.ColdStart},
	} {
		if f.v <= 0 {
			problems.add("timing."+f.name, "must be above 0, not %s", f.v)
		}
	}
	if t.GoneAfter < 3*t.Heartbeat {
		problems.add("timing.goneAfter", "must be at least 3 heartbeats (%s), or a late heartbeat counts as a dead "+
			"worker", 3*t.Heartbeat)
	}
	if t.Lease < Duration(3*time.Second) {
		problems.add("timing.lease", "must be at least 3s: it is renewed every third of it")
	}
}

func (p *Policy) checkLanes(problems *Problems) {
	if len(p.Lanes) == 0 {
		problems.add("lanes", "needs at least one lane")
		return
	}
	var defaults []string
	seen := map[string]bool{}
	for i, l := range p.Lanes {
		at := fmt.Sprintf("lanes[%d]", i)
		checkName(at, l.Name, seen, problems)
		if len(l.Match) == 0 {
			defaults = append(defaults, l.Name)
		}
		for j, m := range l.Match {
			if s, err := labels.Parse(m); err != nil {
				problems.add(fmt.Sprintf("%s.match[%d]", at, j), "%q is not a label selector: %v", m, err)
			} else if s.Empty() {
				problems.add(fmt.Sprintf("%s.match[%d]", at, j),
					"is empty and would match every job; leave match out of the default lane instead")
			}
		}
		if l.StartWithin <= 0 {
			problems.add(at+".startWithin", "is required: within which time should 95 %% of the jobs start? (for "+
				"example 30s)")
		}
		p.checkLaneLimits(at, l, problems)
		p.checkPromote(at, i, l, problems)
	}
	switch len(defaults) {
	case 1:
	case 0:
		problems.add("lanes", "every lane has a match, so a job may belong to none; leave match out of exactly one "+
			"lane, the default")
	default:
		problems.add("lanes", "%s have no match; exactly one lane may have none, the default", quoted(defaults))
	}
}

func (p *Policy) checkLaneLimits(at string, l Lane, problems *Problems) {
	if l.Reserve < 0 {
		problems.add(at+".reserve", "must not be negative")
	}
	if home, ok := p.Home(l.Name); ok && l.Reserve > 0 && home.Shoulder[l.Name] == 0 {
		problems.add(at+".reserve", "needs a shoulder, which alone keeps lower lanes out; add `shoulder: {%s: 1}` "+
			"to pool %q", l.Name, home.Name)
	}
	if l.MaxRuntime <= 0 {
		problems.add(at+".maxRuntime", "must be above 0, not %s", l.MaxRuntime)
	} else if limit := p.Broker.ConsumerTimeout - Duration(runtimeMargin); l.QueueType != Quorum &&
		l.MaxRuntime > limit && p.Broker.ConsumerTimeout >= shortestConsumerTimeout {
		problems.add(at+".maxRuntime", "%s is too close to the broker's consumer timeout of %s, which takes a job "+
			"away from a worker that still runs it; "+
			"lower it to at most %s, or raise consumer_timeout in rabbitmq.conf and say so in broker.consumerTimeout, "+
			"or give the lane queueType: quorum, whose queue gets a timeout of its own on RabbitMQ 4.0 or newer",
			l.MaxRuntime, p.Broker.ConsumerTimeout, limit)
	}
	if l.QueueType != p.Broker.QueueType { // else it is the broker's that is wrong
		checkQueueType(at+".queueType", l.QueueType, problems)
	}
	switch {
	case l.Priorities < 0 || l.Priorities > MaxPriority:
		problems.add(at+".priorities", "must be 0 (ordinary jobs only) to %d, not %d", MaxPriority, l.Priorities)
	case l.Priorities > 0 && l.QueueType == Quorum:
		problems.add(at+".priorities", "needs a classic queue: each version of RabbitMQ orders the priorities of a "+
			"quorum queue in another way; "+
			"leave priorities out, or give the lane queueType: classic")
	}
	if l.MaxCrashes < 1 {
		problems.add(at+".maxCrashes", "must be at least 1")
	}
	r := l.Retry
	if r.Attempts < 1 {
		problems.add(at+".retry.attempts", "must be at least 1: the first attempt counts")
	}
	if r.First <= 0 {
		problems.add(at+".retry.first", "must be above 0, not %s", r.First)
	}
	if r.Factor < 1 {
		problems.add(at+".retry.factor", "must be at least 1")
	}
	if r.Max < r.First {
		problems.add(at+".retry.max", "%s is less than retry.first (%s)", r.Max, r.First)
	}
}

func (p *Policy) checkPromote(at string, rank int, l Lane, problems *Problems) {
	if l.Promote == nil {
		return
	}
	if l.Promote.After <= 0 {
		problems.add(at+".promote.after", "must be above 0, not %s", l.Promote.After)
	}
	switch to := p.Rank(l.Promote.To); {
	case to == len(p.Lanes):
		problems.add(at+".promote.to", "no lane %q%s", l.Promote.To, plain.Suggest(l.Promote.To, p.LaneNames()))
	case to >= rank:
		problems.add(at+".promote.to", "%q is not more urgent than %q; name a lane above it", l.Promote.To, l.Name)
	}
}

func (p *Policy) checkPools(problems *Problems) {
	if len(p.Pools) == 0 {
		problems.add("pools", "needs at least one pool")
	}
	if p.Budget < 1 {
		problems.add("budget", "must be at least 1: the most replicas that all pools may have together")
	}
	homes := map[string][]string{}
	seen := map[string]bool{}
	floor := 0
	for i, q := range p.Pools {
		at := fmt.Sprintf("pools[%d]", i)
		checkName(at, q.Name, seen, problems)
		floor += q.Min
		if len(q.Lanes) == 0 {
			problems.add(at+".lanes", "needs at least one lane that this pool is home to")
		}
		for j, lane := range q.Lanes {
			if p.checkLaneRef(fmt.Sprintf("%s.lanes[%d]", at, j), lane, q.Lanes[:j], problems) {
				homes[lane] = append(homes[lane], q.Name)
			}
		}
		for j, lane := range q.Guests {
			guest := fmt.Sprintf("%s.guests[%d]", at, j)
			if p.checkLaneRef(guest, lane, q.Guests[:j], problems) && slices.Contains(q.Lanes, lane) {
				problems.add(guest, "%q is already one of this pool's own lanes", lane)
			}
		}
		checkPoolSize(at, q, problems)
	}
	for i, l := range p.Lanes {
		if l.Name == "" || p.Rank(l.Name) < i {
			continue // the name is the problem
		}
		switch h := homes[l.Name]; len(h) {
		case 1:
		case 0:
			problems.add(fmt.Sprintf("lanes[%d]", i), "lane %q has no home: name it in the lanes of exactly one pool",
				l.Name)
		default:
			problems.add(fmt.Sprintf("lanes[%d]", i),
				"lane %q has the homes %s; exactly one pool may name it in lanes (the others may take it as a guest)",
				l.Name, quoted(h))
		}
	}
	if p.Budget >= 1 && floor > p.Budget {
		problems.add("budget", "%d is less than the pools' min together (%d)", p.Budget, floor)
	}
}

func checkPoolSize(at string, q Pool, problems *Problems) {
	if q.Slots < 1 {
		problems.add(at+".slots", "must be at least 1")
	}
	if len(q.Shoulder) > 1 {
		problems.add(at+".shoulder", "is for one lane alone, but names %s",
			quoted(slices.Sorted(maps.Keys(q.Shoulder))))
	}
	for _, lane := range slices.Sorted(maps.Keys(q.Shoulder)) {
		if !slices.Contains(q.Lanes, lane) {
			problems.add(at+".shoulder."+lane, "%q is not one of this pool's own lanes%s", lane,
				plain.Suggest(lane, q.Lanes))
		}
		if q.Shoulder[lane] < 1 {
			problems.add(at+".shoulder."+lane, "must be at least 1")
		}
	}
	if q.Min < 0 {
		problems.add(at+".min", "must not be negative")
	}
	if q.Max < 1 {
		problems.add(at+".max", "is required: the most workers of this pool, at least 1")
	} else if q.Min > q.Max {
		problems.add(at+".max", "%d is less than min (%d)", q.Max, q.Min)
	}
	if q.Hold < 0 {
		problems.add(at+".hold", "must not be negative")
	}
	if q.Slot.Memory < 64<<20 {
		problems.add(at+".slot.memory", "%s is too little for ffmpeg; give at least 64Mi", q.Slot.Memory)
	}
	if q.Slot.Scratch < 1<<20 {
		problems.add(at+".slot.scratch", "%s is too little for a media file; give at least 1Mi", q.Slot.Scratch)
	}
	if q.Slot.Cores <= 0 {
		problems.add(at+".slot.cores", "must be above 0")
	}
}

// checkLaneRef checks that lane is one of the policy's and not among those named before it.
func (p *Policy) checkLaneRef(path, lane string, before []string, problems *Problems) bool {
	if slices.Contains(before, lane) {
		problems.add(path, "%q is a duplicate", lane)
		return false
	}
	if p.Rank(lane) == len(p.Lanes) {
		problems.add(path, "no lane %q%s", lane, plain.Suggest(lane, p.LaneNames()))
		return false
	}
	return true
}

func (p *Policy) checkStorage(problems *Problems) {
	for i, s := range p.Storage {
		at := fmt.Sprintf("storage[%d]", i)
		if field, err := s.check(); err != nil {
			problems.add(at+"."+field, "%v", err)
		}
		if !s.Read && !s.Write {
			problems.add(at, "allows nothing: set read, write or both")
		}
	}
}

// Check refuses a prefix that no job's URL can have, or that can't be used so.
func (s Storage) Check() error {
	_, err := s.check()
	return err
}

// check does as Check, and says which field is wrong.
func (s Storage) check() (field string, err error) {
	switch l, err := location.ParsePrefix(s.Prefix); {
	case err != nil:
		return "prefix", err
	case s.Write && !l.Writable():
		return "write", fmt.Errorf("%s can only be read", l.Scheme)
	default:
		return "prefix", checkAddress(l)
	}
}

// checkAddress refuses an address that no worker fetches from. What another name than localhost leads to is seen when
// it is looked up.
func checkAddress(l location.Location) error {
	host, _, err := net.SplitHostPort(l.Host)
	if err != nil {
		return nil // a bucket, or none
	}
	what := ""
	if addr, err := netip.ParseAddr(host); err == nil {
		what = guard.Internal(addr)
	} else if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761
		what = "a loopback address"
	}
	if what == "" {
		return nil
	}
	return fmt.Errorf("%s is %s, and inputs are fetched from public addresses only; use s3:// or file:// for internal "+
		"storage", host, what)
}

func (p *Policy) checkBroker(problems *Problems) {
	checkQueueType("broker.queueType", p.Broker.QueueType, problems)
	if p.Broker.ConsumerTimeout < shortestConsumerTimeout {
		problems.add("broker.consumerTimeout", "%s is too short: the scaler keeps jobs that wait for a retry "+
			"for up to 15m; "+
			"set it to at least %s, here and in rabbitmq.conf (RabbitMQ's default is 30m)", p.Broker.ConsumerTimeout,
			shortestConsumerTimeout)
	}
}

func checkQueueType(path, t string, problems *Problems) {
	if t != Classic && t != Quorum {
		problems.add(path, "must be classic or quorum, not %q%s", t, plain.Suggest(t, []string{Classic, Quorum}))
	}
}

func checkName(at, name string, seen map[string]bool, problems *Problems) {
	switch {
	case name == "":
		problems.add(at+".name", "is required")
	case !nameForm.MatchString(name):
		problems.add(at+".name", "%q must be lower-case letters, digits and dashes, at most 40, beginning and "+
			"ending with a letter or digit", name)
	case seen[name]:
		problems.add(at+".name", "%q is a duplicate", name)
	}
	seen[name] = true
}

func quoted(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(q, ", ")
}
