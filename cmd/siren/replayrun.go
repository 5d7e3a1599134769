package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

const (
	// longestHold is how long letters that aren't to be replayed are out of the queue at a time. A broker closes the channel of who holds
	// messages for longer than its consumer timeout.
	longestHold = 10 * time.Minute
	// afterwards is how long a batch that is under way may go on after Ctrl-C.
	afterwards = 5 * time.Second
	copyBatch  = 250 // copies that are published at once: a publisher's window of unconfirmed ones
	tellers    = 8   // that tell the ledger at the same time
)

// replay goes through siren.dead and puts jobs back into their lanes.
type replay struct {
	*operator
	policy lanes.Policy
	choose func(lanes.Record) bool // by the filter
	ids    map[string]bool         // by their ids instead; nil for the filter
	order  []string                // the ids as they were given
	to     string
	set    paramSet
	limit  int // 0: none
	dryRun bool
	expect int // jobs, about
	pace   pace
	hold   time.Duration

	letters *rabbit.DeadLetters
	publish *rabbit.Publisher

	pending  []*revival          // chosen, and not yet published
	hand     map[string]*revival // the same, by job
	carried  map[string]int      // by job: the number of the copy that this command made
	refused  map[string]error    // by job: why it can't be replayed
	replayed int
	by       map[[2]string]int // replayed, by lane and reason
	removed  int               // letters whose job had been carried on before
	left     leftLetters
	aside    []rabbit.DeadLetter // of jobs that a newer letter is about
}

// leftLetters counts letters that were chosen and yet left where they are.
type leftLetters struct {
	noJob     int // that nothing can run
	elsewhere int // whose job goes on, or has ended, under the same number
	otherKind int // of kinds that don't take the params
	stale     int // whose job's newest letter hasn't turned up
}

// revival is a job that is about to be replayed.
type revival struct {
	entry   rabbit.Entry
	made    int // the number of the letter that it was made from
	reason  string
	params  []byte              // others than the record's; nil: the same
	letters []rabbit.DeadLetter // all of the job's that are in hand; none for one that is taken from its record
}

// newReplay prepares a replay of what a filter chooses, or of the jobs with these ids.
func (o *operator) newReplay(e lanes.Effective, f *deadFilter, ids []string) *replay {
	r := &replay{
		operator: o, policy: e.Policy, order: ids, carried: map[string]int{}, refused: map[string]error{}, by: map[[2]string]int{}, hand: map[string]*revival{},
		hold: min(longestHold, e.Policy.Broker.ConsumerTimeout.D()/2),
	}
	if len(ids) == 0 {
		r.choose = f.chooser(time.Now())
		return r
	}
	r.ids = map[string]bool{}
	for _, id := range ids {
		r.ids[id] = true
	}
	return r
}

// run goes through the letters once, and again when holding those that stay has taken long.
func (r *replay) run(ctx context.Context) error {
	letters, end, err := r.openDead(ctx, "dead replay")
	if err != nil {
		return err
	}
	defer end()
	conn, err := r.connect(ctx, "dead replay (publish)")
	if err != nil {
		return err
	}
	defer conn.Close()
	r.letters, r.publish = letters, rabbit.NewPublisher(conn, 0)
	began := time.Now()
	err = r.eachLetter(ctx, letters, r.pace.batch(), func(batch []foundLetter) (bool, error) {
		if done, err := r.batch(ctx, batch); done || err != nil {
			return true, err
		}
		if time.Since(began) < r.hold {
			return false, nil
		}
		if err := r.flush(ctx); err != nil {
			return true, err
		}
		began, r.left, r.aside = time.Now(), leftLetters{}, nil
		return false, unreachable(letters.GiveBack())
	})
	if err == nil {
		err = r.flush(ctx)
	}
	r.clearProgress()
	if err == nil && r.ids != nil && !r.done() {
		err = r.fromRecords(ctx)
	}
	return errors.Join(err, r.tidy())
}

// done is whether nothing is left to be found.
func (r *replay) done() bool {
	n := len(r.pending)
	return r.limit > 0 && r.replayed+n >= r.limit || r.ids != nil && len(r.carried)+len(r.refused)+n >= len(r.ids)
}

