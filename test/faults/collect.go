package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/processes"
)

// letters reads every dead letter and leaves it where it is.
func (s *site) letters() (map[string][]history.Letter, error) {
	conn, err := amqp.Dial(s.rabbitmq.URL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // and everything goes back
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	letters := map[string][]history.Letter{}
	for {
		d, found, err := ch.Get(deadQueue, false)
		if err != nil {
			return nil, fmt.Errorf("read the dead letters: %w", err)
		}
		if !found {
			return letters, nil
		}
		job, _, _ := job.Decode(d.Body, d.MessageId)
		reason, _ := d.Headers["reason"].(string)
		text, _ := d.Headers["error"].(string)
		if why, _ := d.Headers["x-first-death-reason"].(string); reason == "" {
			reason = "broker: " + why
		}
		letters[job.ID] = append(letters[job.ID], history.Letter{Reason: reason, Text: text})
	}
}

// records asks the ledger for each job.
func (s *site) records(ctx context.Context, jobs []*history.Attempts) (map[string]job.Record, error) {
	c, err := client.New(client.Options{AMQPURL: s.rabbitmq.URL, RedisURL: s.redis.URL})
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
func (s *site) outputs(ctx context.Context) (map[string]history.Output, error) {
	made, err := s.made()
	if err != nil {
		return nil, err
	}
	all := map[string]history.Output{}
	for _, dir := range []string{s.out(), s.bucket.dir} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			file := filepath.Join(dir, e.Name())
			recipe, err := s.expected.recipe(ctx, file)
			if err != nil {
				return nil, err
			}
			owners, err := s.owners(file, made[e.Name()])
			if err != nil {
				return nil, err
			}
			all[e.Name()] = history.Output{Recipe: recipe, Owners: owners}
		}
	}
	return all, nil
}

// owners returns the jobs of which an attempt has made the file: as an object says itself, and as other names of a file
// do.
func (s *site) owners(file string, made []madeFile) (owners []string, err error) {
	if filepath.Dir(file) == s.bucket.dir {
		owner, err := s.bucket.owner(file)
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
func (s *site) made() (map[string][]madeFile, error) {
	made := map[string][]madeFile{}
	paths, err := filepath.Glob(filepath.Join(s.out(), ".siren", "*", "*", "*"))
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
func (s *site) programs() (list []string) {
	for _, p := range processes.Running(func(p processes.Process) bool {
		return strings.HasPrefix(p.Cwd, filepath.Join(s.dir, "scratch")+"/")
	}) {
		list = append(list, p.String())
	}
	return list
}

// scratch returns the attempts' folders that are left on the workers' disks.
func (s *site) scratch() []string {
	left, _ := filepath.Glob(filepath.Join(s.dir, "scratch", "w*", "siren-attempts-*", "*-*"))
	return left
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
func (s *site) events() (map[string][]history.Event, error) {
	events := map[string][]history.Event{}
	for _, p := range s.workers {
		for _, l := range p.history() {
			f, err := os.Open(filepath.Join(s.dir, "log", l.name+".log"))
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
					At: e.Time, Worker: l.name, What: e.Message, Again: e.Returned, Already: e.Already, Claim: e.Claim,
					Line: lines.Text(),
				})
			}
			_ = f.Close()
			if err := lines.Err(); err != nil {
				return nil, fmt.Errorf("read the log of %s: %w", l.name, err)
			}
		}
	}
	for _, list := range events {
		slices.SortStableFunc(list, func(a, b history.Event) int { return a.At.Compare(b.At) })
	}
	return events, nil
}
