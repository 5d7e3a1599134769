// Package witness sees what comes of the jobs: every change of the outputs as it happens (watch.go), and all that there
// is at the end (collect.go). It doesn't judge.
package witness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
	"github.com/polyglot-media/siren/test/faults/workload"
	"github.com/polyglot-media/siren/test/processes"
	"github.com/polyglot-media/siren/test/wait"
)

// stopTime is how long a process may take to stop when nothing is left.
const stopTime = 20 * time.Second

// staleFor is how long after a failover of Redis records may say that a job runs which doesn't, and a little more.
const staleFor = 65 * time.Second

// AwaitRecords waits until no record says that its job runs, or Redis failed over so long ago that none may.
func AwaitRecords(ctx context.Context, s *site.Site, jobs []*history.Attempts, failedOver []time.Time) error {
	if len(failedOver) == 0 {
		return nil
	}
	until := slices.MaxFunc(failedOver, time.Time.Compare).Add(staleFor)
	for time.Now().Before(until) {
		list, err := records(ctx, s, jobs)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(list)), func(r job.Record) bool {
			return r.State == job.Running
		}) {
			return nil
		}
		if err := wait.Pause(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// Collect stops the fleet in order and gathers what there is.
func Collect(ctx context.Context, s *site.Site, h *history.History, w *Watch) (err error) {
	h.Programs = programs(s)
	for _, p := range slices.Concat(s.Workers, s.Scalers) {
		if err := p.Stop(stopTime); err != nil {
			h.Broken = append(h.Broken, err.Error())
		}
		for _, l := range p.History() {
			if l.Unexpected != "" {
				h.Broken = append(h.Broken, fmt.Sprintf("%s ended by itself at %s: %s", l.Name,
					l.To.Format(history.Clock), l.Unexpected))
			}
		}
	}
	for _, p := range s.Workers {
		h.Scratch = append(h.Scratch, p.Attempts()...)
	}
	depths, err := s.Ready()
	if err != nil {
		return err
	}
	h.Left = site.Waiting(depths)
	if h.Letters, err = letters(s); err != nil {
		return err
	}
	h.RecordsAt = time.Now()
	if h.Records, err = records(ctx, s, h.Jobs); err != nil {
		return err
	}
	if h.Events, err = events(s); err != nil {
		return err
	}
	if h.Seen, err = w.close(); err != nil {
		return err
	}
	h.Outputs, err = outputs(ctx, s, w.expected)
	return err
}

// letters reads every dead letter and leaves it where it is.
func letters(s *site.Site) (map[string][]history.Letter, error) {
	found := map[string][]history.Letter{}
	return found, s.Direct(func(ch *amqp.Channel) error { // at whose end everything goes back
		for {
			d, more, err := ch.Get(site.DeadQueue, false)
			if err != nil {
				return fmt.Errorf("read the dead letters: %w", err)
			}
			if !more {
				return nil
			}
			job, _, _ := job.Decode(d.Body, d.MessageId)
			reason, _ := d.Headers["reason"].(string)
			text, _ := d.Headers["error"].(string)
			if why, _ := d.Headers["x-first-death-reason"].(string); reason == "" {
				reason = "broker: " + why
			}
			number, _ := d.Headers["replay"].(int64)
			found[job.ID] = append(found[job.ID], history.Letter{Reason: reason, Text: text, Copy: int(number)})
		}
	})
}

// records asks the ledger for each job.
func records(ctx context.Context, s *site.Site, jobs []*history.Attempts) (map[string]job.Record, error) {
	c, err := client.New(client.Options{AMQPURL: s.AMQPURL(), RedisURL: s.RedisURL()})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	records := map[string]job.Record{}
	for _, j := range jobs {
		r, err := c.Get(ctx, j.Job.ID)
		switch {
		case err == nil:
			records[j.Job.ID] = r
		case !errors.Is(err, client.ErrNotFound):
			return nil, err
		}
	}
	return records, nil
}

// outputs looks at every file where outputs are, and at every object.
func outputs(ctx context.Context, s *site.Site, e workload.Expected) (map[string]history.Output, error) {
	fromAttempts, err := made(s)
	if err != nil {
		return nil, err
	}
	all := map[string]history.Output{}
	for _, dir := range s.OutputDirs() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range entries {
			if f.IsDir() {
				continue
			}
			file := filepath.Join(dir, f.Name())
			recipe, err := e.Recipe(ctx, file)
			if err != nil {
				return nil, err
			}
			by, err := owners(s, file, fromAttempts[f.Name()])
			if err != nil {
				return nil, err
			}
			all[f.Name()] = history.Output{Recipe: recipe, Owners: by}
		}
	}
	return all, nil
}

// owners returns the jobs of which an attempt has made the file: as an object says itself, and as other names of a file
// do.
func owners(s *site.Site, file string, made []madeFile) (owners []string, err error) {
	if filepath.Dir(file) == s.Bucket.Dir {
		owner, err := s.Bucket.Owner(file)
		return []string{owner}, err
	}
	info, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	for _, m := range made {
		if os.SameFile(m.info, info) && !slices.Contains(owners, m.job) {
			owners = append(owners, m.job)
		}
	}
	return owners, nil
}

type madeFile struct {
	job  string
	info fs.FileInfo
}

// made returns the attempts' files, by the name that they have as an output: out/.siren/<job>/<attempt>/<name>.
func made(s *site.Site) (map[string][]madeFile, error) {
	made := map[string][]madeFile{}
	paths, err := filepath.Glob(s.Path("out", ".siren", "*", "*", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		job := filepath.Base(filepath.Dir(filepath.Dir(path)))
		made[filepath.Base(path)] = append(made[filepath.Base(path)], madeFile{job, info})
	}
	return made, nil
}

// programs returns the processes that work in an attempt's scratch folder.
func programs(s *site.Site) (list []string) {
	for _, p := range processes.Running(func(p processes.Process) bool {
		return strings.HasPrefix(p.Cwd, s.Path("scratch")+"/")
	}) {
		list = append(list, p.String())
	}
	return list
}

// said is a line of a log.
type said struct {
	Time     time.Time `json:"time"`
	Message  string    `json:"msg"`
	Job      string    `json:"job"`
	Returned bool      `json:"returned"`
	Already  bool      `json:"already"`
	Claim    string    `json:"claim"`
}

// events reads what the workers' logs say of each job.
func events(s *site.Site) (map[string][]history.Event, error) {
	events := map[string][]history.Event{}
	for _, p := range s.Workers {
		for _, l := range p.History() {
			f, err := os.Open(s.Path("log", l.Name+".log"))
			if err != nil {
				return nil, err
			}
			lines := bufio.NewScanner(f)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var e said
				if json.Unmarshal(lines.Bytes(), &e) != nil || e.Job == "" { // a killed worker's last line may be half
					continue
				}
				events[e.Job] = append(events[e.Job], history.Event{
					At: e.Time, Worker: l.Name, What: e.Message, Again: e.Returned, Already: e.Already, Claim: e.Claim,
					Line: lines.Text(),
				})
			}
			_ = f.Close()
			if err := lines.Err(); err != nil {
				return nil, fmt.Errorf("read the log of %s: %w", l.Name, err)
			}
		}
	}
	for _, list := range events {
		slices.SortStableFunc(list, func(a, b history.Event) int { return a.At.Compare(b.At) })
	}
	return events, nil
}