// batch sees to a batch of letters: what is to be replayed of it goes with what was pending, once that is worth a round trip.
func (r *replay) batch(ctx context.Context, batch []foundLetter) (done bool, err error) {
	var obsolete []rabbit.DeadLetter
	for _, l := range batch {
		if v := r.hand[l.ID]; v != nil {
			r.join(v, l)
			continue
		}
		switch r.fate(l) {
		case obsoleteLetter:
			obsolete = append(obsolete, l.DeadLetter)
		case asideLetter:
			r.aside = append(r.aside, l.DeadLetter)
		case reviveLetter:
			if r.limit > 0 && r.replayed+len(r.pending) >= r.limit {
				continue
			}
			v, err := r.revive(l)
			if err != nil {
				r.refused[l.ID] = err
				continue
			}
			r.pending, r.hand[l.ID] = append(r.pending, v), v
		}
	}
	r.removed += len(obsolete)
	if !r.dryRun {
		if err := r.letters.Remove(obsolete...); err != nil {
			return true, unreachable(err)
		}
	}
	if len(r.pending) >= r.pace.worth() || r.dryRun {
		err = r.flush(ctx)
	}
	return r.done(), err
}

// flush replays what is pending.
func (r *replay) flush(ctx context.Context) error {
	all := r.pending
	r.pending, r.hand = nil, map[string]*revival{}
	if r.dryRun {
		r.count(all)
		return nil
	}
	return r.carry(ctx, all)
}

// letterFate is what becomes of a letter.
type letterFate int

const (
	leaveLetter    letterFate = iota
	reviveLetter              // its job is replayed
	obsoleteLetter            // it is removed: a newer copy has carried its job on
	asideLetter               // it goes with the newest letter of its job
)

// fate is what becomes of a letter.
func (r *replay) fate(l foundLetter) letterFate {
	number, ours := r.carried[l.ID]
	switch {
	case ours && l.Replay < number:
		return obsoleteLetter
	case ours: // it has died again meanwhile: once is enough
		return leaveLetter
	case r.ids != nil && !r.ids[l.ID], r.ids == nil && !r.choose(l.facts):
		return leaveLetter
	case l.Err != nil, r.ids == nil && l.facts.Reason == lanes.ErrNoID.Error():
		r.left.noJob++
		if r.ids != nil {
			r.refused[l.ID] = fmt.Errorf("job %s can't be replayed: its message is no job (%w); `siren dead show %s` has it", l.ID, l.Err, l.ID)
		}
		return leaveLetter
	case l.stands == superseded:
		return obsoleteLetter
	case l.stands == elsewhere:
		r.left.elsewhere++
		return leaveLetter
	case l.stands == stale:
		return asideLetter
	case !r.set.fits(l.Job.Kind):
		r.left.otherKind++
		if r.ids != nil {
			r.refused[l.ID] = fmt.Errorf("job %s is a %s, which doesn't take %s", l.ID, l.Job.Kind, r.set)
		}
		return leaveLetter
	default:
		return reviveLetter
	}
}

// revive makes the copy of a letter's job.
func (r *replay) revive(l foundLetter) (*revival, error) {
	body, job, err := r.set.apply(l.DeadLetter, r.policy.Storage)
	if err != nil {
		return nil, fmt.Errorf("job %s can't be replayed: %w", l.ID, err)
	}
	v := &revival{
		entry: rabbit.Entry{Lane: r.lane(l.facts.Lane), Job: job, EnqueuedAt: l.EnqueuedAt, Replay: l.Replay + 1, Body: body, Priority: l.Priority},
		made:  l.Replay, reason: l.facts.Reason, letters: []rabbit.DeadLetter{l.DeadLetter},
	}
	if l.record != nil {
		v.entry.Replay = max(l.Replay, l.record.Replay) + 1
	}
	if len(r.set) > 0 {
		v.params = job.Params
	}
	return v, nil
}

// join takes in another letter of a job that is about to be replayed: the newest says what the job is, and the copy is above all of them.
func (r *replay) join(v *revival, l foundLetter) {
	letters := append(v.letters, l.DeadLetter)
	if l.Err == nil && l.Replay > v.made {
		if newer, err := r.revive(l); err == nil {
			*v = *newer
		}
	}
	v.letters = letters
	v.entry.Replay = max(v.entry.Replay, l.Replay+1)
}

// lane is where a job of that lane goes.
func (r *replay) lane(own string) string {
	if r.to != "" {
		return r.to
	}
	if _, ok := r.policy.Lane(own); ok {
		return own
	}
	return r.policy.DefaultLane() // its lane has left the policy
}

// count notes what was replayed, or in a dry run would have been.
func (r *replay) count(all []*revival) {
	for _, v := range all {
		r.carried[v.entry.Job.ID] = v.entry.Replay
		r.by[[2]string{v.entry.Lane, v.reason}]++
	}
	r.replayed += len(all)
}

// carry replays jobs at the pace that was asked for. What is begun when ctx ends is brought to its end.
func (r *replay) carry(ctx context.Context, all []*revival) error {
	for part := range slices.Chunk(all, r.pace.chunk()) {
		if err := r.pace.wait(ctx, len(part)); err != nil {
			return err
		}
		late, end := lingering(ctx, afterwards)
		err := r.carryPart(late, part)
		end()
		if err != nil {
			return unreachable(err)
		}
		r.showProgress()
	}
	return ctx.Err()
}

// carryPart publishes copies; the ledger hears of those that are confirmed, and then their letters are removed.
func (r *replay) carryPart(ctx context.Context, part []*revival) error {
	entries := make([]rabbit.Entry, len(part))
	for i, v := range part {
		entries[i] = v.entry
	}
	var failed error
	var confirmed []*revival
	now := time.Now()
	for i, err := range r.publish.EnqueueBatch(ctx, entries) {
		if err == nil {
			confirmed = append(confirmed, part[i])
		} else if failed == nil {
			failed = err
		}
	}
	r.tell(ctx, confirmed, now)
	r.count(confirmed)
	for _, v := range confirmed {
		if err := r.letters.Remove(v.letters...); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// tell has the ledger know which copies carry the jobs. That it can't be told is no harm: a copy with a higher number brings its job back by itself.
func (r *replay) tell(ctx context.Context, all []*revival, ready time.Time) {
	var wg sync.WaitGroup
	seats := make(chan struct{}, tellers)
	for _, v := range all {
		seats <- struct{}{}
		wg.Go(func() {
			defer func() { <-seats }()
			if err := r.tellOne(ctx, v, ready); err != nil {
				r.log.Warn("the ledger doesn't know yet that a job is replayed", "job", v.entry.Job.ID, "error", err)
			}
		})
	}
	wg.Wait()
}

func (r *replay) tellOne(ctx context.Context, v *revival, ready time.Time) error {
	e := v.entry
	_, err := r.ledger.Supersede(ctx, redis.Supersede{
		ID: e.Job.ID, Lane: e.Lane, ReadyAt: ready, Replay: e.Replay, From: []lanes.State{lanes.Dead}, Params: v.params,
	})
	if redisNotFound(err) {
		_, err = r.ledger.CreateAll(ctx, []lanes.Delivery{{Job: e.Job, Lane: e.Lane, EnqueuedAt: e.EnqueuedAt, ReadyAt: ready, Replay: e.Replay}})
	}
	var state *redis.StateError
	if errors.As(err, &state) {
		return nil // a worker has the copy already, or what somebody else did counts
	}
	return err
}

// fromRecords replays the jobs that were asked for and have no letter: somebody has emptied the dead letters, and the record knows all that is needed.
func (r *replay) fromRecords(ctx context.Context) error {
	records, err := r.ledger.GetAll(ctx, r.order)
	if err != nil {
		return unreachable(err)
	}
	var all []*revival
	for _, id := range r.order {
		if _, ok := r.carried[id]; ok || r.refused[id] != nil {
			continue
		}
		record, ok := records[id]
		switch {
		case !ok:
			r.refused[id] = exit(exitNotFound, fmt.Errorf("no dead job %q; `siren dead list` shows those there are", id))
			continue
		case record.State != lanes.Dead:
			r.refused[id] = fmt.Errorf("job %s is %s, not dead%s", id, record.State, instead(record))
			continue
		}
		v, err := r.fromRecord(record)
		if err != nil {
			r.refused[id] = err
			continue
		}
		all = append(all, v)
	}
	if r.dryRun {
		r.count(all)
		return nil
	}
	return r.carry(ctx, all)
}

// fromRecord makes the copy of a job that has no letter.
func (r *replay) fromRecord(record lanes.Record) (*revival, error) {
	job := record.Job()
	body, err := lanes.Encode(job)
	if err != nil {
		return nil, fmt.Errorf("job %s can't be replayed: it has no letter, and its record is no job: %w", record.ID, err)
	}
	return r.revive(newFound(rabbit.DeadLetter{
		ID: record.ID, Lane: record.Lane, Reason: record.Reason, Replay: record.Replay, EnqueuedAt: record.EnqueuedAt, Body: body, Job: job,
	}, &record))
}

// tidy removes older letters of jobs that were replayed from a newer one.
func (r *replay) tidy() error {
	for _, l := range r.aside {
		if number, ours := r.carried[l.ID]; !ours || l.Replay >= number {
			r.left.stale++
			continue
		}
		r.removed++
		if r.dryRun {
			continue
		}
		if err := r.letters.Remove(l); err != nil {
			return unreachable(err)
		}
	}
	return nil
}

// report says what was done, and what wasn't. err is what ended it.
func (r *replay) report(ctx context.Context, err error) error {
	if r.dryRun && err == nil {
		t := newTable(col("LANE"), col("REASON"), num("JOBS"))
		for _, key := range slices.SortedFunc(maps.Keys(r.by), func(x, y [2]string) int { return strings.Compare(x[0]+"\x00"+x[1], y[0]+"\x00"+y[1]) }) {
			t.add(key[0], or(key[1], "-"), fmt.Sprint(r.by[key]))
		}
		if len(t.rows) > 0 {
			_ = t.print(r.out)
		}
		fmt.Fprintf(r.out, "%s would be replayed; nothing was changed (--dry-run)\n", plural(r.replayed, "dead job"))
	} else if r.replayed > 0 || err == nil {
		fmt.Fprintf(r.out, "%s replayed%s\n", plural(r.replayed, "dead job"), r.into())
	}
	say := func(n int, noun, what string) {
		if n > 0 {
			fmt.Fprintf(r.err, "%s %s\n", plural(n, noun), what)
		}
	}
	would := ""
	if r.dryRun {
		would = "would be "
	}
	say(r.removed, "letter", would+"removed: a newer copy has carried the job on")
	say(r.left.noJob, "letter", "left: no job can be made of it (no id, or not a job); `siren dead export --died-of no-id,not-a-job` has what came")
	say(r.left.elsewhere, "letter", "left: under the same id a job was enqueued again; `siren dead list --from-queue` says what became of it")
	say(r.left.otherKind, "letter", "left: jobs of its kind don't take "+r.set.String())
	say(r.left.stale, "letter", "left: the newest letter of its job isn't there; it is still on its way, or somebody else has it in hand")
	if ctx.Err() != nil {
		return errors.New("interrupted: what was begun is done, nothing is lost, and the same command goes on")
	}
	if err != nil {
		return exit(codeOf(err), fmt.Errorf("%w; nothing is lost, and the same command goes on", err))
	}
	return r.refusals()
}

// refusals is why jobs could not be replayed.
func (r *replay) refusals() error {
	var errs []error
	code := exitFailed
	for _, id := range slices.Sorted(maps.Keys(r.refused)) {
		err := r.refused[id]
		if codeOf(err) != exitFailed {
			code = codeOf(err)
		}
		if errs = append(errs, err); len(errs) == mostRefusals && len(r.refused) > mostRefusals {
			errs = append(errs, fmt.Errorf("and %d more", len(r.refused)-mostRefusals))
			break
		}
	}
	return exit(code, errors.Join(errs...))
}

// mostRefusals is how many jobs are told of that could not be replayed.
const mostRefusals = 10

// into is the lanes that jobs were put into, the one with the most first.
func (r *replay) into() string {
	lanes := map[string]int{}
	for key, n := range r.by {
		lanes[key[0]] += n
	}
	names := slices.SortedFunc(maps.Keys(lanes), func(x, y string) int {
		if lanes[x] != lanes[y] {
			return lanes[y] - lanes[x]
		}
		return strings.Compare(x, y)
	})
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " into " + names[0]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d into %s", lanes[name], name)
	}
	return ": " + strings.Join(names, ", ")
}

// showProgress says on a terminal how far it is.
func (r *replay) showProgress() {
	if !isTerminal(r.err) {
		return
	}
	left := ""
	if r.pace.rate > 0 && r.expect > r.replayed {
		left = ", " + span(time.Duration(float64(r.expect-r.replayed)/r.pace.rate*float64(time.Second))) + " left"
	}
	fraction := 1.0
	if r.expect > 0 {
		fraction = float64(r.replayed) / float64(r.expect)
	}
	fmt.Fprintf(r.err, "\r\x1b[K%s %d of %d replayed%s", bar(fraction, 30), r.replayed, max(r.expect, r.replayed), left)
}

func (r *replay) clearProgress() {
	if isTerminal(r.err) {
		fmt.Fprint(r.err, "\r\x1b[K")
	}
}

// pace spreads jobs over time.
type pace struct {
	rate float64 // jobs a second; 0: no bound
	next time.Time
}

// batch is how many letters are taken in one go: what is replayed within half a minute, so that what the ledger said of them isn't old.
func (p *pace) batch() int {
	if p.rate == 0 {
		return letterBatch
	}
	return int(min(letterBatch, max(1, math.Ceil(30*p.rate))))
}

// chunk is how many jobs go at once.
func (p *pace) chunk() int {
	if p.rate == 0 {
		return copyBatch
	}
	return int(min(letterBatch, max(1, p.rate/5)))
}

// worth is how many pending jobs are worth being published: a classic queue takes its time to confirm, for one as for many.
func (p *pace) worth() int {
	if p.rate == 0 {
		return copyBatch
	}
	return 1
}

// wait returns when it is time for n more.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.rate == 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	t := time.NewTimer(p.next.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.next = p.next.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	return ctx.Err()
}

// lingering is ctx, but it ends so much later.
func lingering(ctx context.Context, by time.Duration) (late context.Context, end func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return late, func() {
		stop()
		cancel()
	}
}

// codeOf is the exit code that an error means.
func codeOf(err error) int {
	if e := (*exitError)(nil); errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}
